"""A private Redis for all tests, and a sale of its own for each."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings/python"))

import flashsale  # noqa: E402

ITEM = "sneaker-42"
PATIENCE_S = 60.0  # of a wait for what must come; this may be a slow machine


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def server_program(part: str) -> str:
    """The "server" or "cli" in the folder that FLASHSALE_TEST_REDIS names, of Redis or Valkey; unset: the system's."""
    folder = os.environ.get("FLASHSALE_TEST_REDIS")
    if not folder:
        return f"redis-{part}"
    for name in ("redis", "valkey"):
        if os.access(f"{folder}/{name}-{part}", os.X_OK):
            return f"{folder}/{name}-{part}"
    raise FileNotFoundError(f"FLASHSALE_TEST_REDIS: {folder} has neither redis-{part} nor valkey-{part}")


class Shop:
    """A Redis, a database, and one sale."""

    names = (f"sale-{number}" for number in itertools.count())

    def __init__(self, url: str, database: Path) -> None:
        self.url = url
        self.database = database
        self.sale = next(self.names)
        self.pool = flashsale.Pool(url)
        self.sink = flashsale.make_sink(str(database))
        self.sales = flashsale.SaleController(self.pool, self.sink)

    def open(self, units: int, limit: int) -> None:
        self.sales.create(flashsale.Sale(self.sale).item(ITEM, units, limit))
        self.sales.open(self.sale)

    def booked(self) -> int:
        return self.sales.status(self.sale, flashsale.Role.PRIMARY).items[0].booked


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    command = [server_program("server"), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(path.exists)
        yield f"redis+unix://{path}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database") / "orders.db"


@pytest.fixture
def shop(redis_url: str, database: Path) -> Shop:
    """An open sale of 100 units, two a buyer."""
    shop = Shop(redis_url, database)
    shop.open(units=100, limit=2)
    return shop


@pytest.fixture
def silent_url(tmp_path: Path) -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent.sock"))
        listener.listen(64)
        yield f"redis+unix://{tmp_path}/silent.sock"
