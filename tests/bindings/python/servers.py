"""HTTP servers that a test starts, and a client that asks them."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from conftest import PATIENCE_S


class Server(NamedTuple):
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@contextmanager
def serve(command: Sequence[str], environment: dict[str, str]) -> Iterator[Server]:
    """Starts it with {port} filled in, waits until it listens, and ends it."""
    for _ in range(5):  # another process may take the port in between
        port = _free_port()
        process = subprocess.Popen([part.format(port=port) for part in command], env={**os.environ, **environment})
        end = time.monotonic() + PATIENCE_S
        while not _answers(port) and process.poll() is None:
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.05)
        if process.poll() is None:
            break
    try:
        assert process.poll() is None, "it does not start"
        yield Server(process, port)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()


def ask(
    server: Server, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, headers in lower case, body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        usual = {"Content-Type": "application/json"} if raw is not None else {}
        connection.request(method, path, raw, {**usual, **(headers or {})})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def get(server: Server, path: str) -> tuple[int, bytes]:
    status, _, body = ask(server, "GET", path)
    return status, body
