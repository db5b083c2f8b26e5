"""
flashsale sells scarce stock through Redis: it decides, for a crowd that arrives all at once, who gets a unit, and hands
each won order to a database without losing, doubling or overselling one.

    Pool ---> SaleController   create, open, pause ... retire     the operator's side
      \\----> StockGate        reserve, confirm, release ...      the crowd's side
       \\---> OrderWorker      won orders -> sink                 Redis to the database

These classes block; `flashsale.aio` has the same for asyncio. An outcome is an answer, an error is an exception with an
`effect`. A handle unused before a fork works in the child; a used one raises Forked there, and may be closed.
"""

from __future__ import annotations

import ctypes

from ._calls import Answer
from ._codes import DeadFate, Effect, ErrorCode, Level, LogLevel, Outcome, PauseReason, QueueMode, Role, SaleState, Verb
from ._controller import AuditItem, AuditReport, DeadOrder, ItemStatus, Sale, SaleController, SaleStatus
from ._errors import (
    Busy,
    Closed,
    Conflict,
    Disconnected,
    Error,
    Forked,
    Internal,
    InvalidArgument,
    Lost,
    NotFound,
    Protocol,
    Refused,
    TimedOut,
    Unsupported,
)
from ._gate import StockGate
from ._library import check as _check
from ._library import lib as _lib
from ._logs import disable_logging, enable_logging
from ._objects import Option, options
from ._pool import Pool, Sink, make_sink
from ._worker import OrderWorker, WorkerReport

__all__ = [
    "Answer", "AuditItem", "AuditReport", "Busy", "Closed", "Conflict", "DeadFate", "DeadOrder", "Disconnected",
    "Effect", "Error", "ErrorCode", "Forked", "Internal",
    "InvalidArgument", "ItemStatus", "Level", "LogLevel", "Lost", "NotFound", "Option", "OrderWorker", "Outcome",
    "PauseReason", "Pool", "Protocol", "QueueMode", "Refused", "Role", "Sale", "SaleController", "SaleState",
    "SaleStatus", "Sink", "StockGate", "TimedOut", "Unsupported", "Verb", "WorkerReport", "disable_logging",
    "enable_logging", "make_sink", "metrics_text", "options",
]  # fmt: skip

__version__: str = _lib.version_string().decode()


def metrics_text() -> str:
    """Every counter of this process in the Prometheus text format 0.0.4; serve it as `text/plain; version=0.0.4`."""
    size = ctypes.c_size_t()
    _check(_lib.metrics_text, None, 0, ctypes.byref(size))
    room = ctypes.create_string_buffer(size.value + 4096)  # counters grow between the two
    _check(_lib.metrics_text, room, len(room), ctypes.byref(size))
    return room.value.decode()
