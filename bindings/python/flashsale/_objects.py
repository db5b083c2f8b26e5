"""What the blocking and the asyncio classes have in common: options, closing, and waits that Ctrl+C ends."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar, Union

from ._calls import to_text
from ._errors import Closed, Error
from ._library import ABI, Handle, OptionRow, check, lib

T = TypeVar("T")
OptionValue = Union[int, bool, str, None]

#: A call that may last longer than this leaves the main thread free to hear Ctrl+C.
INTERRUPT_S = 0.25


class Option(NamedTuple):
    """One option of the library."""

    name: str  #: `gate.lanes`: an argument `lanes` of StockGate
    type: str  #: integer, boolean, text, or the words to choose from
    default: str
    doc: str
    least: int
    most: int


def options() -> Iterator[Option]:
    """All options, with their bounds and defaults. What stands before the dot says whose they are."""
    row = OptionRow(ctypes.sizeof(OptionRow))
    index = 0
    while True:
        try:
            check(lib.options_describe, index, ctypes.byref(row))
        except LookupError:
            return
        yield Option(
            row.name.decode(), row.type.decode(), row.default_value.decode(), row.doc.decode(), row.least, row.most
        )
        index += 1


def make_options(owner: str, values: dict[str, OptionValue]) -> Handle:
    """The library's options object from keyword arguments; it judges names and values. None is the default."""
    handle = Handle.make("options", ABI)
    for name, value in values.items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        arguments = (handle, *sized("option", f"{owner}.{name}"), *sized(name, text))
        check(lib.options_set, *arguments)
    return handle


def sized(field: str, text: str | bytes) -> tuple[bytes, int]:
    """A text as two arguments."""
    encoded = text if isinstance(text, bytes) else to_text(field, text)
    return encoded, len(encoded)


class Closeable:
    """Has a handle until it is closed. What is under way in another thread then ends by its own deadline."""

    def __init__(self, handle: Handle) -> None:
        self._handle: Handle | None = handle

    def _open_handle(self) -> Handle:
        handle = self._handle
        if handle is None:
            raise Closed(f"the {type(self).__name__} was closed")
        return handle

    @property
    def closed(self) -> bool:
        """True once it was closed."""
        return self._handle is None


def interruptible(longest_s: float, function: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
    """
    Calls `function`, which may hold its thread in the library for `longest_s`, so that Ctrl+C is heard within 250 ms.
    Python runs signal handlers on the main thread only, between two of its instructions, so a longer call goes to a
    helper while the main thread waits where signals reach it. Cutting the call into short ones was rejected: each
    would have an outcome of its own. If the wait ends early, `stop` ends the call, else it goes on unheard.
    """
    if longest_s <= INTERRUPT_S or threading.current_thread() is not threading.main_thread():
        return function()
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def help() -> None:
        try:
            results.put((function(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=help, name="flashsale-call", daemon=True).start()
    try:
        result, error = results.get()
    except BaseException:
        if stop is not None:
            stop()
            results.get()
        raise
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
