"""The operator's look at what went wrong: orders set aside, and Redis beside the database."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from conftest import ITEM, Shop

import flashsale
from flashsale import DeadFate, Outcome, Role, aio


def command(shop: Shop, *words: str | int) -> None:
    """Has Redis do what only an accident does."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(shop.url.removeprefix("redis+unix://"))
        server.sendall(" ".join(map(str, words)).encode() + b"\r\n")
        assert server.recv(100).startswith(b":")


def oversell(shop: Shop) -> None:
    """Three units, five sold: a worker sets the last two aside, and the sale is paused."""
    meta = f"fs:{{{shop.sale}}}:meta"
    shop.sales.create(flashsale.Sale(shop.sale).item(ITEM, 3, 1))
    shop.sales.open(shop.sale)
    command(shop, "HSET", meta, "total:1", 5)
    gate = flashsale.StockGate(shop.pool)
    for buyer in range(5):
        assert gate.reserve(shop.sale, ITEM, buyer=f"b{buyer}", request="1", timeout=30).holds_stock
    worker = flashsale.OrderWorker(shop.pool, shop.sink, [shop.sale])
    worker.drain(timeout=60)
    assert worker.report().dead == 2
    command(shop, "HSET", meta, "total:1", 3)


def test_dead_orders_are_listed_retried_and_dropped(redis_url: str, database: Path) -> None:
    shop = Shop(redis_url, database)
    oversell(shop)
    first, second = shop.sales.dead(shop.sale)
    assert first.order < second.order and first.order.count("-") == 1
    assert (first.buyer, first.item, first.request, first.quantity) == ("b3", ITEM, "1", 1)
    assert (first.reason, first.fate) == ("OVERSOLD", DeadFate.DEAD)
    with pytest.raises(flashsale.Conflict, match="OVERSOLD"):
        shop.sales.dead_retry(shop.sale, first.order)
    shop.sales.restock(shop.sale, ITEM, 1, "found-one")
    for _ in range(2):  # repeating is harmless
        shop.sales.dead_retry(shop.sale, first.order)
        shop.sales.dead_drop(shop.sale, second.order)
    assert [row.fate for row in shop.sales.dead(shop.sale)] == [DeadFate.RETRIED, DeadFate.DROPPED]
    with pytest.raises(flashsale.Conflict):
        shop.sales.dead_drop(shop.sale, first.order)
    with pytest.raises(flashsale.NotFound):
        shop.sales.dead_retry(shop.sale, "1-1.99")
    with pytest.raises(flashsale.InvalidArgument, match="order"):
        shop.sales.dead_drop(shop.sale, "first")
    gate = flashsale.StockGate(shop.pool)
    outcomes = [gate.reserve(shop.sale, ITEM, buyer=b, request="1", timeout=30).outcome for b in ("b3", "b4")]
    assert outcomes == [Outcome.ALREADY_RESERVED, Outcome.ALREADY_RELEASED]


def test_more_dead_orders_than_one_look_has_room_for_are_all_read(
    redis_url: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(redis_url, database)
    oversell(shop)
    monkeypatch.setattr("flashsale._controller._DEAD_AT_FIRST", 1)
    assert [row.buyer for row in shop.sales.dead(shop.sale)] == ["b3", "b4"]


def test_an_audit_finds_what_differs_and_repairs_it(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    for buyer in ("ann", "bob"):
        gate.reserve(shop.sale, ITEM, buyer=buyer, request="1", timeout=30)
    report = shop.sales.audit(shop.sale)
    assert report.is_sound and report.differing == 0
    assert report.items == (flashsale.AuditItem(ITEM, 100, 98, 2, 0, 0, 0, 0),)
    command(shop, "HDEL", f"fs:{{{shop.sale}}}:buyers", "ann")
    command(shop, "HINCRBY", f"fs:{{{shop.sale}}}:meta", "booked:1", -1)
    report = shop.sales.audit(shop.sale)
    assert not report.is_sound and (report.differing, report.items[0].difference) == (1, 1)
    assert shop.sales.audit(shop.sale, repair=True).is_sound
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30).outcome is Outcome.ALREADY_RESERVED


def test_asyncio_has_the_operators_look_as_well(redis_url: str, database: Path) -> None:
    shop = Shop(redis_url, database)
    oversell(shop)

    async def look() -> None:
        async with aio.SaleController(shop.pool, shop.sink) as sales:
            first, second = await sales.dead(shop.sale)
            await sales.dead_drop(shop.sale, first.order)
            await sales.restock(shop.sale, ITEM, 1, "found-one")
            await sales.dead_retry(shop.sale, second.order)
            assert [row.fate for row in await sales.dead(shop.sale)] == [DeadFate.DROPPED, DeadFate.RETRIED]
            assert (await sales.audit(shop.sale)).items[0].held == 4

    asyncio.run(look())


def test_without_a_database_there_are_no_dead_orders_to_read(shop: Shop) -> None:
    with pytest.raises(flashsale.Unsupported):
        flashsale.SaleController(shop.pool).dead(shop.sale)


def test_a_status_counts_the_orders_whose_hold_runs(shop: Shop) -> None:
    terms = flashsale.Sale("held-" + shop.sale, hold_ms=3_600_000).item(ITEM, 5, 5)
    shop.sales.create(terms)
    shop.sales.open(terms.id)
    gate = flashsale.StockGate(shop.pool)
    for request in ("1", "2"):
        assert gate.reserve(terms.id, ITEM, buyer="ann", request=request, timeout=30).holds_stock
    assert gate.confirm(terms.id, buyer="ann", request="1", timeout=30, level=flashsale.Level.PRIMARY)
    assert shop.sales.status(terms.id, Role.PRIMARY).held == 1
