#!/usr/bin/python3
"""
The Python binding beside redis-py (Debian: python3-redis, python3-hiredis), which calls the same script, reserve.lua
with all its guarantees, one request a call.

usage: benchmarks/python_bench.py [--rounds N] [--calls N] [--json]

Both sides take turns on one private Redis behind a unix socket, each with a sale of its own; prints medians. Exits 1 if
either sold another number than it accepted. Needs the release preset (FLASHSALE_LIB names another library).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("FLASHSALE_LIB", str(ROOT / "build/release/lib/libflashsale.so.0"))
sys.path.insert(0, str(ROOT / "bindings/python"))

import redis  # noqa: E402
import redis.asyncio  # noqa: E402

import flashsale  # noqa: E402
import flashsale.aio  # noqa: E402

ITEM = "sneaker-42"
TASKS = 1000
BLOCK = 50
CONNECTIONS = 64  # of redis.asyncio
NEVER_MS = 9_000_000_000_000
SCRIPT = (ROOT / "lua/reserve.lua").read_text()


class Stage:
    """A private Redis and a fresh sale in it, with a unit for every call."""

    def __init__(self, folder: str) -> None:
        self.socket = folder + "/redis.sock"
        self.url = "redis+unix://" + self.socket
        self.server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        while not os.path.exists(self.socket):
            time.sleep(0.01)
        self.controller = flashsale.SaleController(flashsale.Pool(self.url), flashsale.make_sink(folder + "/orders.db"))
        self.sales = 0

    def flush(self) -> None:
        redis.Redis(unix_socket_path=self.socket).flushall()

    def fresh_sale(self, units: int) -> str:
        self.sales += 1
        sale = f"sale-{self.sales}"
        self.controller.create(flashsale.Sale(sale).item(ITEM, units, limit=1))
        self.controller.open(sale)
        return sale

    def booked(self, sale: str) -> int:
        return self.controller.status(sale).items[0].booked


class ByHand:
    """What a careful engineer writes over redis-py: reserve.lua's arguments for one request, and its answer."""

    def __init__(self, stage: Stage, sale: str) -> None:
        server = redis.Redis(unix_socket_path=stage.socket)
        self.sha1 = server.script_load(SCRIPT)
        prefix = f"fs:{{{sale}}}:"
        meta = server.hmget(prefix + "meta", "epoch", "uuid")
        self.keys = [prefix + name for name in ("meta", "buyers", "journal")]
        self.sale_arguments = [meta[0], meta[1], NEVER_MS]
        self.nonces = iter(range(1, 1 << 62))

    def arguments(self, buyer: str, request: str) -> list[object]:
        stem = "1 1 0"  # the item's index, the quantity, the place in the batch
        body = f"{stem} {request} "
        one = [bytes([1, 0, 0, 1, len(stem), len(buyer), len(request), 0, 0, len(body)]), buyer + request, body]
        return [self.sha1, 3, *self.keys, *self.sale_arguments, next(self.nonces), "0", *one]

    @staticmethod
    def won(reply: list[bytes]) -> bool:
        return reply[1] == b"ok" and reply[4] == b"a"


def buyers(calls: int) -> list[str]:
    return [f"buyer-{i}" for i in range(calls)]


async def crowd(calls: int, buy: Callable[[str], Awaitable[bool]]) -> tuple[float, int]:
    """Calls a second and how many won, with TASKS tasks in flight."""
    left = iter(buyers(calls))
    won = 0

    async def task() -> None:
        nonlocal won
        for buyer in left:
            if await buy(buyer):  # not `won += await`: that reads it before the wait
                won += 1

    begin = time.perf_counter()
    await asyncio.gather(*(task() for _ in range(TASKS)))
    return calls / (time.perf_counter() - begin), won


async def asyncio_ours(stage: Stage, sale: str, calls: int) -> tuple[float, int]:
    async with flashsale.aio.Pool(stage.url) as pool, flashsale.aio.StockGate(pool) as gate:

        async def buy(buyer: str) -> bool:
            return (await gate.reserve(sale, ITEM, buyer=buyer, request="click-1", timeout=30)).holds_stock

        await buy("first")
        return await crowd(calls, buy)


async def asyncio_peer(stage: Stage, sale: str, calls: int) -> tuple[float, int]:
    by_hand = ByHand(stage, sale)
    pool = redis.asyncio.BlockingConnectionPool(
        connection_class=redis.asyncio.UnixDomainSocketConnection,
        path=stage.socket,
        max_connections=CONNECTIONS,
        timeout=None,
    )
    server = redis.asyncio.Redis(connection_pool=pool)

    async def buy(buyer: str) -> bool:
        return by_hand.won(await server.evalsha(*by_hand.arguments(buyer, "click-1")))

    await buy("first")
    result = await crowd(calls, buy)
    await pool.disconnect()
    return result


def blocking_ours(stage: Stage, sale: str) -> Callable[[str], bool]:
    gate = flashsale.StockGate(flashsale.Pool(stage.url))

    def buy(buyer: str) -> bool:
        return gate.reserve(sale, ITEM, buyer=buyer, request="click-1").holds_stock

    return buy


def blocking_peer(stage: Stage, sale: str) -> Callable[[str], bool]:
    by_hand = ByHand(stage, sale)
    server = redis.Redis(unix_socket_path=stage.socket)

    def buy(buyer: str) -> bool:
        return by_hand.won(server.evalsha(*by_hand.arguments(buyer, "click-1")))

    return buy


def measure_one_by_one(stage: Stage, rounds: int, calls: int) -> dict[str, float]:
    """
    Microseconds of a blocking call, the median of all. Both sides have a sale in the same Redis and take turns every
    BLOCK calls, a few milliseconds: what else the machine does meets both alike.
    """
    makers = {"ours": blocking_ours, "peer": blocking_peer}
    times: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(rounds):
        stage.flush()
        sales = {name: stage.fresh_sale(calls + 1) for name in makers}
        buys = {name: make(stage, sales[name]) for name, make in makers.items()}
        won = {name: buy("first") for name, buy in buys.items()}
        for block in range(0, calls, BLOCK):
            for name, buy in buys.items():
                for buyer in range(block, min(block + BLOCK, calls)):
                    begin = time.perf_counter()
                    won[name] += buy(f"buyer-{buyer}")
                    times[name].append(time.perf_counter() - begin)
        for name, sale in sales.items():
            if not won[name] == stage.booked(sale) == calls + 1:
                sys.exit(f"{name}: {won[name]} of {calls + 1} won, and {stage.booked(sale)} are booked")
    return {name: 1e6 * statistics.median(list_) for name, list_ in times.items()}


Run = Callable[[str, int], tuple[float, int]]  # of a sale and a number of calls: the figure, and how many won


def measure(stage: Stage, runs: dict[str, Run], rounds: int, calls: int) -> dict[str, float]:
    """Medians of both sides, which take turns."""
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            stage.flush()
            sale = stage.fresh_sale(calls + 1)
            figure, won = run(sale, calls)
            booked = stage.booked(sale)
            if won != calls or booked != calls + 1:
                sys.exit(f"{name}: {won} of {calls} won, and {booked} are booked")
            figures[name].append(figure)
    return {name: statistics.median(list_) for name, list_ in figures.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--calls", type=int, default=20_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        try:
            crowd_figures = measure(
                stage,
                {
                    "ours": lambda sale, calls: asyncio.run(asyncio_ours(stage, sale, calls)),
                    "peer": lambda sale, calls: asyncio.run(asyncio_peer(stage, sale, calls)),
                },
                given.rounds,
                given.calls,
            )
            call_figures = measure_one_by_one(stage, given.rounds, max(given.calls // 10, 1))
        finally:
            stage.server.terminate()
            stage.server.wait()
    rows = [
        ("python_asyncio_1000", "accepted/s", crowd_figures, crowd_figures["ours"] / crowd_figures["peer"]),
        ("python_blocking_1", "p50, us", call_figures, call_figures["peer"] / call_figures["ours"]),
    ]
    if given.json:
        table = {name: {"metric": metric, **figures, "ratio": ratio} for name, metric, figures, ratio in rows}
        print(json.dumps(table))
        return
    print("| workload | metric | ours | redis-py | ratio |\n|---|---|---|---|---|")
    for name, metric, figures, ratio in rows:
        print(f"| `{name}` | {metric} | {figures['ours']:,.0f} | {figures['peer']:,.0f} | {ratio:.1f} |")


main()
