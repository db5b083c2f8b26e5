"""The gate for asyncio, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import pytest
import uvloop
from conftest import ITEM, Shop

import flashsale
from flashsale import Outcome, aio

T = TypeVar("T")


class Run(Protocol):
    """Runs a program on a loop of its own."""

    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


def on_uvloop(main: Coroutine[Any, Any, T]) -> T:
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture(params=[asyncio.run, on_uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


def batches() -> int:
    """How many batches this process has sent."""
    found = re.search(r"^flashsale_batch_requests_count (\d+)", flashsale.metrics_text(), re.M)
    assert found is not None, flashsale.metrics_text()
    return int(found[1])


def test_a_thousand_tasks_never_oversell_and_each_hears_its_own_answer(run: Run, shop: Shop) -> None:
    async def task(gate: aio.StockGate, number: int) -> list[flashsale.Answer]:
        calls = [gate.reserve(shop.sale, ITEM, buyer=f"b{number}", request=f"r{i}", timeout=30) for i in range(3)]
        first = [await call for call in calls]
        again = await gate.reserve(shop.sale, ITEM, buyer=f"b{number}", request="r0", timeout=30)
        assert again.order == first[0].order  # also if it is empty
        return first

    async def main() -> list[list[flashsale.Answer]]:
        async with aio.Pool(shop.url) as pool, aio.StockGate(pool) as gate:
            return await asyncio.gather(*(task(gate, number) for number in range(1000)))

    answers = [answer for of_task in run(main()) for answer in of_task]
    won = [answer.order for answer in answers if answer.outcome is Outcome.RESERVED]
    assert len(won) == len(set(won)) == 100 == shop.booked()
    assert {answer.outcome for answer in answers} <= {Outcome.RESERVED, Outcome.SOLD_OUT, Outcome.LIMIT_REACHED}


def test_the_calls_of_one_turn_of_the_loop_go_out_as_one_batch(run: Run, shop: Shop) -> None:
    async def main() -> int:
        async with aio.StockGate(shop.pool) as gate:
            await gate.reserve(shop.sale, ITEM, buyer="first", request="1", timeout=30)
            before = batches()
            calls = (gate.reserve(shop.sale, ITEM, buyer=f"b{i}", request="1", timeout=30) for i in range(50))
            orders = [answer.order.split(".")[0] for answer in await asyncio.gather(*calls)]
            assert len(set(orders)) == 1  # one journal entry
            return batches() - before

    assert run(main()) == 1


def test_cancelling_a_task_does_not_undo_its_reservation(run: Run, shop: Shop) -> None:
    async def main() -> flashsale.Answer:
        async with aio.StockGate(shop.pool) as gate:
            task = asyncio.ensure_future(gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30))
            await asyncio.sleep(0)  # the task begins
            await asyncio.sleep(0)  # the turn's calls are submitted
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            found = await gate.resolve(shop.sale, buyer="ann", request="1", timeout=30)
            bob = await gate.reserve(shop.sale, ITEM, buyer="bob", request="1", timeout=30)
            assert bob.outcome is Outcome.RESERVED
            return found

    assert run(main()).outcome is Outcome.ALREADY_RESERVED
    assert shop.booked() == 2


def test_every_call_of_a_silent_redis_ends_by_its_deadline(run: Run, silent_url: str) -> None:
    async def main() -> list[Any]:
        async with aio.Pool(silent_url) as pool, aio.StockGate(pool) as gate:
            calls = (gate.reserve("spring", ITEM, buyer=f"b{i}", request="1", timeout=0.2) for i in range(100))
            answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            return answers

    for error in run(main()):
        assert isinstance(error, (flashsale.TimedOut, flashsale.Disconnected))
        assert error.effect is flashsale.Effect.NONE  # no connection ever was made


def test_closing_ends_the_calls_under_way_and_later_ones_are_refused(run: Run, silent_url: str) -> None:
    async def main() -> None:
        gate = aio.StockGate(aio.Pool(silent_url))
        call = asyncio.ensure_future(gate.reserve("spring", ITEM, buyer="ann", request="1", timeout=20))
        await asyncio.sleep(0.05)
        await gate.close()
        await gate.close()
        with pytest.raises(flashsale.Error):
            await call
        with pytest.raises(flashsale.Closed):
            await gate.reserve("spring", ITEM, buyer="ann", request="1")

    run(main())


def test_more_calls_than_may_wait_are_busy_at_once_and_the_others_are_answered(run: Run, shop: Shop) -> None:
    async def main() -> list[Any]:
        async with aio.StockGate(shop.pool, waiting_max=8) as gate:
            calls = (gate.reserve(shop.sale, ITEM, buyer=f"b{i}", request="1", timeout=30) for i in range(20))
            answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            return answers

    answers = run(main())
    assert [type(answer) for answer in answers].count(flashsale.Busy) == 12
    assert sum(isinstance(answer, flashsale.Answer) and answer.holds_stock for answer in answers) == 8
    assert shop.booked() == 8


def test_one_gate_serves_one_loop_after_another_and_several_at_once(run: Run, shop: Shop) -> None:
    gate = aio.StockGate(shop.pool)

    async def buy(buyer: str) -> Outcome:
        return (await gate.reserve(shop.sale, ITEM, buyer=buyer, request="1", timeout=30)).outcome

    assert run(buy("ann")) is Outcome.RESERVED and run(buy("bob")) is Outcome.RESERVED
    with ThreadPoolExecutor(4) as threads:
        outcomes = threads.map(lambda i: run(buy(f"b{i}")), range(20))
    assert set(outcomes) == {Outcome.RESERVED} and shop.booked() == 22
    run(gate.close())


def test_a_gate_that_is_never_closed_ends_with_its_loop(run: Run, shop: Shop) -> None:
    async def main() -> None:
        gate = aio.StockGate(shop.pool)
        assert (await gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30)).holds_stock

    for _ in range(3):
        run(main())


def test_the_operators_side_and_the_worker_have_the_same_names(run: Run, shop: Shop) -> None:
    async def main() -> flashsale.WorkerReport:
        async with aio.Pool(shop.url) as pool, aio.SaleController(pool, shop.sink) as sales:
            await sales.create(aio.Sale(shop.sale + "-b").item(ITEM, units=5, limit=1))
            await sales.open(shop.sale + "-b")
            await sales.preload(shop.sale + "-b", ITEM, b"{}")
            assert await sales.info(shop.sale + "-b", ITEM) == b"{}"
            assert (await sales.status(shop.sale + "-b")).phase == "open"
            async with aio.OrderWorker(pool, shop.sink, [shop.sale + "-b"]) as worker, aio.StockGate(pool) as gate:
                await gate.reserve(shop.sale + "-b", ITEM, buyer="ann", request="1", timeout=30)
                await worker.drain(timeout=60)
                running = asyncio.ensure_future(worker.run())
                await asyncio.sleep(0.05)
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
                return worker.report()

    assert run(main()).orders == 1
