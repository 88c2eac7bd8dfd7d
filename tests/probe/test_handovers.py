"""Calls that are handed to threads, in audits: what the probe notes of each. Waits are made and
ended by events."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from fastapi import FastAPI

from tests.probe.support import Calls, get, observe, read_table

MOMENTS = ("asked_s", "queued_s", "granted_s", "began_s", "ended_s")


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


def record(app: object, folder: Path, calls: Calls) -> list[SimpleNamespace]:
    """The last row of each hand-over, in the order of their numbers."""
    observe(app, folder, calls)
    (path,) = folder.glob("probe-*.journal")
    rows = {row.handover: row for row in read_table(path.read_bytes(), "w")}
    for row in rows.values():
        known = [moment for name in MOMENTS if (moment := getattr(row, name)) is not None]
        assert known == sorted(known), row
    return [rows[number] for number in sorted(rows)]


def find_one(rows: list[SimpleNamespace], name: str) -> SimpleNamespace:
    (row,) = (row for row in rows if row.work and row.work.split(" ")[-1].endswith(name))
    return row


def test_a_def_endpoint_is_one_handover_of_its_request(tmp_path: Path) -> None:
    ran_on: list[int] = []
    app = FastAPI()

    @app.get("/")
    def root() -> None:
        ran_on.append(threading.get_native_id())

    (row,) = record(app, tmp_path, get("/"))
    line = root.__code__.co_firstlineno
    assert row.work == f"{__file__}:{line} {root.__qualname__}"
    assert (row.queue, row.visit > 0, row.thread_id, row.failed) == ("anyio", True, ran_on[0], 0)
    assert row.queued_s is None
    assert row.began_s <= row.ended_s
    assert row.cpu_s >= 0


def test_without_an_audit_there_is_no_such_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE)
    app = FastAPI()

    @app.get("/")
    def root() -> None: ...

    observe(app, tmp_path, get("/"))
    (path,) = tmp_path.glob("probe-*.journal")
    assert b'"w"' not in path.read_bytes()
