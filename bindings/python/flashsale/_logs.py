"""The library's log lines in Python's `logging`."""

from __future__ import annotations

import ctypes
import logging
import os
import threading

from ._codes import LogLevel
from ._library import LINE_CAPACITY, Handle, check, lib

_LEVELS = {LogLevel.INFO: logging.INFO, LogLevel.WARNING: logging.WARNING, LogLevel.ALARM: logging.ERROR}
_WAIT_MS = 60_000  # every line wakes it earlier


class _Listener:
    """A thread that waits for lines, wherever in the library they come from."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self._ending = False
        self._wakes = Handle.make("completions", 1)
        check(lib.log_enable, self._wakes)
        self._thread = threading.Thread(target=self._listen, name="flashsale-log", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ending = True
        check(lib.completions_wake, self._wakes)
        self._thread.join()

    def _listen(self) -> None:
        unused, count = ctypes.create_string_buffer(72), ctypes.c_size_t()
        while not self._ending:
            check(lib.completions_drain, self._wakes, unused, len(unused), 1, _WAIT_MS, ctypes.byref(count))
            self._forward()

    def _forward(self) -> None:
        line = ctypes.create_string_buffer(LINE_CAPACITY)
        while level := check(lib.log_next, line, len(line), None):
            self.logger.log(_LEVELS.get(LogLevel(level), logging.ERROR), "%s", line.value.decode(errors="replace"))


_lock = threading.Lock()
_listener: _Listener | None = None


def enable_logging(logger: logging.Logger | None = None) -> None:
    """
    Sends the library's lines, silent until now, to `logger` or else the one named "flashsale": as INFO, WARNING or, for
    alarms, ERROR. They are rate-limited, and hold no password, payload or buyer. A thread waits for them; a forked
    child has its own. Again: only changes the logger.
    """
    global _listener
    with _lock:
        chosen = logger or logging.getLogger("flashsale")
        if _listener is None:
            _listener = _Listener(chosen)
        _listener.logger = chosen


def disable_logging() -> None:
    """Is silent again, and forgets the lines not taken."""
    global _listener
    with _lock:
        if _listener is not None:
            _listener.end()
            _listener = None
            check(lib.log_disable)


def _begin_again_in_child() -> None:
    """Threads do not survive a fork, and what was used before it is the parent's."""
    global _listener, _lock
    _lock = threading.Lock()
    if _listener is not None:
        _listener = _Listener(_listener.logger)


os.register_at_fork(after_in_child=_begin_again_in_child)
