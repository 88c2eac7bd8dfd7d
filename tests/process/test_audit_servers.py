"""What servers themselves do to requests, found by `study audit` on real servers."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter

from analysis.findings.remedies import Cure
from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port
from tests.unit.cure_samples import apply_cure

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
import asyncio, os, signal, time
from fastapi import FastAPI

api = FastAPI()

@api.get("/free")
async def free() -> str:
    return "free"

@api.get("/report")
async def report() -> str:
    time.sleep(1.6)                    # blocks
    return "late"

@api.get("/end")
async def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
"""
LINE = SERVICE.splitlines().index(next(each for each in SERVICE.splitlines() if "# blocks" in each))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SERVICE)
    return tmp_path


def serve_gunicorn(worker: str, *options: str) -> tuple[str, ...]:
    server = (sys.executable, "-m", "gunicorn", "main:api", "-k", worker, "--no-control-socket")
    return ("--", *server, f"--bind=127.0.0.1:{free_port()}", *options)


def serve_uvicorn(*options: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-m", "uvicorn", "main:api", "--port", str(free_port()), *options)


Found = Mapping[str, Mapping[str, object]]


def audit(folder: Path, *words: str, name: str = "out") -> tuple[Found, str]:
    """Findings by code, and the terminal's output in one line."""
    out = folder / name
    done = run_here(("audit", "--out", str(out), *words), folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((only_run(out) / "findings.json").read_text())
    return {each["code"]: each for each in found["findings"]}, " ".join(done.stdout.split())


def read_cure(finding: Mapping[str, object]) -> Cure:
    return TypeAdapter(Cure).validate_python(finding["cure"])


def read_asked(folder: Path, name: str = "out") -> pl.DataFrame:
    return pl.read_parquet(only_run(folder / name) / "cells" / "audit" / "asked.parquet")


def audit_cured(folder: Path, cure: Cure, *words: str) -> Found:
    """With the block awaited, as the cure suggests."""
    apply_cure(folder / "main.py", cure)
    load = ("--users", "3", "--duration", "2s", "--request", "GET /report")
    return audit(folder, *load, *words, name="cured")[0]


@pytest.mark.parametrize("worker", ["uvicorn_worker.UvicornWorker", "asgi"])
def test_a_worker_killed_for_its_heartbeat_is_named_with_the_block(
    folder: Path, worker: str
) -> None:
    load = ("--users", "3", "--duration", "8s", "--request", "GET /report")
    found, said = audit(folder, *load, *serve_gunicorn(worker, "--timeout", "2"))
    killed = found["WORKER_KILLED"]
    assert {key: killed[key] for key in ("route", "file", "line", "cause", "severity")} == {
        "route": "/report", "file": "main.py", "line": LINE + 1, "cause": "timeout",
        "severity": "error",
    }  # fmt: skip
    assert int(str(killed["count"])) >= 1
    assert "gunicorn killed a worker" in said
    assert "after --timeout 2 s without a heartbeat" in said
    assert "WORKER TIMEOUT" not in said
    server = serve_gunicorn(worker, "--timeout", "2")
    assert "WORKER_KILLED" not in audit_cured(folder, read_cure(killed), *server)
    rows = read_asked(folder, "cured")
    assert rows.filter(pl.col("status") == 200).height == rows.drop_nulls("ended_s").height > 0


def test_a_worker_killed_from_outside_is_no_fault_of_a_block(folder: Path) -> None:
    load = ("--users", "2", "--duration", "2s", "--request", "GET /free", "--request", "GET /end")
    found, said = audit(folder, *load, *serve_gunicorn("uvicorn_worker.UvicornWorker"))
    killed = found["WORKER_KILLED"]
    assert (killed["cause"], killed["file"]) == ("killed", None)
    assert "SIGKILL ended a worker" in said


def test_a_worker_that_served_enough_requests_is_nobodys_fault(folder: Path) -> None:
    load = ("--users", "2", "--duration", "3s", "--request", "GET /free")
    server = serve_gunicorn("uvicorn_worker.UvicornWorker", "--max-requests", "50")
    found, said = audit(folder, *load, *server)
    assert "WORKER_KILLED" not in found
    assert "reached --max-requests" in said


def test_requests_that_the_limit_refuses_are_no_fault_of_the_app(folder: Path) -> None:
    load = ("--users", "20", "--duration", "3s", "--request", "GET /free")
    found, said = audit(folder, *load, *serve_uvicorn("--limit-concurrency", "5"))
    refused = found["REFUSED_REQUESTS"]
    rows = read_asked(folder)
    assert refused["count"] == rows.filter(pl.col("status") == 503).height > 0
    assert refused["share"] == pytest.approx(int(str(refused["count"])) / rows.height)
    assert "--limit-concurrency 5 refuses" in said
    cure = read_cure(refused)
    assert cure.before == ("--limit-concurrency 5",)
    raised = serve_uvicorn(*cure.after[0].split())
    assert "REFUSED_REQUESTS" not in audit(folder, *load, *raised, name="cured")[0]
    answers = read_asked(folder, "cured").drop_nulls("ended_s")["status"]
    assert answers.unique().to_list() == [200]


@pytest.mark.skipif(sys.platform != "linux", reason="the accept queue is Linux's")
def test_a_full_accept_queue_is_named_with_the_block_behind_it(folder: Path) -> None:
    load = ("--users", "8", "--duration", "2s", "--request", "GET /report")
    found, _ = audit(folder, *load, *serve_uvicorn("--backlog", "2"))
    queue = found["ACCEPT_QUEUE"]
    assert (queue["file"], queue["line"], queue["cause"]) == ("main.py", LINE + 1, "blocked")
    assert int(str(queue["dropped"])) > 0
    assert "found the accept queue full (backlog 2)" in str(queue["message"])
    server = serve_uvicorn("--backlog", "2")
    assert "ACCEPT_QUEUE" not in audit_cured(folder, read_cure(queue), *server)


def test_a_server_that_does_none_of_this_is_not_accused(folder: Path) -> None:
    load = ("--users", "20", "--duration", "2s", "--request", "GET /free")
    server = serve_gunicorn("uvicorn_worker.UvicornWorker", "--timeout", "2", "--workers", "2")
    found, _ = audit(folder, *load, *server)
    assert not {"WORKER_KILLED", "REFUSED_REQUESTS", "ACCEPT_QUEUE"} & set(found)
