"""
libflashsale.so, loaded and declared. It is looked for in this order: the file that FLASHSALE_LIB names, the wheel's own
folder, the system's loader.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from ctypes import POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from ._codes import KINDS
from ._errors import Error, to_error

ABI = 0
_SONAME = f"libflashsale.so.{ABI}"
LINE_CAPACITY = 1024
INFO_CAPACITY = 16385


class Status(Structure):
    """flashsale_status_t"""

    _fields_ = [
        ("struct_size", c_uint32),
        ("state", c_int32),
        ("queue", c_int32),
        ("fenced", c_uint32),
        ("now_ms", c_int64),
        ("opens_ms", c_int64),
        ("closes_ms", c_int64),
        ("hold_ms", c_int64),
        ("probe_ms", c_int64),
        ("replicas", c_uint32),
        ("buyer_orders_max", c_uint32),
        ("at_epoch", c_uint64),
        ("at_seq", c_uint64),
        ("watermark_epoch", c_uint64),
        ("watermark_seq", c_uint64),
        ("waiting", c_uint64),
        ("item_count", c_uint32),
        ("reserved", c_uint32),
        ("phase", c_char * 16),
        ("held", c_uint64),
    ]


class Item(Structure):
    """flashsale_item_t"""

    _fields_ = [("item", c_char * 72), ("total", c_int64), ("booked", c_int64), ("limit", c_int64)]


class Dead(Structure):
    """flashsale_dead_t"""

    _fields_ = [
        ("order", c_char * 56),
        ("buyer", c_char * 72),
        ("item", c_char * 72),
        ("request", c_char * 72),
        ("reason", c_char * 72),
        ("quantity", c_uint32),
        ("fate", c_int32),
    ]


class AuditItemRow(Structure):
    """flashsale_audit_item_t"""

    _fields_ = [
        ("item", c_char * 72),
        ("total", c_int64),
        ("available", c_int64),
        ("held", c_int64),
        ("confirmed", c_int64),
        ("dead", c_int64),
        ("returning", c_int64),
        ("difference", c_int64),
    ]


class Report(Structure):
    """flashsale_report_t"""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("orders", c_uint64),
        ("commits", c_uint64),
        ("dead", c_uint64),
        ("reconciles", c_uint64),
        ("behind", c_uint64),
        ("waiting_for", c_char * LINE_CAPACITY),
    ]


class OptionRow(Structure):
    """flashsale_option_t"""

    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("name", c_char_p),
        ("type", c_char_p),
        ("default_value", c_char_p),
        ("doc", c_char_p),
        ("least", c_int64),
        ("most", c_int64),
    ]


class Code(Structure):
    """flashsale_code_t"""

    _fields_ = [("kind", c_char_p), ("name", c_char_p), ("value", c_int32), ("holds_stock", c_uint32)]


_TEXT = (c_char_p, c_size_t)  # convention 5: pointer and length
_OUT = POINTER(c_void_p)  # of a handle, or of an error
_SIZE_OUT = POINTER(c_size_t)

#: Functions that answer an int32_t and have an error as their last argument, which is left out here.
_CHECKED: dict[str, tuple[Any, ...]] = {
    "metrics_text": (c_void_p, c_size_t, _SIZE_OUT),
    "log_enable": (c_void_p,),
    "log_disable": (),
    "log_next": (c_void_p, c_size_t, _SIZE_OUT),
    "options_create": (c_uint32, _OUT),
    "options_set": (c_void_p, *_TEXT, *_TEXT),
    "options_describe": (c_size_t, POINTER(OptionRow)),
    "pool_create": (*_TEXT, c_void_p, _OUT),
    "sink_create": (*_TEXT, _OUT),
    "sale_create": (*_TEXT, c_void_p, _OUT),
    "sale_item": (c_void_p, *_TEXT, c_int64, c_int64),
    "controller_create": (c_void_p, c_void_p, c_void_p, _OUT),
    "controller_create_sale": (c_void_p, c_void_p),
    "controller_preload": (c_void_p, *_TEXT, *_TEXT, *_TEXT),
    "controller_open": (c_void_p, *_TEXT),
    "controller_schedule": (c_void_p, *_TEXT, c_int64, c_int64),
    "controller_pause": (c_void_p, *_TEXT),
    "controller_resume": (c_void_p, *_TEXT),
    "controller_drain": (c_void_p, *_TEXT),
    "controller_close": (c_void_p, *_TEXT),
    "controller_restock": (c_void_p, *_TEXT, *_TEXT, c_int64, *_TEXT),
    "controller_retire": (c_void_p, *_TEXT),
    "controller_status": (c_void_p, *_TEXT, c_int32, POINTER(Status), c_void_p, c_size_t, c_size_t),
    "controller_info": (c_void_p, *_TEXT, *_TEXT, c_void_p, c_size_t, _SIZE_OUT),
    "controller_reconcile": (c_void_p, *_TEXT, c_uint32),
    "controller_reopen_accepting_loss": (c_void_p, *_TEXT, c_uint32),
    "controller_dead": (c_void_p, *_TEXT, c_void_p, c_size_t, c_size_t, _SIZE_OUT),
    "controller_dead_retry": (c_void_p, *_TEXT, *_TEXT),
    "controller_dead_drop": (c_void_p, *_TEXT, *_TEXT),
    "controller_audit": (c_void_p, *_TEXT, c_int32, c_uint32, POINTER(c_uint64), c_void_p, c_size_t, c_size_t),
    "completions_create": (c_size_t, _OUT),
    "completions_drain": (c_void_p, c_void_p, c_size_t, c_size_t, c_uint32, _SIZE_OUT),
    "completions_fd": (c_void_p, POINTER(c_int32)),
    "completions_wake": (c_void_p,),
    "gate_create_with_sink": (c_void_p, c_void_p, c_void_p, _OUT),
    "gate_call": (c_void_p, c_void_p, c_void_p),
    "gate_submit": (c_void_p, c_void_p, c_size_t, c_void_p, _SIZE_OUT),
    "worker_create": (c_void_p, c_void_p, c_void_p, _OUT),
    "worker_run": (c_void_p,),
    "worker_drain": (c_void_p, c_uint32),
    "worker_report": (c_void_p, POINTER(Report)),
}

#: The others, with what they answer.
_PLAIN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "abi": (c_uint32, ()),
    "version_string": (c_char_p, ()),
    "codes": (POINTER(Code), (_SIZE_OUT,)),
    "error_message": (c_char_p, (c_void_p,)),
    "error_effect": (c_int32, (c_void_p,)),
    "worker_stop": (None, (c_void_p,)),
    **{
        kind + "_destroy": (None, (_OUT,))
        for kind in ("error", "options", "pool", "sink", "sale", "controller", "completions", "gate", "worker")
    },
}


def _load() -> ctypes.CDLL:
    if ctypes.sizeof(c_void_p) != 8:
        raise ImportError("flashsale needs a 64-bit Python")
    chosen = os.environ.get("FLASHSALE_LIB", "")
    bundled = Path(__file__).parent / "_lib" / _SONAME
    name = chosen or (str(bundled) if bundled.exists() else _SONAME)
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        how = "FLASHSALE_LIB names it" if chosen else "set FLASHSALE_LIB, or install the wheel or the Debian package"
        raise ImportError(f"cannot load {name} ({how}): {error}") from error


def _declare(library: ctypes.CDLL) -> None:
    for name, arguments in _CHECKED.items():
        function = library["flashsale_" + name]
        function.restype, function.argtypes = c_int32, (*arguments, _OUT)
        setattr(library, name, function)
    for name, (result, arguments) in _PLAIN.items():
        function = library["flashsale_" + name]
        function.restype, function.argtypes = result, arguments
        setattr(library, name, function)


def codes(library: ctypes.CDLL) -> Iterator[tuple[str, str, int, bool]]:
    """The library's table of constants: kind, name, value, and whether it holds stock."""
    count = c_size_t()
    rows = library.codes(ctypes.byref(count))
    for row in rows[: count.value]:
        yield row.kind.decode(), row.name.decode(), row.value, bool(row.holds_stock)


def _verify(library: ctypes.CDLL) -> None:
    """Ours must be in the library as they are here; it may have more, for an ABI only grows."""
    if library.abi() != ABI:
        raise ImportError(f"this package needs libflashsale of ABI {ABI}; the one found has {library.abi()}")
    theirs = {(kind, name.upper()): value for kind, name, value, _ in codes(library)}
    for kind, constants in KINDS.items():
        for constant in constants:
            if theirs.get((kind, constant.name)) != constant.value:
                raise ImportError(f"libflashsale has another {kind} {constant.name.lower()} than this package")


def load() -> ctypes.CDLL:
    """Loads, declares and checks the library, once for the process."""
    library = _load()
    try:
        _declare(library)
    except AttributeError as error:
        raise ImportError(f"this libflashsale lacks a function that this package needs: {error}") from error
    _verify(library)
    return library


lib = load()


def taken(code: int, error: c_void_p) -> Error:
    """The exception for a call that answered `code` < 0; takes and destroys the error object."""
    message = lib.error_message(error).decode(errors="replace")
    effect = lib.error_effect(error)
    lib.error_destroy(ctypes.byref(error))
    return to_error(code, message, effect)


def check(function: Callable[..., int], *arguments: Any) -> int:
    """Calls a function of _CHECKED, and raises what it answers below 0."""
    error = c_void_p()
    code = function(*arguments, ctypes.byref(error))
    if code < 0:
        raise taken(code, error)
    return code


class Handle(c_void_p):
    """
    Owns one object of the library, and destroys it once nobody uses it. Whoever calls with it holds a reference for as
    long, so that closing it meanwhile from another thread is no use after free.
    """

    _destroy: Callable[..., None] | None = None

    @classmethod
    def make(cls, kind: str, *arguments: Any, create: Callable[..., int] | None = None) -> Handle:
        handle = cls()
        check(create or getattr(lib, kind + "_create"), *arguments, ctypes.byref(handle))
        handle._destroy = getattr(lib, kind + "_destroy")
        return handle

    def __del__(self, byref: Callable[..., Any] = ctypes.byref) -> None:
        if self._destroy is not None:
            self._destroy(byref(self))
