"""The library behind the binding: found, checked, bundled, logged, typed."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import struct
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ITEM, PATIENCE_S, ROOT, Shop, wait_until

import flashsale
from flashsale import _calls, _codes, _library, _objects

LIBRARY = Path(os.environ["FLASHSALE_LIB"])


def test_the_tables_of_constants_are_the_same_on_both_sides() -> None:
    theirs = {(kind, name.upper(), value) for kind, name, value, _ in _library.codes(_library.lib)}
    ours = {(kind, row.name, int(row)) for kind, rows in _codes.KINDS.items() for row in rows}
    assert ours == theirs
    holding = {name.upper() for kind, name, _, holds in _library.codes(_library.lib) if holds and kind == "outcome"}
    assert {outcome.name for outcome in flashsale.Outcome if outcome.holds_stock} == holding


def test_every_error_code_has_its_exception() -> None:
    classes = {kind.code: kind for kind in flashsale.Error.__subclasses__()}
    assert set(classes) == set(flashsale.ErrorCode)
    for code, kind in classes.items():
        assert kind.__name__ == code.name.title().replace("_", "") and kind.__doc__ and str(kind())
        assert getattr(flashsale, kind.__name__) is kind


def test_structs_are_laid_out_as_the_header_says() -> None:
    sizes, fields = {}, {}
    for line in (ROOT / "tests/capi/layout.txt").read_text().splitlines():
        name, *numbers = line.split()
        if not line.startswith(" "):
            sizes[name], record = int(numbers[0]), name
        else:
            fields[record, name] = tuple(map(int, numbers))
    for kind in vars(_library).values():
        if not (isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind is not ctypes.Structure):
            continue
        record = str(kind.__doc__)
        assert ctypes.sizeof(kind) == sizes[record]
        places = {field[0]: getattr(kind, field[0]) for field in kind._fields_}
        ours = {(record, name): (place.offset, place.size) for name, place in places.items()}
        assert ours == {key: place for key, place in fields.items() if key[0] == record}
    assert _calls.EVENT.size == sizes["flashsale_event_t"] and _calls._ANSWER.size == sizes["flashsale_answer_t"]
    call = _calls.encode(flashsale.Verb.RESOLVE, "sale", "item", "buyer", "request", b"payload", 7, 0.5, 2)
    records, texts = _calls.to_records([call], 99)
    raw = records.tobytes()
    assert len(raw) == sizes["flashsale_call_t"]
    single, its_texts = _calls.to_record(call)
    words, its_words = (list(struct.unpack("@14Q", record)) for record in (raw, single))
    for row in (words, its_words):
        row[1:11:2] = [pointer - row[1] for pointer in row[1:11:2]]  # where in the texts, wherever those are
    assert its_words[:13] == words[:13] and its_texts == texts  # all but the tag
    expected = {"struct_size": len(raw), "verb": 4, "quantity": 7, "timeout_ms": 500, "level": 2, "reserved": 0}
    expected["tag"] = 99
    for (record, field), (offset, size) in fields.items():
        if record != "flashsale_call_t":
            continue
        value = int.from_bytes(raw[offset : offset + size], sys.byteorder)
        text = field.removesuffix("_size")
        if text not in ("sale", "item", "buyer", "request", "payload"):
            assert value == expected[field], field
        elif field == text:
            assert ctypes.string_at(value, len(text)) == text.encode()
        else:
            assert value == len(text)
    assert texts == b"saleitembuyerrequestpayload"


def test_the_version_is_the_headers() -> None:
    header = (ROOT / "include/flashsale/version.hpp").read_text()
    assert flashsale.__version__ == ".".join(re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))


@pytest.mark.parametrize(
    ("library", "message"), [("/nosuch/libflashsale.so.0", "FLASHSALE_LIB names it"), ("libm.so.6", "lacks a function")]
)
def test_a_library_that_is_none_is_an_import_error(library: str, message: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python"), "FLASHSALE_LIB": library}
    result = subprocess.run([sys.executable, "-c", "import flashsale"], env=environment, capture_output=True, text=True)
    assert result.returncode != 0 and "ImportError" in result.stderr and message in result.stderr


def test_a_library_of_another_abi_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_library, "ABI", 1)
    with pytest.raises(ImportError, match="of ABI 1; the one found has 0"):
        _library._verify(_library.lib)
    monkeypatch.undo()
    monkeypatch.setattr(_library, "KINDS", {"outcome": flashsale.Verb})
    with pytest.raises(ImportError, match="another outcome reserve"):
        _library._verify(_library.lib)


def test_the_wheel_is_built_offline_and_sells_a_unit_with_what_it_bundles(shop: Shop, tmp_path: Path) -> None:
    bundle = {**os.environ, "FLASHSALE_BUNDLE": str(LIBRARY.parent), "PIP_NO_INDEX": "1"}
    pip = ["-m", "pip", "--disable-pip-version-check"]
    build = [sys.executable, *pip, "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT / "bindings/python")], env=bundle, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert re.fullmatch(rf"flashsale-{re.escape(flashsale.__version__)}-py3-none-linux_\w+\.whl", wheel.name)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    subprocess.run([python, *pip, "install", "-q", "--no-index", str(wheel)], env=bundle, check=True)
    program = f"""if True:
        import sys, flashsale, flashsale.aio
        assert flashsale.__file__.startswith(sys.argv[1]) and flashsale._library.lib._name.startswith(sys.argv[1])
        pool, sink = flashsale.Pool(sys.argv[2]), flashsale.make_sink("bundled.db")
        sales = flashsale.SaleController(pool, sink)
        sales.create(flashsale.Sale("wheel").item("{ITEM}", units=1, limit=1))
        sales.open("wheel")
        assert flashsale.StockGate(pool).reserve("wheel", "{ITEM}", buyer="ann", request="1", timeout=30).holds_stock
        flashsale.OrderWorker(pool, sink, ["wheel"]).drain(timeout=60)
        """
    named = ("FLASHSALE_LIB", "FLASHSALE_SINKS", "PYTHONPATH")
    bare = {name: value for name, value in os.environ.items() if name not in named}
    command = [python, "-c", program, str(tmp_path), shop.url]
    subprocess.run(command, env=bare, cwd=tmp_path, check=True, timeout=PATIENCE_S)


def test_the_library_is_the_one_named_else_the_wheels_else_the_loaders(tmp_path: Path) -> None:
    package, elsewhere = tmp_path / "flashsale", tmp_path / "elsewhere"
    shutil.copytree(ROOT / "bindings/python/flashsale", package)
    for folder in (package / "_lib", elsewhere):
        folder.mkdir()
        shutil.copy(LIBRARY, folder / LIBRARY.name)
    bare = {name: value for name, value in os.environ.items() if name != "FLASHSALE_LIB"}
    loader = {**bare, "PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": str(elsewhere)}

    def loaded(environment: dict[str, str]) -> str:
        command = [sys.executable, "-B", "-c", "import flashsale; print(flashsale._library.lib._name)"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    named = str(elsewhere / LIBRARY.name)
    assert loaded({**loader, "FLASHSALE_LIB": named}) == named
    assert loaded(loader) == str(package / "_lib" / LIBRARY.name)
    shutil.rmtree(package / "_lib")
    assert loaded(loader) == LIBRARY.name  # no path: the loader finds it


def test_the_readmes_program_sells_a_unit_in_at_most_20_lines(shop: Shop, tmp_path: Path) -> None:
    found = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    assert found is not None and len(found[1].splitlines()) <= 20 and "redis://127.0.0.1:6379" in found[1]
    program = found[1].replace("redis://127.0.0.1:6379", shop.url)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings/python")}
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert re.fullmatch(r"1-\d+\.0\n", result.stdout), result.stdout + result.stderr


def cause_a_line(shop: Shop) -> None:
    """A worker that cannot reach its Redis says so."""
    nowhere = flashsale.Pool("redis+unix://:topsecret@/nosuch/redis.sock")
    with pytest.raises(flashsale.Error):
        flashsale.OrderWorker(nowhere, shop.sink, [shop.sale]).drain(timeout=0.05)


def test_log_lines_reach_pythons_logging_also_in_a_child(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="flashsale")
    flashsale.enable_logging()
    flashsale.enable_logging()
    try:
        cause_a_line(shop)
        wait_until(lambda: len(caplog.records) > 0)
        child = os.fork()
        if child == 0:  # has a listener of its own
            status = 1
            try:
                caplog.clear()
                cause_a_line(Shop(shop.url, shop.database))
                wait_until(lambda: len(caplog.records) > 0)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        flashsale.disable_logging()
        flashsale.disable_logging()
    for record in caplog.records:
        assert (record.name, record.levelno) == ("flashsale", logging.WARNING)
        assert shop.sale in record.getMessage() and "topsecret" not in record.getMessage()
    seen = len(caplog.records)
    cause_a_line(shop)
    assert len(caplog.records) == seen


def test_metrics_are_text_for_prometheus(shop: Shop) -> None:
    flashsale.StockGate(shop.pool).reserve(shop.sale, ITEM, buyer="ann", request="1", timeout=30)
    text = flashsale.metrics_text()
    assert text.endswith("\n") and "# TYPE flashsale_round_trips_total counter" in text


def test_options_are_enumerable_with_docs() -> None:
    rows = list(_objects.options())
    assert len(rows) > 20 and all(row.name and row.doc and row.type for row in rows)


@pytest.mark.parametrize("what", ["bindings/python/flashsale", "examples/python", "tests/bindings/python"])
def test_mypy_strict_finds_nothing(what: str) -> None:
    files = sorted(str(file) for file in (ROOT / what).glob("*.py"))
    path = f"{ROOT}/bindings/python:{ROOT}/examples/python:{ROOT}/tests/bindings/python"
    environment = {**os.environ, "MYPYPATH": path, "PYTHONPATH": ""}
    command = ["/usr/bin/mypy", "--strict", "--no-error-summary", "--cache-dir", str(ROOT / "build/mypy"), *files]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
