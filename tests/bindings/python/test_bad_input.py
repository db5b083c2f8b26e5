"""Every bad field is an exception that names the field and its bound, blocking and asyncio alike; nothing is sent."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from conftest import ITEM, Shop

import flashsale
import flashsale.aio

GOOD: dict[str, Any] = {"item": ITEM, "buyer": "ann", "request": "1"}
BAD_CALLS = [
    ({"buyer": ""}, "buyer must have 1 to 64 bytes, has 0"),
    ({"buyer": "x" * 65}, "buyer must have 1 to 64 bytes, has 65"),
    ({"buyer": "a b"}, "buyer must consist of"),
    ({"buyer": "ann\0"}, "buyer must consist of"),
    ({"buyer": "ánn"}, "buyer must consist of"),
    ({"buyer": "\ud800"}, "buyer must consist of"),
    ({"request": ""}, "request must have 1 to 64 bytes"),
    ({"request": "a\n"}, "request must consist of"),
    ({"item": ""}, "item must have 1 to 64 bytes"),
    ({"item": "a:b"}, "item must consist of"),
    ({"sale": ""}, "sale must have 1 to 64 bytes"),
    ({"sale": "{x}"}, "sale must consist of"),
    ({"sale": "s" * 1_000_000}, "sale must have 1 to 64 bytes, has 1000000"),
    ({"quantity": 0}, "quantity must be 1 to 1000000, is 0"),
    ({"quantity": -1}, "quantity must be 1 to 1000000, is -1"),
    ({"quantity": 1_000_001}, "quantity must be 1 to 1000000, is 1000001"),
    ({"quantity": 1 << 70}, "quantity must be 1 to 1000000"),
    ({"timeout": 0}, "timeout must be 0.001 to 30 seconds, is 0"),
    ({"timeout": -1.0}, "timeout must be 0.001 to 30 seconds"),
    ({"timeout": 30.5}, "timeout must be 0.001 to 30 seconds"),
    ({"timeout": math.nan}, "timeout must be 0.001 to 30 seconds"),
    ({"timeout": math.inf}, "timeout must be 0.001 to 30 seconds"),
    ({"level": 9}, "level must be a flashsale.Level, is 9"),
    ({"level": "primary"}, "level must be a flashsale.Level, is 'primary'"),
    ({"payload": b"x" * 1025}, "payload must have at most 1024 bytes, has 1025"),
]
BAD_TYPES = [{"buyer": None}, {"buyer": b"ann"}, {"item": 1}, {"quantity": 1.5}, {"quantity": "1"}, {"payload": "text"}]


def arguments(shop: Shop, bad: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    given = {"sale": shop.sale, **GOOD, **bad}
    return given.pop("sale"), given.pop("item"), given


@pytest.mark.parametrize(("bad", "message"), BAD_CALLS)
def test_a_field_out_of_its_bounds_is_named_with_them(shop: Shop, bad: dict[str, Any], message: str) -> None:
    sale, item, rest = arguments(shop, bad)
    gate = flashsale.StockGate(shop.pool)
    with pytest.raises(flashsale.InvalidArgument) as blocking:
        gate.reserve(sale, item, **rest)

    async def submit() -> None:
        async with flashsale.aio.StockGate(shop.pool) as gate:
            await gate.reserve(sale, item, **rest)

    with pytest.raises(flashsale.InvalidArgument) as submitted:
        asyncio.run(submit())
    assert message in str(blocking.value) and str(submitted.value) == str(blocking.value)
    assert isinstance(blocking.value, ValueError) and blocking.value.effect is flashsale.Effect.NONE
    assert shop.booked() == 0


@pytest.mark.parametrize("bad", BAD_TYPES)
def test_a_field_of_another_type_is_a_type_error(shop: Shop, bad: dict[str, Any]) -> None:
    sale, item, rest = arguments(shop, bad)
    with pytest.raises(TypeError):
        flashsale.StockGate(shop.pool).reserve(sale, item, **rest)


def test_one_bad_call_in_a_batch_spoils_no_other(shop: Shop) -> None:
    async def batch() -> list[Any]:
        async with flashsale.aio.StockGate(shop.pool) as gate:
            buyers = ("ann", "not good", "bob")
            calls = (gate.reserve(shop.sale, ITEM, buyer=buyer, request="1", timeout=30) for buyer in buyers)
            answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            return answers

    ann, bad, bob = asyncio.run(batch())
    assert ann.holds_stock and bob.holds_stock and isinstance(bad, flashsale.InvalidArgument)


def test_options_are_judged_by_name_and_bound(shop: Shop) -> None:
    with pytest.raises(flashsale.NotFound, match="gate.lane'"):
        flashsale.StockGate(shop.pool, lane=2)
    with pytest.raises(flashsale.InvalidArgument, match="gate.lanes must be 1 to 16, is '17'"):
        flashsale.StockGate(shop.pool, lanes=17)
    with pytest.raises(flashsale.InvalidArgument, match="worker.reconcile must be one of"):
        flashsale.OrderWorker(shop.pool, shop.sink, reconcile="perhaps")
    assert flashsale.StockGate(shop.pool, lanes=4, level="primary", timeout_ms=None)
    assert {"gate.lanes", "sale.hold_ms", "pool.connect_timeout_ms"} <= {row.name for row in flashsale.options()}


def test_urls_are_judged_and_passwords_never_shown(shop: Shop) -> None:
    with pytest.raises(flashsale.Unsupported):
        flashsale.Pool("memcached://127.0.0.1")
    with pytest.raises(flashsale.InvalidArgument) as refused:
        flashsale.Pool("redis://user:topsecret@127.0.0.1:99999")
    assert "topsecret" not in str(refused.value)
    with pytest.raises(flashsale.Unsupported):
        flashsale.make_sink("oracle:nothing")


def test_terms_and_acts_are_judged(shop: Shop) -> None:
    for terms, message in (
        (flashsale.Sale("terms"), "item"),
        (flashsale.Sale("terms").item("a", -1, 1), "units"),
        (flashsale.Sale("terms").item("a", 1, 0), "limit"),
        (flashsale.Sale("te rms").item("a", 1, 1), "sale"),
    ):
        with pytest.raises(flashsale.InvalidArgument, match=message):
            shop.sales.create(terms)
    with pytest.raises(flashsale.InvalidArgument, match="units"):
        flashsale.Sale("terms").item("a", 1 << 80, 1)
    with pytest.raises(TypeError, match="units"):
        flashsale.Sale("terms").item("a", "1", 1)  # type: ignore[arg-type]
    with pytest.raises(flashsale.InvalidArgument, match="opens_ms"):
        shop.sales.schedule(shop.sale, opens_ms=-5)
    with pytest.raises(flashsale.InvalidArgument, match="timeout must be 0.001 to 600 seconds"):
        shop.sales.reconcile(shop.sale, timeout=601)
    with pytest.raises(flashsale.Conflict):
        shop.sales.create(flashsale.Sale(shop.sale).item("other", 1, 1))
    with pytest.raises(flashsale.NotFound):
        shop.sales.open("nosuch")
