"""
Calls of a gate on their way into the library, and answers on their way out. Both travel by the hundred, so nothing here
loops over a batch in Python but the last step: columns are laid out with slices, `accumulate` and `join`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import NamedTuple, Union, cast

from ._codes import Effect, Level, Outcome, PauseReason, Verb
from ._errors import Error, InvalidArgument, Protocol, to_error

#: What a call becomes until it is sent: a word of (struct_size, verb), its five texts, words of (quantity, timeout_ms)
#: and (level, reserved).
Encoded = tuple[int, bytes, bytes, bytes, bytes, bytes, int, int]
#: An event as it comes: tag, code, effect, level, reason, index, reserved, epoch, seq, remaining, hold_until_ms,
#: retry_after_ms.
Event = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
Payload = Union[bytes, bytearray, memoryview]

_WORDS = 14  # flashsale_call_t is fourteen words of 64 bits
_TEXTS = 5
QUANTITY_MAX = 1_000_000
TIMEOUT_MAX = 30.0

_CALL = struct.Struct("@14Q")
EVENT = struct.Struct("@QiiiiIIQQqqq")
EVENTS_AT_ONCE = 512
_ANSWER = struct.Struct("@IiQQIiqqqiI56s")
_AnswerRoom = ctypes.c_char * _ANSWER.size
_EMPTY_ANSWER = struct.pack("@I", _ANSWER.size) + bytes(_ANSWER.size - 4)

# Where the first and the second half of a word of two int32_t are.
_FIRST, _SECOND = (0, 32) if sys.byteorder == "little" else (32, 0)
_HEADS = {verb: _WORDS * 8 << _FIRST | verb << _SECOND for verb in Verb}

_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
_LEVELS = {int(level): level for level in Level}
_REASONS = {int(reason): reason for reason in PauseReason}


class Answer(NamedTuple):
    """The answer to one call."""

    outcome: Outcome
    order: str  #: `<epoch>-<seq>.<index>`, or empty where the outcome speaks of none
    remaining: int | None  #: units of the item left after the batch, where it is told
    hold_until_ms: int  #: Unix ms by Redis' clock; 0: no hold
    retry_after_ms: int  #: not before that many ms can asking again help; 0: at will
    level: Level  #: what this answer has reached
    reason: PauseReason  #: of PAUSED

    @property
    def holds_stock(self) -> bool:
        """True if the buyer holds units by this answer."""
        return self.outcome.holds_stock


def to_ms(timeout: float, most: float = TIMEOUT_MAX) -> int:
    """A timeout in seconds as whole milliseconds."""
    if not 0.001 <= timeout <= most:
        raise InvalidArgument(f"timeout must be 0.001 to {most:g} seconds, is {timeout}")
    return round(timeout * 1000)


def to_text(field: str, text: str) -> bytes:
    """A text for the library, which judges it."""
    if not isinstance(text, str):
        raise TypeError(f"{field} must be a str, is {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field} must consist of characters that UTF-8 has") from None


def _defect(quantity: object, level: object, texts: Sequence[tuple[str, str]]) -> Exception:
    """What is wrong with a call that could not be encoded."""
    for field, text in texts:
        to_text(field, text)
    if not isinstance(quantity, int):
        return TypeError(f"quantity must be an int, is {type(quantity).__name__}")
    return InvalidArgument(f"level must be a flashsale.Level, is {level!r}")


def encode(
    verb: Verb,
    sale: str,
    item: str,
    buyer: str,
    request: str,
    payload: Payload = b"",
    quantity: int = 1,
    timeout: float | None = None,
    level: int = Level.USUAL,
) -> Encoded:
    """Checks what would not survive the way into the library, which judges the rest."""
    timeout_ms = 0 if timeout is None else to_ms(timeout)
    try:
        texts = (sale.encode(), item.encode(), buyer.encode(), request.encode())
        amounts = quantity << _FIRST | timeout_ms << _SECOND
        level_word = _LEVELS[level] << _FIRST
    except (AttributeError, UnicodeEncodeError, TypeError, KeyError):
        named = (("sale", sale), ("item", item), ("buyer", buyer), ("request", request))
        raise _defect(quantity, level, named) from None
    if not 1 <= quantity <= QUANTITY_MAX:
        raise InvalidArgument(f"quantity must be 1 to {QUANTITY_MAX}, is {quantity}")
    if type(payload) is not bytes:
        payload = bytes(memoryview(payload))
    return (_HEADS[verb], *texts, payload, amounts, level_word)


def address(blob: bytes) -> int:
    """Where its bytes are, for as long as it lives."""
    return ctypes.cast(ctypes.c_char_p(blob), ctypes.c_void_p).value or 0


def to_records(calls: Sequence[Encoded], first_tag: int = 0) -> tuple[array[int], bytes]:
    """An array of flashsale_call_t with tags from `first_tag` on, and the bytes it points into: keep both."""
    count = len(calls)
    heads, *columns, amounts, levels = zip(*calls)
    texts = list(chain.from_iterable(columns))
    sizes = list(map(len, texts))
    blob = b"".join(texts)
    starts = list(accumulate(sizes, initial=address(blob)))
    words = [0] * (_WORDS * count)
    words[0::_WORDS] = heads
    for column in range(_TEXTS):
        rows = slice(column * count, (column + 1) * count)
        words[2 * column + 1 :: _WORDS] = starts[rows]
        words[2 * column + 2 :: _WORDS] = sizes[rows]
    words[11::_WORDS] = amounts
    words[12::_WORDS] = levels
    words[13::_WORDS] = range(first_tag, first_tag + count)
    return array("Q", words), blob


def to_record(call: Encoded) -> tuple[bytes, bytes]:
    """As to_records, of one call: four times as fast as an array of one."""
    head, sale, item, buyer, request, payload, amounts, level = call
    sizes = (len(sale), len(item), len(buyer), len(request), len(payload))
    blob = b"".join(call[1:6])
    at_sale = address(blob)
    at_item = at_sale + sizes[0]
    at_buyer = at_item + sizes[1]
    at_request = at_buyer + sizes[2]
    at_payload = at_request + sizes[3]
    starts = (at_sale, at_item, at_buyer, at_request, at_payload)
    texts = chain.from_iterable(zip(starts, sizes))
    return _CALL.pack(head, *texts, amounts, level, 0), blob


def to_answer(event: Event) -> Answer:
    """The answer in an event whose code is > 0."""
    _, code, _, level, reason, index, _, epoch, seq, remaining, hold_until_ms, retry_after_ms = event
    try:
        return Answer(
            _OUTCOMES[code],
            f"{epoch}-{seq}.{index}" if epoch else "",
            remaining if remaining >= 0 else None,
            hold_until_ms,
            retry_after_ms,
            _LEVELS[level],
            _REASONS[reason],
        )
    except KeyError as unknown:
        raise Protocol(f"the library answers {unknown}, which this package does not know", Effect.UNKNOWN) from None


def to_event_error(event: Event) -> Error:
    """The exception of an event whose code is < 0."""
    return to_error(event[1], effect=event[2])


class AnswerRecord:
    """Room for one flashsale_answer_t."""

    def __init__(self) -> None:
        self.room = _AnswerRoom.from_buffer_copy(_EMPTY_ANSWER)

    def answer(self) -> Answer:
        """What the library wrote."""
        _, code, epoch, seq, index, level, remaining, hold, retry, reason, _, _ = _ANSWER.unpack(self.room)
        return to_answer((0, code, 0, level, reason, index, 0, epoch, seq, remaining, hold, retry))


class EventRecords:
    """Room for a drain's flashsale_event_t."""

    def __init__(self) -> None:
        self.room = ctypes.create_string_buffer(EVENT.size * EVENTS_AT_ONCE)
        self._view = memoryview(self.room)

    def events(self, count: int) -> Iterator[Event]:
        """The first `count` of them."""
        return cast("Iterator[Event]", EVENT.iter_unpack(self._view[: count * EVENT.size]))
