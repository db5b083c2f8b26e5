"""Carries won orders into a database."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import _library
from ._calls import to_ms
from ._library import Handle, check, lib
from ._objects import Closeable, OptionValue, interruptible, make_options
from ._pool import PoolBase, Sink

DRAIN_MAX = 3600.0


@dataclass(frozen=True)
class WorkerReport:
    """What a worker has done so far."""

    orders: int  #: committed by this worker
    commits: int  #: transactions of this worker
    dead: int  #: orders set aside by this worker
    reconciles: int
    behind: int  #: entries left in the journals at the last look
    waiting_for: str  #: empty: nothing; else the newest obstacle, for a person


def stop(handle: Handle | None) -> None:
    """Makes run and drain return; None is harmless."""
    lib.worker_stop(handle)


class WorkerBase(Closeable):
    """A worker's handle, blocking or not."""

    def __init__(self, pool: PoolBase, sink: Sink, sales: Iterable[str] = (), **options: OptionValue) -> None:
        if isinstance(sales, str):
            raise TypeError("sales must be several ids, is a str")
        made_options = make_options("worker", {**options, "sales": ",".join(sales)})
        super().__init__(Handle.make("worker", pool._open_handle(), sink._open_handle(), made_options))

    def stop(self) -> None:
        """Makes run and drain return after the transaction under way, for good. Safe from any thread."""
        stop(self._open_handle())

    def report(self) -> WorkerReport:
        """Tells what the worker has done so far, and what holds it up."""
        row = _library.Report(ctypes.sizeof(_library.Report))
        check(lib.worker_report, self._open_handle(), ctypes.byref(row))
        waiting_for = row.waiting_for.decode(errors="replace")
        return WorkerReport(row.orders, row.commits, row.dead, row.reconciles, row.behind, waiting_for)

    def _stop_and_drop(self) -> None:
        handle, self._handle = self._handle, None
        stop(handle)


class OrderWorker(WorkerBase):
    """
    Carries journals into `sink` and watches over their sales; any number of them may run on the same sales, in any
    process. `sales` names the sales; without them it serves every one that the sink knows. Has no thread of its own.

    Options: those of `flashsale.options()` that begin with `worker.`. Thread-safe.
    """

    def run(self) -> None:
        """
        Serves on the calling thread until `stop`. What can heal by itself is waited for, and told in the log and the
        report. Ctrl+C stops it for good, after the transaction under way.
        Raises what waiting is no help for: Conflict (another sale's database, a fork of the journal, or the database
        went back), Unsupported (layout, schema), Forked; only if no sale is left to serve and sales were named.
        """
        handle = self._open_handle()
        interruptible(float("inf"), lambda: check(lib.worker_run, handle), lambda: stop(handle))

    def drain(self, timeout: float) -> None:
        """
        Serves until everything written before the call is in the database, or `timeout` seconds (0.001..3,600) have
        passed. Raises as run, at once; TimedOut, with what it waited for; Closed (stopped).
        """
        handle = self._open_handle()
        timeout_ms = to_ms(timeout, DRAIN_MAX)
        interruptible(timeout, lambda: check(lib.worker_drain, handle, timeout_ms), lambda: stop(handle))

    def close(self) -> None:
        """Stops it; a run or drain in another thread returns after the transaction under way."""
        self._stop_and_drop()

    def __enter__(self) -> OrderWorker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
