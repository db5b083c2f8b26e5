"""Errors: the lack of an answer, one exception a code."""

from __future__ import annotations

from typing import ClassVar

from ._codes import Effect, ErrorCode


class Error(Exception):
    """
    Base of every error of the library. `effect` tells whether Redis was changed: NONE, certainly not by this call, or
    UNKNOWN, it may have been: ask again with the same request, or resolve.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    _waiting_helps: ClassVar[bool] = False

    def __init__(self, message: str = "", effect: Effect = Effect.NONE) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()).rstrip("."))
        self.effect = effect

    @property
    def is_retryable(self) -> bool:
        """True if waiting can help: asking again with the same request is right."""
        return self._waiting_helps or self.effect is Effect.UNKNOWN


class InvalidArgument(Error, ValueError):
    """An argument is outside its bounds; the message names both."""

    code = ErrorCode.INVALID_ARGUMENT


class NotFound(Error, LookupError):
    """No such sale, item or row; never "sold out"."""

    code = ErrorCode.NOT_FOUND


class Conflict(Error):
    """The request won with other arguments, or a sale exists with others."""

    code = ErrorCode.CONFLICT


class Busy(Error):
    """A bounded queue is full; nothing was sent."""

    code = ErrorCode.BUSY
    _waiting_helps = True


class TimedOut(Error, TimeoutError):
    """The deadline came before the answer."""

    code = ErrorCode.TIMED_OUT
    _waiting_helps = True


class Disconnected(Error, ConnectionError):
    """There is no connection to Redis, or it broke."""

    code = ErrorCode.DISCONNECTED
    _waiting_helps = True


class Refused(Error):
    """Redis or the database refuses writes (memory, replicas, permission, disk)."""

    code = ErrorCode.REFUSED
    _waiting_helps = True


class Lost(Error):
    """The database has the sale, Redis has not: reconcile."""

    code = ErrorCode.LOST
    _waiting_helps = True


class Unsupported(Error):
    """Not with this version, layout or sale."""

    code = ErrorCode.UNSUPPORTED


class Protocol(Error):
    """A peer said what the protocol does not allow."""

    code = ErrorCode.PROTOCOL
    _waiting_helps = True


class Closed(Error):
    """The object was closed."""

    code = ErrorCode.CLOSED


class Forked(Error):
    """The object was used before a fork and belongs to the parent."""

    code = ErrorCode.FORKED


class Internal(Error):
    """A defect, or memory ran out."""

    code = ErrorCode.INTERNAL


_CLASSES: dict[int, type[Error]] = {kind.code: kind for kind in Error.__subclasses__()}


def to_error(code: int, message: str = "", effect: int = Effect.NONE) -> Error:
    """The exception of a code < 0; a code of a newer library is Internal."""
    return _CLASSES.get(code, Internal)(message, Effect(effect))
