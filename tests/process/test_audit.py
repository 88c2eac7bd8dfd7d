"""`study audit` on the command line: from a service to its findings, and every way to end."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest

from stress.places import SITE_FOLDER
from tests.process.support import ROOT, only_run, run_here, running, wait_for
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
import os, sys, time
import app, stress                     # the user's own, named like two of ours
from fastapi import Depends, FastAPI, Request

api = FastAPI()
VARIABLES = ("APP_NAME", "PGHOST", "PYTHONPATH")

def check(request: Request) -> None:
    assert request.headers.get("x-token") in (None, "s3cret-token")

@api.get("/free")
async def free() -> dict[str, object]:
    return {"path": sys.path, **{name: os.environ.get(name) for name in VARIABLES}}

@api.get("/items/{item_id}", dependencies=[Depends(check)])
async def read_item(item_id: int, q: str = "") -> str:
    time.sleep(0.12)                   # blocks
    return app.NAME + stress.NAME

@api.post("/notes/{note_id}")
async def write_note(note_id: int, request: Request) -> None:
    assert request.cookies["session"] == "s3cret-cookie"
    assert request.headers["x-key"] == "s3cret-key"
    assert await request.body() == b"s3cret-body"

@api.get("/exit")
async def leave() -> None:
    os._exit(7)
"""
LINE = SERVICE.splitlines().index(next(each for each in SERVICE.splitlines() if "# blocks" in each))
PROGRESS = tuple(
    f"study: {each}"
    for each in ("starting", "a running server", "warning", "1 request is sent", "GET /")
)
QUICK = ("--users", "4", "--duration", "2s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    service = tmp_path / "service"
    (service / "app").mkdir(parents=True)
    (service / "app" / "__init__.py").write_text("NAME = 'theirs'\n")
    (service / "stress.py").write_text("NAME = 'theirs'\n")
    (service / "main.py").write_text(SERVICE)
    return service


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the user's, which the project's own servers never get."""
    monkeypatch.setenv("APP_NAME", "mine")
    monkeypatch.setenv("PGHOST", "db.invalid")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """Check only processes of this test: other audits may run at the same time."""
    yield
    of_services = [
        each.pid for each in psutil.process_iter(["cwd"])
        if (each.info["cwd"] or "").startswith(str(tmp_path))
    ]  # fmt: skip
    assert of_services == []


def audit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here(("audit", *arguments), folder)


def serve(*options: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-m", "uvicorn", "main:api", "--port", str(free_port()), *options)


def read_findings(out: Path) -> list[dict[str, object]]:
    found = json.loads((only_run(out) / "findings.json").read_text())
    assert found["schema"] == 1
    return list(found["findings"])


ARCHIVE = {
    "log": {"entries": [{"request": {
        "method": "POST", "url": "https://shop.example/notes/1?q=s3cret-query",
        "headers": [{"name": "X-Key", "value": "s3cret-key"}],
        "cookies": [{"name": "session", "value": "s3cret-cookie"}],
        "postData": {"mimeType": "text/plain", "text": "s3cret-body"},
    }}]}
}  # fmt: skip


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_names_the_line_that_blocks(folder: Path, loop: str) -> None:
    out = folder.parent / "out"
    (folder / "shop.har").write_text(json.dumps(ARCHIVE))
    asked = (
        "--request", "GET /free", "--request", "GET /items/1?q=s3cret-query", "--har", "shop.har",
        "--methods", "GET,POST",
    )  # fmt: skip
    command = serve("--loop", loop, "--header", "x-key:s3cret-header")
    # with an =, as in base64
    secret = ("--header", "X-Token: s3cret-token", "--header", "Authorization: Basic s3cret==")
    done = audit(folder, *asked, *secret, *QUICK, "--out", str(out), *command)
    assert done.returncode == 0, done.stderr
    worst = read_findings(out)[0]
    assert {key: worst[key] for key in ("code", "route", "phase", "file", "line", "cause")} == {
        "code": "LOOP_BLOCKED", "route": "/items/{item_id}", "phase": "endpoint",
        "file": "main.py", "line": LINE + 1, "cause": "wait",
    }  # fmt: skip
    rows = pl.read_parquet(only_run(out) / "cells" / "audit" / "asked.parquet")
    asked_count = rows.filter(pl.col("route").str.starts_with("/items/")).height
    notes = rows.filter(pl.col("route") == "/notes/{note_id}")
    assert set(notes["status"]) == {200}  # the archive's content was sent
    # each blocked for 120 ms; the window's edges may cut off one in twenty
    assert worst["seconds"] == pytest.approx(0.12 * asked_count, rel=0.1)
    assert f"main.py:{LINE + 1}" in done.stdout
    for path in only_run(out).rglob("*"):
        if path.is_file():
            assert b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in done.stdout + done.stderr


def test_a_service_in_a_folder_whose_name_is_not_utf8(folder: Path) -> None:
    moved, out = folder.rename(folder.with_name(os.fsdecode(b"n\xff"))), folder.parent / "out"
    asked = ("--app-dir", str(moved), "--request", "GET /items/1", *QUICK)
    done = audit(folder.parent, *asked, "--out", str(out), *serve())
    assert done.returncode == 0, done.stderr
    assert read_findings(out)[0]["file"] == "main.py"
    refused = audit(folder.parent, *asked, "--out", str(moved / "out"), *serve())
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "its name is not UTF-8" in refused.stderr


def test_a_recorded_audit_is_reported_and_compared(folder: Path) -> None:
    """The service is in a subfolder of its repository. It exceeds a threshold, until its finding is
    in the baseline."""
    (folder.parent / ".git").mkdir()
    out, gate = folder.parent / "out", ("--fail-on", "blocked>50ms")
    asked = ("--request", "GET /items/1", *QUICK, "--json", "--out", str(out))
    done = audit(folder, *asked, *gate, *serve())
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["findings"][0]["line"] == LINE + 1
    assert f"✗ --fail-on blocked>50ms: main.py:{LINE + 1} read_item" in done.stderr
    run = str(only_run(out))
    (sarif,) = json.loads((only_run(out) / "findings.sarif").read_text())["runs"]
    place = sarif["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "service/main.py"
    assert place["region"] == {"startLine": LINE + 1}
    assert run_here(("report", run, *gate)).returncode == 1
    known = run_here(("report", run, *gate, "--baseline", f"{run}/findings.json"))
    assert known.returncode == 0
    assert known.stdout.endswith("no new findings; 1 baseline finding is left out\n")
    again = run_here(("report", run))
    assert again.returncode == 0, again.stderr
    assert f"main.py:{LINE + 1}" in again.stdout
    assert (only_run(out) / "report.html").is_file()
    compared = run_here(("compare", run, run))
    assert compared.returncode == 0, compared.stderr
    assert "main.py read_item" in compared.stdout
    assert "1 similar" in compared.stdout.splitlines()[-1]
    other = run_here(("compare", run, str(ROOT / "docs" / "sample-run")))
    assert other.returncode == 2
    assert "one of these runs is an audit" in other.stderr


def test_the_users_own_traffic_until_ctrl_c(folder: Path) -> None:
    """The user's variables and modules reach the service; the project's own do not."""
    out, port = folder.parent / "out", free_port()
    options = ("--app-dir", str(folder), "--port", str(port), "--out", str(out))
    with running(out, "probe", "main:api", *options) as run:
        wait_for(lambda: "Ctrl-C ends" in run.text(), run.text())

        def get(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        assert get("/items/1") == '"theirstheirs"'
        for _ in range(5):
            get("/items/1")
        seen = json.loads(get("/free"))
        assert (seen["APP_NAME"], seen["PGHOST"]) == ("mine", "db.invalid")
        # the user's own PYTHONPATH, after the folder that holds only the probe's sitecustomize
        assert seen["PYTHONPATH"] == f"{SITE_FOLDER}:{ROOT}"
        run.send(signal.SIGINT)
        assert run.finish() == 0, run.text()
    (worst,) = read_findings(out)
    assert (worst["line"], worst["count"]) == (LINE + 1, 6)


def test_ctrl_c_keeps_what_was_measured(folder: Path) -> None:
    out = folder.parent / "out"
    words = ("audit", "--app-dir", str(folder), "--request", "GET /items/1", "--out", str(out))
    with running(out, *words, "--fail-on", "info", *serve()) as run:
        wait_for(lambda: "users" in run.text(), run.text())
        run.send(signal.SIGINT)
        assert run.finish() == 130, run.text()
    assert "Ctrl-C" in run.text()
    assert pl.read_parquet(only_run(out) / "cells" / "audit" / "asked.parquet").height > 0


def test_a_service_that_ends_in_the_middle(folder: Path) -> None:
    out = folder.parent / "out"
    asked = ("--request", "GET /items/1", "--request", "GET /exit")
    done = audit(folder, *asked, *QUICK, "--fail-on", "info", "--out", str(out), *serve())
    assert done.returncode == 3
    assert "ended by itself (exit code 7)" in done.stderr
    assert pl.read_parquet(only_run(out) / "cells" / "audit" / "asked.parquet").height >= 1


def test_a_plan_sends_nothing(folder: Path) -> None:
    out = folder.parent / "out"
    done = audit(folder, "--plan", "--request", "GET /exit", "--out", str(out), *serve())
    assert done.returncode == 0, done.stderr
    assert "GET /exit" in done.stdout
    assert list(out.iterdir()) == []


ENDLESS_END = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def save(_: FastAPI):
    yield
    await asyncio.Event().wait()

api = FastAPI(lifespan=save)
"""


@pytest.mark.parametrize("shell", [(), ("sh", "-c", '"$@"; :', "sh")], ids=["itself", "shell"])
@pytest.mark.parametrize(("service", "is_killed"), [(SERVICE, False), (ENDLESS_END, True)])
def test_a_service_that_does_not_end_is_killed_and_that_is_said(
    folder: Path, service: str, is_killed: bool, shell: tuple[str, ...]
) -> None:
    """Also if a shell started it, which ends when it is asked to."""
    (folder / "main.py").write_text(service)
    out, (dashes, *command) = folder.parent / "out", serve()
    asked = ("--plan", "--request", "GET /free", "--out", str(out))
    done = audit(folder, *asked, dashes, *shell, *command)
    assert done.returncode == 0, done.stderr
    assert ("your service got SIGKILL" in done.stderr) == is_killed


def test_a_running_server_is_asked_and_not_seen_into(folder: Path) -> None:
    port, out = free_port(), folder.parent / "out"
    server = subprocess.Popen(
        (sys.executable, "-m", "uvicorn", "main:api", "--port", str(port)), cwd=folder
    )
    try:
        wait_for(lambda: is_open(port), "the server")
        url = f"http://127.0.0.1:{port}"
        done = audit(folder, "--url", url, "--request", "GET /free", *QUICK, "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert server.poll() is None
    finally:
        server.terminate()
        server.wait()
    assert "has no probe" in done.stderr
    assert "GET /free" in done.stdout
    assert read_findings(out) == []


def is_open(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/free", timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give the command that starts your service"),
        (("--url", "http://127.0.0.1:1", "main:api"), "give the command"),
        (("--drive", "none", "--plan", "main:api"), "--drive none sends no requests"),
        (("--drive", "requests", "main:api"), "--drive requests needs"),
        (("--methods", "FETCH", "main:api"), "'FETCH' is not one of"),
        (("--methods", "POST", "--request", "GET /", "main:api"), "none of them is used"),
        (("--methods", "POST", "--drive", "none", "main:api"), "none of them is used"),
        (("--plan", "--json", "main:api"), "--plan prints text"),
        (("--url", "http://me:s3cret@127.0.0.1:1", "--request", "GET /"), "takes no user"),
        (("--url", "http://127.0.0.1:1", "--port", "1", "--request", "GET /"), "--port"),
        (("--url", "http://127.0.0.1:1", "--request", "GET /"), "nothing is listening"),
        (("--python", sys.executable, "--", "uvicorn", "main:api"), "--python"),
        (("nothing:api",), "nothing"),
        (("--", "no-such-program"), "no-such-program"),
    ],
)
def test_what_was_typed_wrongly_is_one_line(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    out = folder.parent / "out"
    done = audit(folder, "--out", str(out), *arguments)
    assert done.returncode in (2, 3)
    lines = [each for each in done.stderr.splitlines() if not each.startswith(PROGRESS)]
    assert len(lines) == 1
    assert said in lines[0]
    assert "s3cret" not in done.stderr
    assert not out.exists() or list(out.iterdir()) == []
