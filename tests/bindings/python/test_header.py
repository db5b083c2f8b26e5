"""Everything in flashsale.h has its counterpart here, or is listed below with the reason why it has none."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import flashsale
from flashsale import _calls, _codes, _library, _objects, aio

HEADER = (ROOT / "include/flashsale/flashsale.h").read_text()

FUNCTIONS_WITHOUT = {
    "flashsale_version",  # __version__ is its text
    "flashsale_error_code",  # the function that failed returned it
    "flashsale_error_name",  # ErrorCode has the names
    "flashsale_error_is_retryable",  # Error.is_retryable knows it of its class
    "flashsale_gate_create",  # a gate_create_with_sink that is given none
    "flashsale_gate_reserve",  # a gate_call whose verb is fixed
    "flashsale_completions_outstanding",  # the bridge of each loop counts its own futures
}
DEFINES_WITHOUT = {
    "FLASHSALE_FLASHSALE_H", "FLASHSALE_API",  # of the C compiler
    "FLASHSALE_TEXT", "FLASHSALE_SET",  # string literals of C
    "FLASHSALE_VERSION",  # of the header, which is not part of the package
    *(f"FLASHSALE_{record}_INIT" for record in ("CALL", "ANSWER", "STATUS", "REPORT", "OPTION")),  # written in _library
    "FLASHSALE_ID_CAPACITY", "FLASHSALE_ORDER_CAPACITY",  # in the structs' layouts, which test_library compares
}  # fmt: skip
DEFINES = {
    "FLASHSALE_ABI": _library.ABI,
    "FLASHSALE_UNCHANGED": -1,  # None in SaleController.schedule
    "FLASHSALE_LINE_CAPACITY": _library.LINE_CAPACITY,
    "FLASHSALE_INFO_CAPACITY": _library.INFO_CAPACITY,
}
#: Of structs that are no Python class but the arguments of a call, or rows that only this package reads.
CALL = {
    *inspect.signature(flashsale.StockGate.reserve).parameters,
    *inspect.signature(_calls.to_records).parameters,
}
STRUCTS: dict[str, set[str]] = {
    "flashsale_call_t": CALL | {"verb"},
    "flashsale_answer_t": {*flashsale.Answer._fields},
    "flashsale_event_t": {*flashsale.Answer._fields},
    "flashsale_status_t": {*flashsale.SaleStatus.__annotations__},
    "flashsale_item_t": {*flashsale.ItemStatus.__annotations__},
    "flashsale_dead_t": {*flashsale.DeadOrder.__annotations__},
    "flashsale_audit_item_t": {*flashsale.AuditItem.__annotations__},
    "flashsale_report_t": {*flashsale.WorkerReport.__annotations__},
    "flashsale_option_t": {*flashsale.Option._fields},
    "flashsale_code_t": {"kind", "name", "value", "holds_stock"},  # _library.codes
}
RENAMED = {
    ("flashsale_call_t", "timeout_ms"): "timeout",
    ("flashsale_call_t", "tag"): "first_tag",
    ("flashsale_event_t", "code"): "outcome",
    ("flashsale_event_t", "effect"): None,  # Error.effect
    ("flashsale_event_t", "tag"): None,  # the future that waits
    ("flashsale_status_t", "at_epoch"): "at",
    ("flashsale_status_t", "at_seq"): "at",
    ("flashsale_status_t", "watermark_epoch"): "watermark",
    ("flashsale_status_t", "watermark_seq"): "watermark",
    ("flashsale_status_t", "item_count"): "items",
    ("flashsale_option_t", "default_value"): "default",
    # Together the order.
    **{(f"flashsale_{it}_t", part): "order" for it in ("answer", "event") for part in ("epoch", "seq", "index")},
}
LENGTHS = re.compile("(sale|item|buyer|request|payload)_size")  # Python's strings know theirs


def exported() -> list[str]:
    return re.findall(r"^FLASHSALE_API [^;(]*?\b(flashsale_\w+)\(", HEADER, re.MULTILINE)


def constants() -> list[tuple[str, int]]:
    return [(name, int(value)) for name, value in re.findall(r"\bFLASHSALE_([A-Z_]+) = (-?\d+)", HEADER)]


def structs() -> dict[str, list[str]]:
    found = {}
    for name, body in re.findall(r"^typedef struct (\w+) \{\n(.*?)^\}", HEADER, re.MULTILINE | re.DOTALL):
        code = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        found[name] = re.findall(r"(\w+)(?:\[\w+\])?;", code)
    return found


def test_the_header_is_read_whole() -> None:
    assert len(exported()) == HEADER.count("\nFLASHSALE_API ") == len(set(exported())) >= 60
    assert len(constants()) >= 60 and len(structs()) == len(re.findall(r"\ntypedef struct \w+ {\n", HEADER))
    assert "held" in structs()["flashsale_status_t"]


def test_every_function_is_declared_but_those_listed() -> None:
    ours = {"flashsale_" + name for name in (*_library._CHECKED, *_library._PLAIN)}
    assert ours | FUNCTIONS_WITHOUT == set(exported())
    assert not ours & FUNCTIONS_WITHOUT


def test_every_function_that_is_declared_is_used() -> None:
    package = Path(str(flashsale.__file__)).parent
    source = "".join(file.read_text() for file in package.glob("*.py"))
    for name in (*_library._CHECKED, *_library._PLAIN):
        kind, _, verb = name.partition("_")
        used = [f"lib.{name}\\b", f"library.{name}\\b", f'_act\\("{verb}"' if kind == "controller" else "^$"]
        if verb in ("create", "destroy"):  # Handle.make
            used.append(f'make\\("{kind}"')
        assert re.search("|".join(used), source), name


@pytest.mark.parametrize("module", [flashsale, aio], ids=["blocking", "asyncio"])
def test_every_verb_and_act_is_a_method_of_both_faces(module: Any) -> None:
    for known in flashsale.Verb:
        assert callable(getattr(module.StockGate, known.name.lower()))
    renamed = {"create_sale": "create", "close": "close_sale"}  # close() closes the controller
    for prefix, kind in (("controller", module.SaleController), ("worker", module.OrderWorker)):
        for function in exported():
            verb = function.removeprefix(f"flashsale_{prefix}_")
            if verb == function or verb in ("create", "destroy"):
                continue
            assert callable(getattr(kind, renamed.get(verb, verb))), function


def test_every_constant_is_in_its_enum() -> None:
    for name, value in constants():
        kind, _, rest = name.lower().partition("_")
        kind = "error" if kind == "e" else kind
        word = rest if kind in _codes.KINDS else name.lower()
        constants_of_kind = _codes.KINDS.get(kind, flashsale.Outcome)
        assert constants_of_kind[word.upper()] == value, name
        assert getattr(flashsale, constants_of_kind.__name__) is constants_of_kind


def test_every_define_is_here_but_those_listed() -> None:
    assert set(re.findall(r"^#define (\w+)", HEADER, re.MULTILINE)) == DEFINES_WITHOUT | set(DEFINES)
    for name, value in DEFINES.items():
        (text,) = re.findall(rf"^#define {name} (.+)$", HEADER, re.MULTILINE)
        assert int(re.sub(r"\(int64_t\)|[()]", "", text), 0) == value


def test_every_field_of_every_struct_has_its_attribute() -> None:
    assert structs().keys() == STRUCTS.keys()
    for struct, fields in structs().items():
        for field in fields:
            if field in ("struct_size", "reserved") or LENGTHS.fullmatch(field):
                continue
            attribute = RENAMED.get((struct, field), field)
            assert attribute is None or attribute in STRUCTS[struct], f"{struct}.{field}"


def test_every_option_is_an_argument_of_its_class() -> None:
    owners = {"pool", "gate", "controller", "worker", "sale"}
    described = list(flashsale.options())
    assert {option.name.split(".")[0] for option in described} == owners
    for option in described:
        owner, name = option.name.split(".")
        if option.default:
            _objects.make_options(owner, {name: option.default})
    for kind in (flashsale.Pool, flashsale.StockGate, flashsale.SaleController, flashsale.OrderWorker, flashsale.Sale):
        kinds = {parameter.kind for parameter in inspect.signature(kind).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD in kinds, kind
