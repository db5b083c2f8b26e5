"""Forks, Ctrl+C, and what else may live in the process."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ITEM, PATIENCE_S, ROOT, Shop, wait_until
from servers import get, serve

import flashsale
from flashsale import Outcome, aio


def in_child(body: Callable[[], None]) -> None:
    """Runs it in a fork; a failure, a crash and a hang (the alarm) all show here."""
    child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE_S))
        status = 1
        try:
            body()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_was_not_used_before_a_fork_works_in_the_child(shop: Shop) -> None:
    pool = flashsale.Pool(shop.url)
    gate, aio_gate = flashsale.StockGate(pool), aio.StockGate(pool)

    async def buy(buyer: str) -> Outcome:
        return (await aio_gate.reserve(shop.sale, ITEM, buyer=buyer, request="1", timeout=30)).outcome

    def child(name: str) -> Callable[[], None]:
        def body() -> None:
            assert gate.reserve(shop.sale, ITEM, buyer=name, request="1", timeout=30).outcome is Outcome.RESERVED
            assert asyncio.run(buy(name + "-aio")) is Outcome.RESERVED

        return body

    in_child(child("first"))
    in_child(child("second"))
    child("parent")()
    assert shop.booked() == 6


def test_what_was_used_before_a_fork_is_forked_in_the_child_and_goes_on_in_the_parent(shop: Shop) -> None:
    gate, aio_gate = flashsale.StockGate(shop.pool), aio.StockGate(shop.pool)

    async def buy(buyer: str) -> Outcome:
        return (await aio_gate.reserve(shop.sale, ITEM, buyer=buyer, request="1", timeout=30)).outcome

    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30).holds_stock
    assert asyncio.run(buy("bob")) is Outcome.RESERVED

    def body() -> None:
        with pytest.raises(flashsale.Forked):
            gate.reserve(shop.sale, ITEM, buyer="child", request="1")
        with pytest.raises(flashsale.Forked):
            gate.reserve(shop.sale, ITEM, buyer="child", request="1", timeout=30)
        with pytest.raises(flashsale.Forked):
            asyncio.run(buy("child"))
        with pytest.raises(flashsale.Forked):
            shop.sales.status(shop.sale)
        gate.close()
        asyncio.run(aio_gate.close())

    in_child(body)
    assert gate.reserve(shop.sale, ITEM, buyer="ann", request="2", timeout=30).outcome is Outcome.RESERVED
    assert asyncio.run(buy("eve")) is Outcome.RESERVED


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python")}
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


BLOCKED = {
    "a gate's call": "flashsale.StockGate(pool).reserve('s', 'i', buyer='b', request='r', timeout=30)",
    "an act": "flashsale.SaleController(pool, timeout_ms=60000).pause('s')",
    "a worker": "flashsale.OrderWorker(pool, sink(), ['s'], call_timeout_ms=60000).run()",
    "a worker's drain": "flashsale.OrderWorker(pool, sink(), ['s'], call_timeout_ms=60000).drain(600)",
    "asyncio": "asyncio.run(buy())",
    "asyncio's act": "asyncio.run(flashsale.aio.SaleController(pool, timeout_ms=60000).pause('s'))",
    "asyncio's worker": "asyncio.run(flashsale.aio.OrderWorker(pool, sink(), ['s'], call_timeout_ms=60000).run())",
}


@pytest.mark.parametrize("call", BLOCKED.values(), ids=BLOCKED)
def test_ctrl_c_ends_a_wait_long_before_its_deadline(call: str, silent_url: str, tmp_path: Path) -> None:
    program = """
        import asyncio, signal, sys, flashsale, flashsale.aio
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
        pool = flashsale.Pool(sys.argv[1], connect_timeout_ms=30000)
        def sink():
            return flashsale.make_sink(sys.argv[2])
        async def buy():
            async with flashsale.aio.StockGate(pool) as gate:
                await gate.reserve('s', 'i', buyer='b', request='r', timeout=30)
        print('begins', flush=True)
        """
    process = python(textwrap.dedent(program) + call, silent_url, str(tmp_path / "orders.db"))
    assert process.stdout is not None and process.stdout.readline() == "begins\n"
    time.sleep(0.3)  # it waits by then; earlier would do too
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert "KeyboardInterrupt" in errors and process.returncode != 0
    assert time.monotonic() - begin < 15  # the deadlines are 30 s and more away


@pytest.mark.parametrize("first", ["hiredis", "redis"])
def test_another_hiredis_may_live_in_the_process(first: str, shop: Shop) -> None:
    program = f"""
        import sys, {first}, hiredis, redis, flashsale
        url, sale = sys.argv[1:]
        theirs = redis.Redis(unix_socket_path=url.removeprefix('redis+unix://'))
        reader = hiredis.Reader()  # redis-py takes it by itself only where both are of versions that fit
        theirs.ping()
        gate = flashsale.StockGate(flashsale.Pool(url))
        for i in range(20):
            assert gate.reserve(sale, '{ITEM}', buyer=f'b{{i}}', request='1', timeout=30).holds_stock
            assert theirs.hlen(f'fs:{{{{{{sale}}}}}}:buyers') == i + 2
            reader.feed(b'*2\\r\\n$3\\r\\none\\r\\n:' + str(i).encode() + b'\\r\\n')
            assert reader.gets() == [b'one', i]
        """
    process = python(program, shop.url, shop.sale)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors


WSGI = """
import os, flashsale
gate = flashsale.StockGate(flashsale.Pool(os.environ["SHOP_URL"]))  # in the master: --preload
def app(environ, start_response):
    buyer = environ["PATH_INFO"][1:]
    answer = gate.reserve(os.environ["SHOP_SALE"], "sneaker-42", buyer=buyer, request="1", timeout=30)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{answer.outcome.name} {os.getpid()} {os.getppid()}".encode()]
"""


def test_gunicorn_preload_gives_every_worker_a_working_gate(redis_url: str, database: Path, tmp_path: Path) -> None:
    shop = Shop(redis_url, database)
    shop.open(units=1_000_000, limit=1)
    (tmp_path / "shop.py").write_text(WSGI)
    environment = {"SHOP_URL": shop.url, "SHOP_SALE": shop.sale, "PYTHONPATH": str(ROOT / "bindings/python")}
    command = ["/usr/bin/gunicorn", "--preload", "-w", "2", "--chdir", str(tmp_path), "-b", "127.0.0.1:{port}"]
    with serve([*command, "shop:app"], environment) as server:
        buyers = itertools.count()
        workers: set[str] = set()

        def buy() -> bool:
            outcome, worker, master = get(server, f"/b{next(buyers)}")[1].decode().split()
            assert outcome == "RESERVED" and int(master) == server.process.pid
            workers.add(worker)
            return len(workers) == 2

        wait_until(buy)  # which worker takes a connection is the system's choice
    assert shop.booked() == next(buyers)
