"""The hot path: the verbs of both gates, and the blocking one."""

from __future__ import annotations

import ctypes
from typing import Any, Generic, TypeVar

from ._calls import Answer, AnswerRecord, Encoded, Payload, encode, to_record
from ._codes import Level, Verb
from ._library import Handle, lib, taken
from ._objects import INTERRUPT_S, Closeable, OptionValue, interruptible, make_options, options
from ._pool import PoolBase, Sink

R = TypeVar("R")  # what a call gives: an Answer, or a coroutine that gives one


def ask(handle: Handle, call: Encoded) -> Answer:
    """One blocking call; the GIL is released meanwhile."""
    record, texts = to_record(call)
    answer = AnswerRecord()
    error = ctypes.c_void_p()
    code = lib.gate_call(handle, record, answer.room, ctypes.byref(error))
    del texts  # until here
    if code < 0:
        raise taken(code, error)
    return answer.answer()


def default_timeout(values: dict[str, OptionValue]) -> float:
    """Seconds that a call without a timeout may last."""
    chosen = values.get("timeout_ms")
    if chosen is None:
        chosen = next(option.default for option in options() if option.name == "gate.timeout_ms")
    return int(chosen) / 1000


class GateBase(Closeable, Generic[R]):
    """The verbs, once for both gates. A bad argument of a call is raised where the call is written."""

    def __init__(self, pool: PoolBase, sink: Sink | None = None, **options: OptionValue) -> None:
        handles = pool._open_handle(), None if sink is None else sink._open_handle()
        made_options = make_options("gate", options)
        super().__init__(Handle.make("gate", *handles, made_options, create=lib.gate_create_with_sink))

    def _ask(self, call: Encoded, timeout: float | None) -> R:
        raise NotImplementedError

    def reserve(
        self,
        sale: str,
        item: str,
        *,
        buyer: str,
        request: str,
        quantity: int = 1,
        payload: Payload = b"",
        timeout: float | None = None,
        level: Level = Level.USUAL,
    ) -> R:
        """
        Asks for `quantity` units of `item` for `buyer`; atomic, and idempotent by `request`: a buyer's same request
        always means the same purchase, and asked again after it won it hears the same order. One round trip, shared
        with every other caller of that moment.

        Outcomes, the first that applies: ALREADY_RESERVED, ALREADY_CONFIRMED, ALREADY_RELEASED, EXPIRED, DEAD (this
        request won before) - ENDED, PAUSED, NOT_STARTED - LIMIT_REACHED - SOLD_OUT - RESERVED. Below `level`: PENDING.
        Raises InvalidArgument, NotFound, Conflict, Unsupported, Refused, Closed, Forked, Busy (effect NONE); TimedOut,
        Disconnected, Protocol (NONE or UNKNOWN: ask again with the same request, or resolve).
        """
        call = encode(Verb.RESERVE, sale, item, buyer, request, payload, quantity, timeout, level)
        return self._ask(call, timeout)

    def confirm(
        self, sale: str, *, buyer: str, request: str, timeout: float | None = None, level: Level = Level.USUAL
    ) -> R:
        """
        Makes a reservation final, so that its hold no longer runs out. Idempotent.

        Outcomes: CONFIRMED, ALREADY_CONFIRMED, ALREADY_RELEASED, EXPIRED, DEAD, NOT_RESERVED. Below `level`: PENDING.
        Raises as reserve.
        """
        return self._ask(encode(Verb.CONFIRM, sale, "", buyer, request, b"", 1, timeout, level), timeout)

    def release(
        self, sale: str, *, buyer: str, request: str, timeout: float | None = None, level: Level = Level.USUAL
    ) -> R:
        """
        Gives a reservation back; its units are for sale again once the database knows. Idempotent.

        Outcomes: RELEASED, ALREADY_RELEASED, ALREADY_CONFIRMED, EXPIRED, DEAD, NOT_RESERVED. Raises as reserve.
        """
        return self._ask(encode(Verb.RELEASE, sale, "", buyer, request, b"", 1, timeout, level), timeout)

    def resolve(
        self, sale: str, *, buyer: str, request: str, timeout: float | None = None, level: Level = Level.USUAL
    ) -> R:
        """
        Asks the primary what became of a request; changes nothing.

        Outcomes: ALREADY_RESERVED, ALREADY_CONFIRMED, ALREADY_RELEASED, EXPIRED, DEAD, or NOT_RESERVED, which is final
        for a request that went through this gate, and for any other once 30 s have passed since it was sent.
        Raises as reserve, always with effect NONE.
        """
        return self._ask(encode(Verb.RESOLVE, sale, "", buyer, request, b"", 1, timeout, level), timeout)

    def status(
        self, sale: str, *, buyer: str, request: str, timeout: float | None = None, level: Level = Level.USUAL
    ) -> R:
        """As resolve, but from a replica where one is fit; NOT_RESERVED is not final. What pages poll."""
        return self._ask(encode(Verb.STATUS, sale, "", buyer, request, b"", 1, timeout, level), timeout)


class StockGate(GateBase[Answer]):
    """
    Sells units of many sales through one pool; calls that threads make at the same time travel as one batch.

    With `sink`, the database of its sales, it keeps receipts: what it told below level DATABASE, until that has it. If
    Redis loses its history first, they bring the orders back; closing the gate leaves them in the database.

    Options: those of `flashsale.options()` that begin with `gate.`, for instance `lanes=4`. Making one does no I/O.
    Thread-safe. Every call takes a `timeout` in seconds, 0.001 to 30; None is the option `timeout_ms`. It blocks for no
    longer, releases the GIL, and Ctrl+C is heard within 250 ms; an interrupted call may have been done: ask again with
    the same request.
    """

    def __init__(self, pool: PoolBase, sink: Sink | None = None, **options: OptionValue) -> None:
        super().__init__(pool, sink, **options)
        self._usual_timeout = default_timeout(options)

    def _ask(self, call: Encoded, timeout: float | None) -> Answer:
        handle = self._open_handle()
        longest = self._usual_timeout if timeout is None else timeout
        return ask(handle, call) if longest <= INTERRUPT_S else interruptible(longest, lambda: ask(handle, call))

    def close(self) -> None:
        """Calls under way end by their own deadlines."""
        self._handle = None

    def __enter__(self) -> StockGate:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
