"""What a request makes is noted, with its line; what is made outside of requests is not."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from fastapi import FastAPI

from tests.probe.support import Calls, get, observe, read_table


def audit(
    app: FastAPI, folder: Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> list[SimpleNamespace]:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    observe(app, folder, calls)
    (path,) = folder.glob("probe-*.journal")
    return read_table(path.read_bytes(), "m")


def find_functions(row: SimpleNamespace) -> list[str]:
    return [frame[3] for frame in json.loads(row.stack)]


def test_a_tls_context_is_one_row_with_its_cpu_and_the_line_that_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    @app.get("/async")
    async def connect() -> None:
        ssl.create_default_context()

    @app.get("/sync")
    def connect_in_a_thread() -> None:
        ssl.create_default_context()

    @app.get("/free")
    async def free() -> None: ...

    ssl.create_default_context()  # no request's
    rows = audit(app, tmp_path, monkeypatch, get("/async", "/free", "/sync"))
    assert [(row.visit - rows[0].visit, row.kind) for row in rows] == [
        (0, "TLS context"), (2, "TLS context")
    ]  # fmt: skip
    for row, name in zip(rows, ("connect", "connect_in_a_thread")):
        assert 0 < row.cpu_s <= row.took_s * 1.05
        assert find_functions(row)[0] == "create_default_context"
        assert name in find_functions(row)
