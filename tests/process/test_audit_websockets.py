"""WebSockets as requests of an audit: their measurements and findings."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest
from fastapi import FastAPI, Response, WebSocket

from stress.audit import load_driver
from stress.audit.requests import RequestOptions, render_plan
from tests.process.support import only_run, run_here
from tests.process.test_audit_drive import SECRET, Service, drive
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
FIRST = pl.col("phase") == "first requests"


def build_sockets_app() -> FastAPI:
    app = FastAPI()

    @app.get("/login")
    async def log_in(response: Response) -> None:
        response.set_cookie("session", SECRET)

    @app.websocket("/echo/{room}")
    async def echo(socket: WebSocket) -> None:
        if socket.cookies.get("session") != SECRET:
            return
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.receive()  # the user's end

    @app.websocket("/news")
    async def send_news(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_bytes(b"news")
        await socket.receive()

    @app.websocket("/silent")
    async def stay_silent(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive()

    @app.websocket("/done")
    async def end(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    @app.websocket("/breaks")
    async def break_off(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(1011)

    return app


def test_the_first_message_that_comes_back_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_driver, "FIRST_REST_S", 0.3)
    routes = ("/echo/1", "/news", "/silent", "/done", "/breaks", "/none")
    requests = (f"WS /echo/1?token={SECRET} {SECRET}", *(f"WS {each}" for each in routes[1:]))
    options = RequestOptions((*requests, "GET /login"), before=("GET /login",))
    with Service(build_sockets_app()).serve() as url:
        plan, driven, said = drive(url, options)
    assert "WS /echo/1?token=…  (--request)" in render_plan(plan)
    assert SECRET not in repr((plan, driven, said)) + driven.rows.write_csv()
    rows = driven.rows.filter(~FIRST, pl.col("method") == "WS")
    assert set(rows.select("route", "status", "error", "bytes").iter_rows()) == {
        ("/echo/1", 101, None, len(SECRET)),  # the cookie of --before was sent
        ("/news", 101, None, 4),
        ("/silent", 101, None, 0),
        ("/done", 101, None, 0),
        ("/breaks", 101, "closed with 1011", 0),
        ("/none", 403, None, 0),
    }
    others = driven.rows.filter(pl.col("method") == "GET")
    assert set(others["status"]) == {200}  # a socket's connection is never reused
    assert driven.rows.filter(~FIRST)["ended_s"].null_count() == 0
    assert any("WS /silent sends no message in time" in each for each in driven.warnings)
    assert any("WS /none returns 403; it is driven" in each for each in driven.warnings)


SERVICE = """
import time
from fastapi import FastAPI, WebSocket

api = FastAPI()

@api.websocket("/rooms/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    await socket.accept()
    text = await socket.receive_text()
    time.sleep(0.1)                    # blocks
    await socket.send_text(text)

@api.get("/ping")
async def ping() -> None: ...
"""
LINE = SERVICE[: SERVICE.index("# blocks")].count("\n") + 1


def test_what_blocks_in_a_websocket_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVICE)
    out, secret = tmp_path / "out", "s3cr3t-message"
    done = run_here(
        (
            "audit", "--request", f"WS /rooms/1?token={secret} {secret}", "--request", "GET /ping",
            "--users", "3", "--duration", "2s", "--out", str(out), "--", sys.executable, "-m",
            "uvicorn", "main:api", "--port", str(free_port()),
        ),
        tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    worst = json.loads((only_run(out) / "findings.json").read_text())["findings"][0]
    assert {key: worst[key] for key in ("code", "route", "phase", "line", "cause")} == {
        "code": "LOOP_BLOCKED", "route": "/rooms/{room}", "phase": "websocket", "line": LINE,
        "cause": "wait",
    }  # fmt: skip
    asked = pl.read_parquet(only_run(out) / "cells" / "audit" / "asked.parquet")
    sockets = asked.filter(pl.col("method") == "WS")
    assert set(sockets["status"]) == {101}
    # each waits for its own block, and the loop is blocked once per request
    assert (sockets["ended_s"] - sockets["started_s"]).min() >= 0.1  # type: ignore[operator]
    # the window's edges may cut off one in twenty
    assert worst["seconds"] == pytest.approx(0.1 * sockets.height, rel=0.1)
    assert [each["route"] for each in worst["victims"]] == ["/ping"]
    for path in only_run(out).rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert secret not in done.stdout + done.stderr
