"""The blocking gate."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import ITEM, Shop, server_program

import flashsale
import flashsale.aio
from flashsale import Effect, Level, Outcome, PauseReason


def test_a_reservation_is_won_once_and_its_retry_hears_the_same_order(shop: Shop) -> None:
    with flashsale.StockGate(shop.pool) as gate:
        first = gate.reserve(shop.sale, ITEM, buyer="ann", request="click-1")
        again = gate.reserve(shop.sale, ITEM, buyer="ann", request="click-1")
    assert first.outcome is Outcome.RESERVED and first.holds_stock and first.remaining == 99
    assert first.level is Level.PRIMARY and first.order == "1-2.0"
    assert again.outcome is Outcome.ALREADY_RESERVED and again.order == first.order
    assert shop.booked() == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_an_order_that_redis_lost_comes_back_by_the_receipt_of_a_closed_gate(shop: Shop, is_async: bool) -> None:
    async def sell() -> str:
        async with flashsale.aio.StockGate(shop.pool, shop.sink) as gate:
            return (await gate.reserve(shop.sale, ITEM, buyer="ann", request="click-1", timeout=20)).order

    if is_async:
        order = asyncio.run(sell())
    else:
        with flashsale.StockGate(shop.pool, shop.sink) as gate:
            order = gate.reserve(shop.sale, ITEM, buyer="ann", request="click-1", timeout=20).order
    keys = [f"fs:{{{shop.sale}}}:{key}" for key in ("meta", "buyers", "journal")]
    path = shop.url.removeprefix("redis+unix://")
    subprocess.run([server_program("cli"), "-s", path, "DEL", *keys], check=True, stdout=subprocess.DEVNULL)
    shop.sales.reconcile(shop.sale)
    found = flashsale.StockGate(shop.pool).resolve(shop.sale, buyer="ann", request="click-1", timeout=20)
    assert order != "" and (found.outcome, found.order) == (Outcome.ALREADY_RESERVED, order)


def test_refusals_are_outcomes(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1", quantity=3).outcome is Outcome.LIMIT_REACHED
    for buyer in range(50):
        assert gate.reserve(shop.sale, ITEM, buyer=f"b{buyer}", request="1", quantity=2).holds_stock
    late = gate.reserve(shop.sale, ITEM, buyer="late", request="1")
    assert late.outcome is Outcome.SOLD_OUT and not late.holds_stock and late.order == ""
    shop.sales.pause(shop.sale)
    paused = gate.reserve(shop.sale, ITEM, buyer="late", request="2")
    assert paused.outcome is Outcome.PAUSED and paused.reason is PauseReason.OPERATOR


def test_resolve_and_status_tell_what_became_of_a_request(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    won = gate.reserve(shop.sale, ITEM, buyer="ann", request="click-1")
    for look in (gate.resolve, gate.status):
        found = look(shop.sale, buyer="ann", request="click-1")
        assert (found.outcome, found.order) == (Outcome.ALREADY_RESERVED, won.order)
        assert look(shop.sale, buyer="ann", request="click-2").outcome is Outcome.NOT_RESERVED


def test_a_call_longer_than_ctrl_c_may_wait_gives_the_same(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30).outcome is Outcome.RESERVED
    with pytest.raises(flashsale.NotFound, match="."):
        gate.reserve("nosuch", ITEM, buyer="ann", request="1", timeout=30)


def test_errors_are_exceptions_that_tell_their_effect(shop: Shop, silent_url: str) -> None:
    gate = flashsale.StockGate(shop.pool)
    with pytest.raises(flashsale.NotFound) as missing:
        gate.reserve(shop.sale, "socks", buyer="ann", request="1")
    assert missing.value.effect is Effect.NONE and not missing.value.is_retryable
    gate.reserve(shop.sale, ITEM, buyer="ann", request="1")
    with pytest.raises(flashsale.Conflict):
        gate.reserve(shop.sale, ITEM, buyer="ann", request="1", quantity=2)
    silent = flashsale.StockGate(flashsale.Pool(silent_url))
    with pytest.raises(flashsale.Error) as timed_out:
        silent.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=0.1)
    assert isinstance(timed_out.value, (TimeoutError, ConnectionError)) and timed_out.value.is_retryable
    copy = pickle.loads(pickle.dumps(timed_out.value))
    assert (type(copy), str(copy), copy.effect) == (type(timed_out.value), str(timed_out.value), timed_out.value.effect)


def test_threads_share_a_gate_and_never_oversell(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(
            lambda i: gate.reserve(shop.sale, ITEM, buyer=f"b{i}", request="1", timeout=30), range(400)
        )
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.RESERVED) == 100 and outcomes.count(Outcome.SOLD_OUT) == 300
    assert shop.booked() == 100


def test_the_payload_reaches_the_database_byte_for_byte(shop: Shop) -> None:
    payload = bytes(range(256))
    gate = flashsale.StockGate(shop.pool)
    order = gate.reserve(shop.sale, ITEM, buyer="ann", request="1", payload=memoryview(payload)).order
    flashsale.OrderWorker(shop.pool, shop.sink, [shop.sale]).drain(timeout=60)
    with contextlib.closing(sqlite3.connect(shop.database)) as rows:
        row = rows.execute("select payload, buyer from flashsale_order where sale = ?", (shop.sale,)).fetchone()
    assert row == (payload, "ann") and order.endswith(".0")


def test_the_gil_is_free_while_a_call_waits(silent_url: str) -> None:
    gate = flashsale.StockGate(flashsale.Pool(silent_url))

    def wait() -> None:
        with pytest.raises(flashsale.Error):
            gate.reserve("spring", ITEM, buyer="ann", request="1", timeout=1)

    waiter = threading.Thread(target=wait)
    waiter.start()
    turns = 0
    while waiter.is_alive():
        turns += 1
    assert turns > 1000


def test_use_after_close_is_an_error_and_closing_twice_is_not(shop: Shop) -> None:
    gate, worker = flashsale.StockGate(shop.pool), flashsale.OrderWorker(shop.pool, shop.sink)
    things: list[Any] = [gate, worker, shop.sales, shop.pool, shop.sink]
    for thing in things:
        thing.close()
        thing.close()
        assert thing.closed
    uses: list[Callable[[], object]] = [
        lambda: gate.reserve(shop.sale, ITEM, buyer="ann", request="1"),
        lambda: worker.run(),
        lambda: worker.report(),
        lambda: worker.stop(),
        lambda: shop.sales.open(shop.sale),
        lambda: shop.sales.status(shop.sale),
        lambda: flashsale.StockGate(shop.pool),
        lambda: flashsale.SaleController(flashsale.Pool(shop.url), shop.sink),
    ]
    for use in uses:
        with pytest.raises(flashsale.Closed, match="was closed"):
            use()


def test_closing_while_another_thread_waits_crashes_nothing(silent_url: str) -> None:
    gate = flashsale.StockGate(flashsale.Pool(silent_url))
    with ThreadPoolExecutor(4) as threads:
        calls = [
            threads.submit(gate.reserve, "spring", ITEM, buyer="ann", request=f"{i}", timeout=1) for i in range(4)
        ]
        while not any(call.running() for call in calls):
            pass
        gate.close()
        for call in calls:
            assert isinstance(call.exception(), flashsale.Error)


def test_a_pool_may_be_closed_before_its_gate(shop: Shop) -> None:
    with flashsale.Pool(shop.url) as pool:
        gate = flashsale.StockGate(pool)
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1").holds_stock
