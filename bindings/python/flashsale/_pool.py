"""Connections to Redis, and databases for won orders."""

from __future__ import annotations

from typing import Any

from ._library import Handle
from ._objects import Closeable, OptionValue, make_options, sized


class PoolBase(Closeable):
    """A pool's handle, blocking or not: making one does no I/O."""

    def __init__(self, url: str, **options: OptionValue) -> None:
        super().__init__(Handle.make("pool", *sized("url", url), make_options("pool", options)))


class Pool(PoolBase):
    """
    Connections to the Redis at `url`; parses only, the first call connects.

        redis://[[user]:password@]host[:port][/db]
        redis+unix://[[user]:password@]/path[?db=N]
        redis+replicas://[[user]:password@]primary[:port],replica[:port],...[/db]

    Options: those of `flashsale.options()` that begin with `pool.`, for instance `connect_timeout_ms=500`.
    Thread-safe. Gates, controllers and workers hold what they need of it: closing it first is fine.
    Raises InvalidArgument (the part that does not parse is named, the password never is), Unsupported (scheme).
    """

    def close(self) -> None:
        """Its connections close once nothing holds it any more."""
        self._handle = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Sink(Closeable):
    """A database for won orders; see make_sink."""

    def close(self) -> None:
        """Its connections close once nothing holds it any more."""
        self._handle = None

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def make_sink(url: str) -> Sink:
    """
    Makes a sink: `sqlite:PATH`, `PATH` (SQLite) or `postgresql://...`. The first use connects and makes the schema.
    Thread-safe. Raises InvalidArgument, Unsupported (no module for the scheme).
    """
    return Sink(Handle.make("sink", *sized("url", url)))
