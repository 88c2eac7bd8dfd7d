"""The user's command runs unchanged, with the probe inside, under each installed server."""

import json
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

import psutil
import pytest

from records.build_probe_tables import build_handlers_table
from records.build_tables import read_journals
from stress.audit.attach import PROBE_VARIABLES, start_audited_app
from stress.audit.audited_app import AuditedApp, find_processes
from stress.audit.command import AuditedCommand, build_target_command
from stress.interruption import Interruption
from stress.machine import find_free_port
from stress.places import SITE_FOLDER

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]

PYTHON = Path(sys.executable)
SERVICE = """
import os
import sys
from fastapi import FastAPI

app = FastAPI()
inner = FastAPI()

@app.get("/variables")
async def variables():
    return dict(os.environ)

@app.get("/modules")
async def modules():
    return {"path": sys.path, "sitecustomize": sys.modules["sitecustomize"].__file__}

@inner.get("/ping")
async def ping():
    return "pong"

app.mount("/inner", inner)

def create():
    return app

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""
OWN_SERVER = """
import sys
import uvicorn
from main import app

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]))
"""
SERVERS = {
    "uvicorn": "-m uvicorn main:app --port {port}",
    "uvicorn, factory": "-m uvicorn main:create --factory --port {port}",
    "uvicorn, 2 workers": "-m uvicorn main:app --workers 2 --port {port}",
    "uvicorn, without lifespan": "-m uvicorn main:app --lifespan off --port {port}",
    "gunicorn": "-m gunicorn main:app -k asgi -w 2 -b 127.0.0.1:{port}",
    "gunicorn, preload": "-m gunicorn main:app -k asgi -w 2 --preload -b 127.0.0.1:{port}",
    "gunicorn, uvicorn": (
        "-m gunicorn main:app -k uvicorn_worker.UvicornWorker -w 2 -b 127.0.0.1:{port}"
    ),
    "gunicorn, uvicorn, preload": (
        "-m gunicorn main:app -k uvicorn_worker.UvicornWorker -w 2 --preload -b 127.0.0.1:{port}"
    ),
    "hypercorn": "-m hypercorn main:app -b 127.0.0.1:{port}",
    "granian": "-m granian --interface asgi main:app --port {port}",
    "granian, 2 workers": "-m granian --interface asgi --workers 2 main:app --port {port}",
    "a module of the user's": "-m mine {port}",
}
WORKERS = {name: 2 if re.search("-w 2|workers 2", words) else 1 for name, words in SERVERS.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    service = tmp_path / "service"
    service.mkdir()
    (service / "main.py").write_text(SERVICE)
    (service / "mine.py").write_text(OWN_SERVER)
    return service


def build_command(folder: Path, words: str) -> AuditedCommand:
    argv = words.format(port=find_free_port(0)).split()
    return AuditedCommand((str(PYTHON), *argv), folder)


def count_visits(app: AuditedApp) -> int:
    """Requests in the journals of an app that has ended."""
    journals, _ = read_journals(sorted(app.raw.glob("probe-*.journal")))
    return build_handlers_table(journals, 0.0, monotonic()).height


@pytest.mark.parametrize("name", SERVERS)
def test_each_process_that_serves_is_attached(name: str, folder: Path, tmp_path: Path) -> None:
    command = build_command(folder, SERVERS[name])
    with start_audited_app(command, tmp_path / "raw", Interruption()) as app:
        assert app.url.startswith("http://127.0.0.1:")
        for _ in range(3):
            urlopen(f"{app.url}/inner/ping", timeout=10).close()
        attached = app.attached
    assert len(attached) == WORKERS[name]
    assert {each.app for each in attached} == {"fastapi.applications.FastAPI"}
    assert {each.executable for each in attached} == {str(PYTHON)}
    assert {each.versions["fastapi"] for each in attached} == {version("fastapi")}
    assert count_visits(app) == 3  # the mounted app's requests are recorded once
    assert not find_processes(app.raw)


UV = Path(sys.prefix) / "bin" / "uv"
WRAPPERS = {
    "a shell": ("sh", "-c", f"{PYTHON} -m uvicorn main:app --port 0; true"),
    "uv run": (
        str(UV), "run", "--offline", "--no-project", "--python", str(PYTHON),
        "python", "-m", "uvicorn", "main:app", "--port", "0",
    ),
    "the probe's launcher": (
        str(PYTHON), "-m", "asgi_probe", "run", "--directory", "unused", "--",
        str(PYTHON), "-m", "uvicorn", "main:app", "--port", "0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_starts_the_server_may_be_no_server(name: str, folder: Path, tmp_path: Path) -> None:
    command = AuditedCommand(WRAPPERS[name], folder)
    with start_audited_app(command, tmp_path / "raw", Interruption()) as app:
        urlopen(f"{app.url}/inner/ping", timeout=10).close()
        (process,) = app.attached
    assert process.executable == str(PYTHON)
    assert count_visits(app) == 1
    assert not find_processes(app.raw)


def test_the_environment_stays_the_users(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"APP_TOKEN": "a", "PGHOST": "b", "LOCUST_X": "c", "http_proxy": "d", "PYTHONPATH": "e"}
    for key, value in users.items():
        monkeypatch.setenv(key, value)
    command = build_command(folder, SERVERS["uvicorn"])
    with (
        start_audited_app(command, tmp_path / "raw", Interruption()) as app,
        urlopen(f"{app.url}/variables", timeout=10) as answer,
    ):
        seen = json.load(answer)
    ours, _, rest = seen.pop("PYTHONPATH").partition(":")
    assert rest == "e"
    assert Path(ours) == SITE_FOLDER
    assert seen.pop("ASGI_PROBE_DIR") == str(app.raw)
    expected = dict(os.environ)
    del expected["PYTHONPATH"]
    assert seen == expected


def test_the_next_sitecustomize_is_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sitecustomize.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    command = build_command(folder, SERVERS["uvicorn"])
    with (
        start_audited_app(command, tmp_path / "raw", Interruption()) as app,
        urlopen(f"{app.url}/modules", timeout=10) as answer,
    ):
        assert json.load(answer)["sitecustomize"] == str(folder / "sitecustomize.py")


BARE = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

def create():
    return app
"""


def test_an_audit_records_blocks_whatever_the_environment_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(PROBE_VARIABLES, ("0", "1000", "1048576"), strict=True):
        monkeypatch.setenv(name, value)
    blocks = BARE.replace("    if", "    time.sleep(0.1)\n    if", 1)
    (folder / "bare.py").write_text(f"import time\n{blocks}")
    command = build_target_command("bare:app", folder, PYTHON, 0)
    with start_audited_app(command, tmp_path / "raw", Interruption()) as app:
        urlopen(f"{app.url}/", timeout=10).close()
        started_with = psutil.Process(app.process.pid).environ()
        assert not any(started_with[name] for name in PROBE_VARIABLES)
    (journal,), _ = read_journals(sorted(app.raw.glob("probe-*.journal")))
    assert journal.tables["b"].height > 0


@pytest.mark.parametrize("target", ["bare:app", "bare:create()"])
def test_any_asgi_app_is_attached_by_its_name(target: str, folder: Path, tmp_path: Path) -> None:
    (folder / "bare.py").write_text(BARE)
    command = build_target_command(target, folder, PYTHON, 0)
    with start_audited_app(command, tmp_path / "raw", Interruption()) as app:
        urlopen(f"{app.url}/", timeout=10).close()
        (process,) = app.attached
    assert process.app == "bare.app"
    assert count_visits(app) == 1
