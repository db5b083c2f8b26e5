"""The operator's side and the worker, blocking."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import pytest
from conftest import ITEM, Shop, wait_until

import flashsale
from flashsale import Outcome, Role, SaleState


def test_a_sale_goes_from_created_to_retired(shop: Shop) -> None:
    sales, gate = shop.sales, flashsale.StockGate(shop.pool)

    def state() -> SaleState:
        return sales.status(shop.sale, Role.PRIMARY).state

    assert state() is SaleState.OPEN
    sales.pause(shop.sale)
    assert state() is SaleState.PAUSED
    sales.resume(shop.sale)
    sales.restock(shop.sale, ITEM, 5, "delivery-1")
    sales.restock(shop.sale, ITEM, 5, "delivery-1")
    assert sales.status(shop.sale, Role.PRIMARY).items[0].total == 105
    with pytest.raises(flashsale.Conflict):
        sales.restock(shop.sale, ITEM, 6, "delivery-1")
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30).holds_stock
    sales.drain(shop.sale)
    sales.close_sale(shop.sale)
    assert gate.reserve(shop.sale, ITEM, buyer="bob", request="1", timeout=30).outcome is Outcome.ENDED
    flashsale.OrderWorker(shop.pool, shop.sink, [shop.sale]).drain(timeout=60)
    sales.retire(shop.sale)
    with pytest.raises(flashsale.NotFound):
        sales.status(shop.sale, Role.PRIMARY)


def test_terms_and_schedules_are_told_as_they_were_given(shop: Shop) -> None:
    terms = flashsale.Sale("terms-" + shop.sale, hold_ms=60_000, buyer_orders_max=3, opens_ms=32_503_680_000_000)
    shop.sales.create(terms.item("a", 10, 1).item("b", 20, 2))
    shop.sales.schedule(terms.id, closes_ms=32_503_680_001_000)
    status = shop.sales.status(terms.id, Role.PRIMARY)
    assert (status.hold_ms, status.buyer_orders_max) == (60_000, 3)
    assert (status.opens_ms, status.closes_ms) == (32_503_680_000_000, 32_503_680_001_000)
    assert [(item.item, item.total, item.booked, item.limit) for item in status.items] == [
        ("a", 10, 0, 1),
        ("b", 20, 0, 2),
    ]
    assert status.phase == "not_started" and not status.fenced and status.now_ms > 1_600_000_000_000
    answer = flashsale.StockGate(shop.pool).reserve(terms.id, "a", buyer="ann", request="1", timeout=30)
    assert answer.outcome is Outcome.NOT_STARTED and answer.retry_after_ms > 0


def test_preloaded_facts_come_back_byte_for_byte(shop: Shop) -> None:
    with pytest.raises(flashsale.NotFound):
        shop.sales.info(shop.sale, ITEM)
    facts = bytes(range(256)) * 64  # 16 KiB
    shop.sales.preload(shop.sale, ITEM, facts)
    assert shop.sales.info(shop.sale, ITEM) == facts
    with pytest.raises(flashsale.InvalidArgument, match="info"):
        shop.sales.preload(shop.sale, ITEM, facts + b"x")


def test_a_worker_carries_orders_until_it_is_stopped(shop: Shop) -> None:
    gate = flashsale.StockGate(shop.pool)
    with flashsale.OrderWorker(shop.pool, shop.sink, [shop.sale], idle_ms=1) as worker:
        running = threading.Thread(target=worker.run)
        running.start()
        for buyer in range(20):
            gate.reserve(shop.sale, ITEM, buyer=f"b{buyer}", request="1", timeout=30)
        wait_until(lambda: worker.report().orders == 20)
        worker.stop()
        running.join(60)
        assert not running.is_alive()
    with contextlib.closing(sqlite3.connect(shop.database)) as rows:
        (count,) = rows.execute("select count(*) from flashsale_order where sale = ?", (shop.sale,)).fetchone()
    assert count == 20
