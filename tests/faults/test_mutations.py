"""A run directory with one value changed: a report, or one line that names the file."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from math import inf, nan
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import audit_report, report
from study.cli import main
from tests.corpus.labels import APPS
from tests.process.support import ROOT, only_run, study

SAMPLE = ROOT / "docs" / "sample-run"
CELL, AUDIT = "cells/async-http-shared.1", "cells/audit"
QUICK, ALL = 60, 10_000
EXAMPLES = ALL if os.environ.get("STUDY_FAULTS") else QUICK
DEEP: object = []
for _ in range(500):
    DEEP = [DEEP]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=20),
    st.just({}), st.just([]), st.just("\x1b[2J"), st.just(DEEP), st.just(-1), st.just(0),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)  # fmt: skip
ROWS = {"one row": 1, "no row": 0}
VALUES: Mapping[str, object] = {
    "nulls": None, "text": "odd", "nan": nan, "inf": inf, "negative": -1, "huge": 1e300,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cell is enough, and quick."""
    copy = tmp_path_factory.mktemp("mutated") / "run"
    shutil.copytree(SAMPLE, copy)
    for each in (copy / "cells").iterdir():
        if each.name != Path(CELL).name:
            shutil.rmtree(each)
    return copy


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded now, with findings of each kind of table."""
    out = tmp_path_factory.mktemp("audited")
    done = study(
        "audit", "--app-dir", str(APPS), "--duration", "1s", "--out", str(out), "--",
        sys.executable, "-B", "-m", "uvicorn", "phases_app:app", "--port", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return only_run(out)


Place = tuple[str | int, ...]


def list_places(value: object, place: Place = ()) -> Iterator[Place]:
    yield place
    children: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield from list_places(child, (*place, key))


def change(value: object, place: Place, new: object) -> object:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    copy[place[0]] = change(copy[place[0]], place[1:], new)
    return copy


def judge(run: Path) -> tuple[int, str]:
    """The exit code and all that is said, without the pictures, which take seconds each."""
    said = StringIO()
    with (
        redirect_stdout(StringIO()), redirect_stderr(said),
        patch.object(report, "write_report_page", return_value=True),
        patch.object(audit_report, "write_audit_page"),
    ):  # fmt: skip
        code = main(["report", str(run)])
    return code, said.getvalue()


@settings(max_examples=EXAMPLES)
@given(data=st.data())
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["manifest.json", f"{CELL}/cell.json"])
def test_a_changed_record(name: str, run: Path, data: st.DataObject) -> None:
    check_changed_record(run, name, data)


@settings(max_examples=EXAMPLES)
@given(data=st.data())
@pytest.mark.slow
@pytest.mark.untimed
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ["manifest.json", f"{AUDIT}/audit.json"])
def test_a_changed_record_of_an_audit(name: str, audit: Path, data: st.DataObject) -> None:
    check_changed_record(audit, name, data)


def check_changed_record(run: Path, name: str, data: st.DataObject) -> None:
    path = run / name
    whole = path.read_text()
    content = json.loads(whole)
    place = data.draw(st.sampled_from(list(list_places(content))))
    try:
        path.write_text(json.dumps(change(content, place, data.draw(ODD))))
        code, said = judge(run)
    finally:
        path.write_text(whole)
    assert code in {0, 1, 2}, said
    assert "Traceback" not in said
    if code == 2:
        assert sum("is left out" not in line for line in said.splitlines()) == 1
        assert path.name in said or path.parent.name in said


@settings(max_examples=EXAMPLES)
@given(data=st.data())
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "name", ["requests", "handlers", "probe", "machine", "bystander", "upstream"]
)
def test_a_changed_table(name: str, run: Path, data: st.DataObject) -> None:
    check_changed_table(run / CELL / f"{name}.parquet", run, data)


@settings(max_examples=EXAMPLES)
@given(data=st.data())
@pytest.mark.slow
@pytest.mark.untimed
@pytest.mark.timeout(7200)
def test_a_changed_table_of_an_audit(audit: Path, data: st.DataObject) -> None:
    tables = sorted((audit / AUDIT).glob("*.parquet"))
    check_changed_table(data.draw(st.sampled_from(tables)), audit, data)


def check_changed_table(path: Path, run: Path, data: st.DataObject) -> None:
    whole = path.read_bytes()
    frame = pl.read_parquet(path)
    column = data.draw(st.sampled_from(frame.columns))
    odd = data.draw(st.sampled_from(["drop", *ROWS, *VALUES]))
    try:
        spoil(frame, column, odd).write_parquet(path)
        code, said = judge(run)
    finally:
        path.write_bytes(whole)
    assert code in {0, 1, 2}, said
    assert "Traceback" not in said


def spoil(frame: pl.DataFrame, column: str, odd: str) -> pl.DataFrame:
    if odd == "drop":
        return frame.drop(column)
    if odd in ROWS:
        return frame.head(ROWS[odd])
    kind = frame.schema[column]
    return frame.with_columns(pl.lit(VALUES[odd], kind if odd == "nulls" else None).alias(column))
