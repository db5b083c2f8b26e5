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

        redis://[[user]:password@]host[:port][/db]        one node over TCP; port 6379, db 0
        redis+unix://[[user]:password@]/path              one node over a unix socket
        redis+replicas://[...@]host[:port],...[/db]       a static list: reads to replicas, decisions to the primary
        redis+sentinel://[...@]host[:port],.../NAME[/db]  sentinels, port 26379, that know the primary called NAME
        redis+cluster://[...@]host[:port],...             seeds of a cluster; one of them that answers is enough

    With `rediss` in place of `redis` (but for redis+unix) every connection, to sentinels too, speaks TLS 1.2 or newer
    and verifies the peer's certificate and host name. After the rest may stand `?NAME=VALUE&...`:

        db                                                  0..65535, as after the hosts
        user, password, password_file, password_env         who to log in as; the file's first line or the variable is
                                                            read for each connection, so that it may be rotated
        sentinel_user, sentinel_password, ..._file, ..._env the same at the sentinels; without them no AUTH is sent
        tls_ca, tls_cert, tls_key                           PEM files: whom to believe (else the system's), who we are
        tls_name                                            the name that every node's certificate must be for, where
                                                            nodes are known by addresses (else the host connected to)
        tls_verify                                          full (the default) or none
        connect_timeout_ms, reconnect_min_ms, reconnect_max_ms, replica_lag_max_ms, replica_lag_max_bytes,
        connections_max, idle_check_ms                      as the options pool.*, before which they go

    User, password and values may be %-encoded. IPv6 hosts stand in brackets. At most 32 hosts and 4,096 bytes.

    Options: those of `flashsale.options()` that begin with `pool.`, for instance `connect_timeout_ms=500`.
    Thread-safe. Gates, controllers and workers hold what they need of it: closing it first is fine.
    Raises InvalidArgument (the part that does not parse is named; no byte of the URL is repeated), Unsupported (the
    scheme; TLS in a library built without it).
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
