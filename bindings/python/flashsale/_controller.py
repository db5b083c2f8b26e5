"""The operator's side: the acts of both controllers, and the blocking one."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Generic

from . import _library
from ._calls import Payload, to_ms
from ._codes import DeadFate, QueueMode, Role, SaleState
from ._errors import InvalidArgument
from ._gate import R
from ._library import Handle, check, lib
from ._objects import Closeable, OptionValue, interruptible, make_options, sized
from ._pool import PoolBase, Sink

RECONCILE_MAX = 600.0
_ITEMS_MAX = 64
_INT64 = 1 << 63
_UNCHANGED = -1
_DEAD_AT_FIRST = 100  # rows that one look has room for; more take another
_LONG = 3600.0  # acts end by the option timeout_ms; all may be longer than Ctrl+C should wait


class Sale:
    """
    The terms of a sale to create: its id, its options (those of `flashsale.options()` that begin with `sale.`, for
    instance `hold_ms=900_000`), its items. The controller judges them.
    """

    def __init__(self, id: str, **options: OptionValue) -> None:
        self.id = id
        self.options = options
        self.items: list[tuple[str, int, int]] = []

    def item(self, item: str, units: int, limit: int) -> Sale:
        """Adds an item: `units` (0..2^31-1) for sale, at most `limit` (1..1,000,000) to one buyer. Gives itself."""
        self.items.append((item, to_int64("units", units), to_int64("limit", limit)))
        return self

    def _make(self) -> Handle:
        handle = Handle.make("sale", *sized("sale", self.id), make_options("sale", self.options))
        for item, units, limit in self.items:
            check(lib.sale_item, handle, *sized("item", item), units, limit)
        return handle


@dataclass(frozen=True)
class ItemStatus:
    """One item of a status."""

    item: str
    total: int  #: units for sale
    booked: int  #: units held, bought, or on their way back
    limit: int  #: units that one buyer may hold


@dataclass(frozen=True)
class SaleStatus:
    """A sale as Redis has it."""

    state: SaleState
    phase: str  #: what a page should call it now: not_started, open, paused, draining, ended
    queue: QueueMode
    fenced: bool  #: Redis lost its history; nothing is sold until the worker reconciled
    now_ms: int  #: Redis' clock
    opens_ms: int  #: 0: not scheduled
    closes_ms: int  #: 0: never by itself
    hold_ms: int  #: 0: reservations hold for ever
    probe_ms: int  #: how stale a process's knowledge of a refusal may be
    replicas: int  #: least number of replicas for Level.REPLICAS
    buyer_orders_max: int  #: orders that one buyer may have
    at: tuple[int, int]  #: epoch and seq of the last entry written
    watermark: tuple[int, int]  #: epoch and seq of the last entry known to be in the database
    waiting: int  #: entries (journal) or orders (list) not handed over yet
    held: int  #: orders whose hold runs: neither confirmed nor given back
    items: tuple[ItemStatus, ...]


@dataclass(frozen=True)
class DeadOrder:
    """An order that a worker set aside."""

    order: str  #: its id, `1-7.0`
    buyer: str
    item: str
    request: str
    quantity: int
    reason: str  #: OVERSOLD, OVER_LIMIT, or what the database said
    fate: DeadFate


@dataclass(frozen=True)
class AuditItem:
    """One item of an audit, in units: total = available + held + confirmed + dead + returning, or `difference` says."""

    item: str
    total: int  #: as the database has it
    available: int  #: as Redis has it; below 0 while it owes units
    held: int  #: reserved
    confirmed: int  #: bought
    dead: int  #: set aside, and nothing decided
    returning: int  #: given back in the database, not yet for sale in Redis
    difference: int  #: more than 0: OVERSOLD by so much; less: LEAKED


@dataclass(frozen=True)
class AuditReport:
    """What an audit found."""

    items: tuple[AuditItem, ...]
    differing: int  #: orders that differ

    @property
    def is_sound(self) -> bool:
        """True if nothing differs."""
        return self.differing == 0 and all(item.difference == 0 for item in self.items)


def to_int64(field: str, value: int) -> int:
    """An integer for the library, which judges it."""
    if not isinstance(value, int):
        raise TypeError(f"{field} must be an int, is {type(value).__name__}")
    if not -_INT64 <= value < _INT64:
        raise InvalidArgument(f"{field} must be a number of 64 bits, is {value}")
    return value


def read_status(handle: Handle, sale: str, role: int) -> SaleStatus:
    """One blocking look at a sale."""
    status = _library.Status(ctypes.sizeof(_library.Status))
    items = (_library.Item * _ITEMS_MAX)()
    room = (ctypes.byref(status), items, ctypes.sizeof(_library.Item), _ITEMS_MAX)
    check(lib.controller_status, handle, *sized("sale", sale), role, *room)
    return SaleStatus(
        SaleState(status.state),
        status.phase.decode(),
        QueueMode(status.queue),
        bool(status.fenced),
        status.now_ms,
        status.opens_ms,
        status.closes_ms,
        status.hold_ms,
        status.probe_ms,
        status.replicas,
        status.buyer_orders_max,
        (status.at_epoch, status.at_seq),
        (status.watermark_epoch, status.watermark_seq),
        status.waiting,
        status.held,
        tuple(ItemStatus(row.item.decode(), row.total, row.booked, row.limit) for row in items[: status.item_count]),
    )


def read_dead(handle: Handle, sale: str) -> tuple[DeadOrder, ...]:
    """One blocking look at a sale's dead orders."""
    count = ctypes.c_size_t(_DEAD_AT_FIRST)
    room = 0
    while room < count.value:  # more may have come between two looks
        room = count.value
        rows = (_library.Dead * room)()
        check(
            lib.controller_dead, handle, *sized("sale", sale), rows, ctypes.sizeof(_library.Dead), room,
            ctypes.byref(count),
        )  # fmt: skip

    def read(row: _library.Dead) -> DeadOrder:
        # Whatever the order's bytes were: they may be why it is dead.
        buyer, item, request, reason = (
            text.decode(errors="replace") for text in (row.buyer, row.item, row.request, row.reason)
        )
        return DeadOrder(row.order.decode(), buyer, item, request, row.quantity, reason, DeadFate(row.fate))

    return tuple(map(read, rows[: count.value]))


def read_audit(handle: Handle, sale: str, repair: bool, timeout: float) -> AuditReport:
    """One blocking audit."""
    rows = (_library.AuditItemRow * _ITEMS_MAX)()
    differing = ctypes.c_uint64()
    terms = (int(bool(repair)), to_ms(timeout, RECONCILE_MAX), ctypes.byref(differing))
    room = (rows, ctypes.sizeof(_library.AuditItemRow), _ITEMS_MAX)
    check(lib.controller_audit, handle, *sized("sale", sale), *terms, *room)
    names = [name for name, *_ in _library.AuditItemRow._fields_[1:]]
    items = (AuditItem(row.item.decode(), *(getattr(row, name) for name in names)) for row in rows if row.item)
    return AuditReport(tuple(items), differing.value)


def read_info(handle: Handle, sale: str, item: str) -> bytes:
    """One blocking look at what was preloaded for an item."""
    room = ctypes.create_string_buffer(_library.INFO_CAPACITY)
    size = ctypes.c_size_t()
    texts = (*sized("sale", sale), *sized("item", item))
    check(lib.controller_info, handle, *texts, room, len(room), ctypes.byref(size))
    return room.raw[: size.value]


class ControllerBase(Closeable, Generic[R]):
    """
    The acts, once for both controllers:

        create -> open -> (pause <-> resume) -> drain -> close_sale -> retire

    Acts on a sale in journal mode need the sink and return once the database has them. Every act ends within the
    option `timeout_ms`. An act that finds the sale already so succeeds and changes nothing.

    Raises InvalidArgument, NotFound, Conflict (not from this state), Unsupported (no sink, layout), Lost, Refused
    (also: paused by the fence), Closed, Forked (effect NONE); TimedOut, Disconnected (NONE or UNKNOWN: do it again).
    """

    def __init__(self, pool: PoolBase, sink: Sink | None = None, **options: OptionValue) -> None:
        sink_handle = None if sink is None else sink._open_handle()
        made_options = make_options("controller", options)
        super().__init__(Handle.make("controller", pool._open_handle(), sink_handle, made_options))

    def _act(self, verb: str, *arguments: Any) -> R:
        raise NotImplementedError

    def create(self, sale: Sale) -> R:
        """
        Makes a sale; never overwrites one. Equal terms finish or repeat an earlier create; others are Conflict, as is
        the id of a retired sale.
        """
        return self._act("create_sale", sale._make())

    def preload(self, sale: str, item: str, info: Payload) -> R:
        """Stores the public facts of an item (opaque, up to 16 KiB) for pages to read; any number of times."""
        return self._act("preload", *sized("sale", sale), *sized("item", item), *sized("info", bytes(memoryview(info))))

    def open(self, sale: str) -> R:
        """Opens the sale now, whatever its schedule said. From CREATED, OPEN."""
        return self._act("open", *sized("sale", sale))

    def schedule(self, sale: str, opens_ms: int | None = None, closes_ms: int | None = None) -> R:
        """
        Sets when the sale opens and closes by itself (Unix ms by Redis' clock); None leaves that time, `closes_ms` 0 is
        never. From CREATED, OPEN, PAUSED.
        """
        times = {"opens_ms": opens_ms, "closes_ms": closes_ms}
        for field, time in times.items():
            if time is not None and to_int64(field, time) < 0:
                raise InvalidArgument(f"{field} must be at least 0, is {time}")
        given = (_UNCHANGED if time is None else time for time in times.values())
        return self._act("schedule", *sized("sale", sale), *given)

    def pause(self, sale: str) -> R:
        """Sells nothing from the next batch on. From OPEN, DRAINING."""
        return self._act("pause", *sized("sale", sale))

    def resume(self, sale: str) -> R:
        """Sells again. From PAUSED, DRAINING."""
        return self._act("resume", *sized("sale", sale))

    def drain(self, sale: str) -> R:
        """Sells nothing more while what was sold is handed over. From OPEN, PAUSED."""
        return self._act("drain", *sized("sale", sale))

    def close_sale(self, sale: str) -> R:
        """Ends the sale for good. From every state. (`close` closes the controller.)"""
        return self._act("close", *sized("sale", sale))

    def restock(self, sale: str, item: str, units: int, operation: str) -> R:
        """
        Adds `units` (negative: takes away, never below what is booked) to an item's total, once for each `operation`.
        Conflict if the operation was used with other arguments, or if less is unsold.
        """
        amount = to_int64("units", units)
        texts = (*sized("sale", sale), *sized("item", item))
        return self._act("restock", *texts, amount, *sized("operation", operation))

    def retire(self, sale: str) -> R:
        """
        Removes a closed sale from Redis once everything that it sold was handed over, Conflict until then; its id is
        never used again where there is a sink.
        """
        return self._act("retire", *sized("sale", sale))

    def reconcile(self, sale: str, timeout: float = 60.0) -> R:
        """
        Rebuilds a sale whose Redis lost its history from the database, and sells on. A running worker does it by
        itself. Takes `timeout` seconds (0.001..600) at most; safe to run anywhere, any number of times.
        """
        return self._act("reconcile", *sized("sale", sale), to_ms(timeout, RECONCILE_MAX))

    def reopen_accepting_loss(self, sale: str, timeout: float = 60.0) -> R:
        """
        For the operator alone, when Redis or the database went back and nothing can be proven: goes on with what Redis
        (list mode) or the database (journal mode) has now, under a new epoch. What only the other one knew is lost.
        """
        return self._act("reopen_accepting_loss", *sized("sale", sale), to_ms(timeout, RECONCILE_MAX))

    def dead_retry(self, sale: str, order: str) -> R:
        """
        Makes a dead order an order again, reserved, with a new hold where the sale has holds. The decision is kept in
        the database, and repeating it is harmless. Conflict while its cause is still there (the message names it), or
        if it was dropped; NotFound if it was not set aside.
        """
        return self._act("dead_retry", *sized("sale", sale), *sized("order", order))

    def dead_drop(self, sale: str, order: str) -> R:
        """
        Gives a dead order up: its units and the buyer's limit are free again. Conflict if it was retried; else as
        dead_retry.
        """
        return self._act("dead_drop", *sized("sale", sale), *sized("order", order))


class SaleController(ControllerBase[None]):
    __doc__ = (
        "The operator's side, blocking. Thread-safe; Ctrl+C is heard within 250 ms, and the act may have been done.\n"
        + (ControllerBase.__doc__ or "")
    )

    def _act(self, verb: str, *arguments: Any) -> None:
        handle = self._open_handle()
        interruptible(_LONG, lambda: check(getattr(lib, "controller_" + verb), handle, *arguments))

    def status(self, sale: str, role: Role = Role.REPLICA) -> SaleStatus:
        """Reads the sale and its items; where no replica is fit, from the primary. One or two round trips."""
        handle = self._open_handle()
        return interruptible(_LONG, lambda: read_status(handle, sale, role))

    def info(self, sale: str, item: str) -> bytes:
        """Reads what `preload` stored for an item, from a replica where one is fit; NotFound also if nothing is."""
        handle = self._open_handle()
        return interruptible(_LONG, lambda: read_info(handle, sale, item))

    def dead(self, sale: str) -> tuple[DeadOrder, ...]:
        """Reads the orders that the worker set aside, by id. One transaction; Unsupported without a sink."""
        handle = self._open_handle()
        return interruptible(_LONG, lambda: read_dead(handle, sale))

    def audit(self, sale: str, repair: bool = False, timeout: float = 60.0) -> AuditReport:
        """
        Compares Redis and the database at a moment at which both stand still; a sale that never does is Busy: pause it
        first. `repair`: where something differs, Redis is rebuilt from the database and compared again. Takes `timeout`
        seconds (0.001..600) at most.
        """
        handle = self._open_handle()
        return interruptible(_LONG, lambda: read_audit(handle, sale, repair, timeout))

    def close(self) -> None:
        """Acts under way end by their own deadlines."""
        self._handle = None

    def __enter__(self) -> SaleController:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
