"""The constants of flashsale.h; `_library` compares them with those of the library that it loads."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """What a healthy sale answers every day. Values are frozen and never reused."""

    RESERVED = 1  #: of reserve: won just now
    ALREADY_RESERVED = 2  #: of reserve, resolve, status: this request won before; same order
    CONFIRMED = 3  #: of confirm
    ALREADY_CONFIRMED = 4  #: of confirm, release, reserve, resolve, status
    RELEASED = 5  #: of release
    ALREADY_RELEASED = 6  #: of release, confirm, reserve, resolve, status
    EXPIRED = 7  #: of every verb: the hold ran out; the units go back
    PENDING = 8  #: decided, but below the level asked for yet; has the order
    NOT_RESERVED = 9  #: of resolve, status, confirm, release: this request holds nothing
    DEAD = 10  #: the worker set this order aside, with a reason, for an operator
    NOT_STARTED = 11  #: of reserve: see retry_after_ms
    PAUSED = 12  #: of reserve: see reason and retry_after_ms
    ENDED = 13  #: of reserve
    LIMIT_REACHED = 14  #: of reserve: the buyer would hold more than the item's limit, or too many orders
    SOLD_OUT = 15  #: of reserve: fewer units are left than asked for

    @property
    def holds_stock(self) -> bool:
        """True if the buyer holds units by this outcome."""
        return self in _HOLDING


_HOLDING = frozenset(
    (Outcome.RESERVED, Outcome.ALREADY_RESERVED, Outcome.CONFIRMED, Outcome.ALREADY_CONFIRMED)
)


class ErrorCode(IntEnum):
    """The lack of an answer; each has its exception."""

    INVALID_ARGUMENT = -1
    NOT_FOUND = -2
    CONFLICT = -3
    BUSY = -4
    TIMED_OUT = -5
    DISCONNECTED = -6
    REFUSED = -7
    LOST = -8
    UNSUPPORTED = -9
    PROTOCOL = -10
    CLOSED = -11
    FORKED = -12
    INTERNAL = -13


class Effect(IntEnum):
    """What a failed call did to Redis."""

    NONE = 0  #: certainly nothing
    UNKNOWN = 1  #: it may have been done: ask again with the same request


class Verb(IntEnum):
    """What a call asks a gate to do."""

    RESERVE = 1
    CONFIRM = 2
    RELEASE = 3
    RESOLVE = 4
    STATUS = 5


class Level(IntEnum):
    """How durable an answer is."""

    USUAL = 0  #: asks for the gate's default; in no answer
    PRIMARY = 1  #: the Redis primary answered: a failover can forget it
    REPLICAS = 2  #: every promotable replica has it
    DATABASE = 3  #: it is committed in the database


class PauseReason(IntEnum):
    """Why a sale is paused."""

    NONE = 0
    OPERATOR = 1
    FENCED = 2  #: Redis lost its history: the worker reconciles
    DRAINING = 3


class SaleState(IntEnum):
    """Where a sale stands."""

    CREATING = 0
    CREATED = 1
    OPEN = 2
    PAUSED = 3
    DRAINING = 4
    CLOSED = 5
    RETIRED = 6


class QueueMode(IntEnum):
    """How won orders leave Redis."""

    JOURNAL = 0  #: exactly once into the sink
    LIST = 1  #: a plain list, at least once


class Role(IntEnum):
    """Which node a read asks."""

    PRIMARY = 0
    REPLICA = 1


class LogLevel(IntEnum):
    """Of log lines."""

    INFO = 1
    WARNING = 2
    ALARM = 3


class DeadFate(IntEnum):
    """What was decided about an order that was set aside."""

    DEAD = 0  #: nothing yet
    RETRIED = 1  #: it is an order again
    DROPPED = 2  #: it is given up, its units are for sale again


#: flashsale_code_t.kind -> the enum that mirrors it; the names are the same but for their case.
KINDS: dict[str, type[IntEnum]] = {
    "outcome": Outcome,
    "error": ErrorCode,
    "effect": Effect,
    "verb": Verb,
    "level": Level,
    "reason": PauseReason,
    "state": SaleState,
    "queue": QueueMode,
    "role": Role,
    "log": LogLevel,
    "fate": DeadFate,
}
