"""
The same classes for asyncio, also on uvloop; verbs, outcomes and errors are those of `flashsale`.

Calls of a gate need no thread each: those of one turn of the loop go out as one batch, and one descriptor tells the
loop of all answers. A gate may be used from several loops.

Cancelling a task does not undo what it asked for: a reservation that was sent may be won all the same. Ask what became
of it with `resolve`, or give it back with `release`.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ._calls import EVENT, EVENTS_AT_ONCE, Answer, Encoded, EventRecords
from ._calls import to_answer, to_event_error, to_ms, to_records
from ._codes import Role
from ._controller import AuditReport, ControllerBase, DeadOrder, Sale, SaleStatus
from ._controller import read_audit, read_dead, read_info, read_status
from ._errors import Error, InvalidArgument
from ._gate import GateBase, ask
from ._library import Handle, check, lib, taken
from ._pool import PoolBase, Sink, make_sink
from ._worker import DRAIN_MAX, WorkerBase, stop

__all__ = ["OrderWorker", "Pool", "Sale", "SaleController", "Sink", "StockGate", "make_sink"]

T = TypeVar("T")

_DEPTH = 1_048_576  # the most: a gate's own bound, waiting_max, is the one to meet


class Pool(PoolBase):
    """As flashsale.Pool; gates, controllers and workers take either."""

    async def close(self) -> None:
        """Its connections close once nothing holds it any more."""
        self._handle = None

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


class _Bridge:
    """
    One loop's way into a gate and back. Everything here runs on the loop's thread.

        ask -> _calls --end of the loop's turn--> submit ~~> descriptor readable -> drain -> the call's future
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gate: Handle | None = None  # while calls wait for the end of the turn
        self._calls: list[Encoded] = []
        self._futures: list[asyncio.Future[Answer]] = []
        self._pending: dict[int, asyncio.Future[Answer]] = {}  # by tag
        self._next_tag = 0
        self._leaving = False
        self._completions = Handle.make("completions", _DEPTH)
        self._events = EventRecords()
        fd = ctypes.c_int32()
        check(lib.completions_fd, self._completions, ctypes.byref(fd))
        self._fd = fd.value
        loop.add_reader(self._fd, self._drain)

    def ask(self, gate: Handle, call: Encoded) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        if not self._calls:
            self._gate = gate
            self._loop.call_soon(self.submit)
        self._calls.append(call)
        self._futures.append(future)
        return future

    def submit(self) -> None:
        """Hands in what this turn of the loop asked for."""
        calls, futures, gate = self._calls, self._futures, self._gate
        if not calls:
            return
        self._calls, self._futures, self._gate = [], [], None
        records, texts = to_records(calls, self._next_tag)
        accepted, error = ctypes.c_size_t(), ctypes.c_void_p()
        code = lib.gate_submit(
            gate, records.buffer_info()[0], len(calls), self._completions, ctypes.byref(accepted), ctypes.byref(error)
        )
        del texts  # until here
        count = accepted.value
        self._pending.update(zip(range(self._next_tag, self._next_tag + count), futures))
        self._next_tag += count
        if code < 0:
            refusal = taken(code, error)
            for future in futures[count:]:
                if not future.done():
                    future.set_exception(type(refusal)(str(refusal), refusal.effect))

    def _drain(self) -> None:
        pop, count = self._pending.pop, EVENTS_AT_ONCE
        drained = ctypes.c_size_t()
        while count == EVENTS_AT_ONCE:
            room = (self._events.room, EVENT.size, EVENTS_AT_ONCE)
            check(lib.completions_drain, self._completions, *room, 0, ctypes.byref(drained))
            count = drained.value
            for event in self._events.events(count):
                future = pop(event[0])
                if future.done():  # cancelled
                    continue
                if event[1] > 0:
                    try:
                        future.set_result(to_answer(event))
                    except Error as unknown:
                        future.set_exception(unknown)
                else:
                    future.set_exception(to_event_error(event))
        if self._leaving:
            self.leave()

    def leave(self) -> None:
        """Lets the loop go, once every call was answered."""
        self._leaving = True
        if not self._pending and not self._calls and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)

    async def finish(self) -> None:
        if self._pending:
            await asyncio.wait(list(self._pending.values()))
        self.leave()


class StockGate(GateBase[Coroutine[Any, Any, Answer]]):
    """
    Sells units of many sales through one pool; the calls of one turn of a loop travel as one batch. `sink` as that of
    `flashsale.StockGate`.

    Options: those of `flashsale.options()` that begin with `gate.`, for instance `lanes=4`. Making one does no I/O.
    Every call takes a `timeout` in seconds, 0.001 to 30; None is the option `timeout_ms`. Cancelling it, also by
    asyncio.timeout, undoes nothing: see the module.
    """

    def __init__(self, pool: PoolBase, sink: Sink | None = None, **options: Any) -> None:
        super().__init__(pool, sink, **options)
        self._bridges: dict[asyncio.AbstractEventLoop, _Bridge] = {}

    async def _ask(self, call: Encoded, timeout: float | None) -> Answer:
        try:
            return await self._begin(call)
        except InvalidArgument:
            # An event has no message. The blocking call refuses the same, before it sends anything, and says why.
            if self._handle is None:
                raise
            return ask(self._handle, call)

    def _begin(self, call: Encoded) -> asyncio.Future[Answer]:
        """Apart from _ask, which must not hold the handle while it waits: closing could not end the calls under way."""
        handle = self._open_handle()
        loop = asyncio.get_running_loop()
        bridge = self._bridges.get(loop)
        if bridge is None:
            for known in list(self._bridges):
                if known.is_closed():
                    self._bridges.pop(known, None)
            bridge = self._bridges[loop] = _Bridge(loop)
        return bridge.ask(handle, call)

    async def close(self) -> None:
        """Calls under way raise Closed, with a truthful effect. Takes one round trip at most."""
        bridges, self._bridges = self._bridges, {}
        own = bridges.pop(asyncio.get_running_loop(), None)
        if own is not None:
            own.submit()
        last = [self._handle]
        self._handle = None
        await asyncio.get_running_loop().run_in_executor(None, last.clear)
        if own is not None:
            await own.finish()
        for loop, bridge in bridges.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(bridge.leave)

    async def __aenter__(self) -> StockGate:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


_ACTS_AT_ONCE = 32  # of one loop; the others wait for their turn
_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """
    Calls it on a daemon thread. The loop's executor was rejected: asyncio.run and the interpreter wait for its threads,
    so that Ctrl+C would end the program only when the act does.
    """
    loop = asyncio.get_running_loop()
    room = _rooms.setdefault(loop, asyncio.Semaphore(_ACTS_AT_ONCE))
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        room.release()
        if future.done():  # cancelled
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def act() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    await room.acquire()
    try:
        threading.Thread(target=act, name="flashsale-act", daemon=True).start()
    except RuntimeError:  # the system has no more
        room.release()
        raise
    return await future


class SaleController(ControllerBase[Coroutine[Any, Any, None]]):
    __doc__ = (
        "The operator's side; each act has a thread. Cancelling one only ends the wait: it may have been done.\n"
        + (ControllerBase.__doc__ or "")
    )

    async def _act(self, verb: str, *arguments: Any) -> None:
        await _in_thread(check, getattr(lib, "controller_" + verb), self._open_handle(), *arguments)

    async def status(self, sale: str, role: Role = Role.REPLICA) -> SaleStatus:
        """Reads the sale and its items; where no replica is fit, from the primary. One or two round trips."""
        return await _in_thread(read_status, self._open_handle(), sale, role)

    async def info(self, sale: str, item: str) -> bytes:
        """Reads what `preload` stored for an item, from a replica where one is fit; NotFound also if nothing is."""
        return await _in_thread(read_info, self._open_handle(), sale, item)

    async def dead(self, sale: str) -> tuple[DeadOrder, ...]:
        """Reads the orders that the worker set aside, by id. One transaction; Unsupported without a sink."""
        return await _in_thread(read_dead, self._open_handle(), sale)

    async def audit(self, sale: str, repair: bool = False, timeout: float = 60.0) -> AuditReport:
        """As flashsale.SaleController.audit."""
        return await _in_thread(read_audit, self._open_handle(), sale, repair, timeout)

    async def close(self) -> None:
        """Acts under way end by their own deadlines."""
        self._handle = None

    async def __aenter__(self) -> SaleController:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


class OrderWorker(WorkerBase):
    """As flashsale.OrderWorker; run and drain have a thread of their own, and cancelling them stops the worker."""

    async def run(self) -> None:
        """Serves until `stop` or cancelled, then returns after the transaction under way."""
        await self._serve(lib.worker_run)

    async def drain(self, timeout: float) -> None:
        """Serves until everything written before the call is in the database; TimedOut after `timeout` seconds."""
        await self._serve(lib.worker_drain, to_ms(timeout, DRAIN_MAX))

    async def _serve(self, function: Callable[..., int], *arguments: Any) -> None:
        handle = self._open_handle()
        thread = ThreadPoolExecutor(1, "flashsale-worker")
        serving = asyncio.get_running_loop().run_in_executor(thread, check, function, handle, *arguments)
        thread.shutdown(wait=False)
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            stop(handle)
            await asyncio.wait([serving])
            raise

    async def close(self) -> None:
        """Stops it; a run or drain under way returns after the transaction under way."""
        self._stop_and_drop()

    async def __aenter__(self) -> OrderWorker:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()
