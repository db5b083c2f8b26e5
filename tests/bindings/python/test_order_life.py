"""What becomes of an order: confirmed when it is paid for, or released."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from conftest import ITEM, Shop, wait_until
from servers import Server, ask
from test_server import buy, server

import flashsale
from flashsale import Level, Outcome, aio

__all__ = ["server"]  # the fixture


@pytest.fixture
def worker(shop: Shop) -> Iterator[flashsale.OrderWorker]:
    """Carries the shop's orders while the test runs."""
    with flashsale.OrderWorker(shop.pool, shop.sink, [shop.sale], idle_ms=1) as worker:
        running = threading.Thread(target=worker.run)
        running.start()
        yield worker
        worker.stop()
        running.join()


def test_an_order_is_confirmed_or_released_once_and_says_which(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool, timeout_ms=10_000)

    def confirm(buyer: str) -> Outcome:
        return gate.confirm(shop.sale, buyer=buyer, request="1", level=Level.PRIMARY).outcome

    def release(buyer: str) -> Outcome:
        return gate.release(shop.sale, buyer=buyer, request="1", level=Level.PRIMARY).outcome

    for buyer in ("ann", "bob"):
        assert gate.reserve(shop.sale, ITEM, buyer=buyer, request="1").holds_stock
    assert confirm("ann") is Outcome.CONFIRMED and confirm("ann") is Outcome.ALREADY_CONFIRMED
    assert release("ann") is Outcome.ALREADY_CONFIRMED
    assert release("bob") is Outcome.RELEASED and release("bob") is Outcome.ALREADY_RELEASED
    assert confirm("bob") is Outcome.ALREADY_RELEASED
    assert confirm("eve") is Outcome.NOT_RESERVED and release("eve") is Outcome.NOT_RESERVED
    assert gate.resolve(shop.sale, buyer="ann", request="1").outcome is Outcome.ALREADY_CONFIRMED


def test_asyncio_confirms_and_releases_in_one_turn(shop: Shop) -> None:
    async def main() -> list[Outcome]:
        async with aio.StockGate(shop.pool, timeout_ms=10_000) as gate:
            for buyer in ("ann", "bob"):
                await gate.reserve(shop.sale, ITEM, buyer=buyer, request="1")
            answers = await asyncio.gather(
                gate.confirm(shop.sale, buyer="ann", request="1", level=Level.PRIMARY),
                gate.release(shop.sale, buyer="bob", request="1", level=Level.PRIMARY),
                gate.confirm(shop.sale, buyer="eve", request="1", level=Level.PRIMARY),
            )
            return [answer.outcome for answer in answers]

    assert asyncio.run(main()) == [Outcome.CONFIRMED, Outcome.RELEASED, Outcome.NOT_RESERVED]


def test_the_service_confirms_and_cancels(server: Server, shop: Shop, worker: flashsale.OrderWorker) -> None:
    path = f"/sales/{shop.sale}/orders/k"

    def status_of(method: str, path: str) -> int:
        return ask(server, method, path)[0]

    for buyer in ("ann", "bob"):
        assert buy(server, shop, "k", buyer=buyer)[0] == 201
    # 202: decided, and on its way to the database yet.
    wait_until(lambda: status_of("POST", path + "/confirm?buyer=ann") == 200)
    assert status_of("DELETE", path + "?buyer=ann") == 409  # it was paid for, and stays
    assert status_of("DELETE", path + "?buyer=bob") == 200
    assert status_of("DELETE", path + "?buyer=bob") == 200
    status, _, raw = ask(server, "POST", path + "/confirm?buyer=bob")
    assert status == 410 and json.loads(raw)["code"] == "already_released"
    assert status_of("POST", path + "/confirm?buyer=eve") == 404
    assert status_of("DELETE", path + "?buyer=eve") == 404
