"""An HTTP archive as the load of an app without a document: the app reports its routes."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
import time
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

async def show_user(request):
    time.sleep(0.05)                   # blocks
    return PlainTextResponse(request.path_params["name"])

async def chat(socket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())

app = Starlette(routes=[
    Route("/users/{name}", show_user),
    Mount("/files", StaticFiles(directory=".")),
    WebSocketRoute("/rooms/{room}", chat),
])
"""
LINE = SERVICE[: SERVICE.index("# blocks")].count("\n") + 1
SECRETS = ("s3cret-a", "s3cret-b")
MESSAGE = [{"type": "send", "opcode": 1, "data": "hello"}]
ENTRIES = [
    *({"request": {"method": "GET", "url": f"https://h/users/{each}"}} for each in SECRETS),
    *({"request": {"method": "GET", "url": f"https://h/files/{each}.txt"}} for each in SECRETS),
    *(
        {"request": {"method": "GET", "url": f"wss://h/rooms/{each}"},
         "_webSocketMessages": MESSAGE}
        for each in SECRETS
    ),
    {"request": {"method": "DELETE", "url": "https://h/users/1"}},
    {"request": {"method": "GET", "url": "https://elsewhere/users/1"}},
]  # fmt: skip


def test_requests_of_an_archive_have_the_routes_that_the_app_tells(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVICE)
    for each in SECRETS:
        (tmp_path / f"{each}.txt").write_text("x")
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": ENTRIES}}))
    out = tmp_path / "out"
    done = run_here(
        (
            "audit", "--har", "a.har", "--methods", "GET,WS", "--users", "2", "--duration", "2s",
            "--out", str(out), "--", sys.executable, "-m", "uvicorn", "main:app", "--port",
            str(free_port()),
        ),
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cell = only_run(out) / "cells" / "audit"
    asked = pl.read_parquet(cell / "asked.parquet")
    assert set(asked.select("method", "route", "status").iter_rows()) == {
        ("GET", "/users/{name}", 200), ("GET", "/files/{path}", 200), ("WS", "/rooms/{room}", 101),
    }  # fmt: skip
    record = json.loads((cell / "audit.json").read_text())
    routes = ["GET /users/{name}", "GET /files/{path}", "WS /rooms/{room}"]
    assert [each["routes"] for each in record["phases"]] == [
        routes, *([each] for each in routes * 2), routes,
    ]  # fmt: skip
    assert [each["method"] for each in record["unasked"]] == ["DELETE"]
    assert any("1 to elsewhere" in each for each in record["warnings"])
    (worst, *_) = json.loads((only_run(out) / "findings.json").read_text())["findings"]
    assert (worst["route"], worst["line"]) == ("/users/{name}", LINE)
    for path in only_run(out).rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in done.stdout + done.stderr
