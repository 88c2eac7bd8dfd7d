"""`study audit --try` on real servers: what it measures, and every way in which it ends early."""

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from analysis.findings import AuditEvidence, find_all, load_audit_evidence
from analysis.findings.trials import route_rounds
from records.audit import FINDINGS_FILE
from records.rundir import RunDir
from records.trial import parse_trial
from stress.audit import trial_round
from stress.audit.attach import start_audited_app
from stress.audit.command import AuditedCommand
from stress.audit.reports import read_trial
from stress.audit.trial_change import change_command, find_fault
from stress.interruption import Interruption
from tests.process.support import only_run, run_here, running, wait_for
from tests.process.test_scripts import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
SERVICE = """
import os, time
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if "FAIL" in os.environ and "ASGI_PROBE_TRIAL" in os.environ:
    raise RuntimeError(os.environ["FAIL"])

@asynccontextmanager
async def start(_):
    current_default_thread_limiter().total_tokens = 2
    yield

def export(_):
    time.sleep(0.05)
    return PlainTextResponse("export")

api = Starlette(lifespan=start, routes=[Route("/export", export)])
"""
QUICK = ("--users", "8", "--duration", "1s", "--request", "GET /export")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SERVICE)
    return tmp_path


def serve() -> tuple[str, ...]:
    return ("--", sys.executable, "-m", "uvicorn", "main:api", "--port", str(free_port()))


def load_evidence(out: Path) -> AuditEvidence:
    return load_audit_evidence(RunDir(only_run(out)))


def list_left(folder: Path) -> list[int]:
    return [
        each.pid for each in psutil.process_iter(["cwd"])
        if (each.info["cwd"] or "").startswith(str(folder))
    ]  # fmt: skip


def test_a_larger_pool_is_measured_to_be_better(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 users wait for 2 threads, 50 ms each; with 20 threads none waits."""
    monkeypatch.setattr(trial_round, "LEAST_ROUND_S", 1.2)
    monkeypatch.setattr(route_rounds, "WARM_UP_S", 0.2)
    out = folder / "out"
    done = run_here(("audit", *QUICK, "--try", "pool=20", "--out", str(out), *serve()), folder)
    assert done.returncode == 0, done.stderr
    assert "pool=20: 3 rounds without and 3 with the change, about" in done.stderr
    evidence = load_evidence(out)
    found = find_all(evidence)
    (trial,) = found.trials
    changes = {each.route: each for each in trial.routes}
    assert (trial.rounds, trial.worse, trial.reason) == (3, (), None)
    # about 200 ms before and 50 ms after; a busy machine changes both
    assert changes["/export"].low > 1.5
    waits = [each for each in found.findings if each.code == "POOL_WAIT"]
    assert {each.tried for each in waits} == {trial}
    assert "--try pool=20: /export got" in " ".join(done.stdout.split())
    run, (record,) = RunDir(only_run(out)), evidence.record.trials
    assert [each.side for each in record.rounds] == ["before", "after"] * 3
    assert [each.is_closed for each in evidence.record.journals] == [True]  # a round keeps it
    for each in record.rounds:
        cell = run.open_cell(each.cell)
        assert [path.name for path in cell.path.iterdir()] == ["asked.parquet"]
        assert cell.load_table("asked")["phase"].unique().to_list() == ["all routes, 8 users"]
    written = (run.path / FINDINGS_FILE).read_text()
    assert json.loads(written)["trials"] == json.loads(json.dumps([asdict(trial)]))
    again = run_here(("report", str(run.path)))
    assert again.returncode == 0, again.stderr
    assert (run.path / FINDINGS_FILE).read_text() == written
    assert list_left(folder) == []


def test_ctrl_c_keeps_the_audit_and_the_rounds_that_ended(folder: Path) -> None:
    out = folder / "out"
    options = ("--app-dir", str(folder), "--out", str(out))
    with running(out, "audit", *QUICK, "--try", "pool=20", *options, "main:api") as run:
        wait_for(lambda: "round 1 of 3, after" in run.text(), run.text())
        run.send(signal.SIGINT)
        assert run.finish() == 130
    assert "the audit ended early: Ctrl-C" in run.text()
    evidence = load_evidence(out)
    found = find_all(evidence)
    assert [each.reason for each in found.trials] == [
        "0 rounds per side ended, but a comparison needs 3"
    ]
    (record,) = evidence.record.trials
    assert [each.side for each in record.rounds] == ["before"]
    assert evidence.record.interrupted is None
    cells = only_run(out) / "cells"
    assert sorted(each.name for each in cells.iterdir()) == ["audit", "trial-1-1-before"]
    assert "POOL_WAIT" in [each.code for each in found.findings]
    assert list_left(folder) == []


def test_a_service_that_fails_with_the_change_makes_its_trial_invalid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_round, "LEAST_ROUND_S", 1.0)
    monkeypatch.setenv("FAIL", "s3cret")
    out = folder / "out"
    done = run_here(("audit", *QUICK, "--try", "pool=20", "--out", str(out), *serve()), folder)
    assert done.returncode == 0, done.stderr
    (trial,) = find_all(load_evidence(out)).trials
    assert trial.reason == "the service could not be started or called with pool=20"
    assert trial.routes == ()
    assert "RuntimeError" in done.stderr
    for path in only_run(out).rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path
    assert list_left(folder) == []


@pytest.mark.untimed
@pytest.mark.parametrize(
    "words",
    [
        ("uvicorn", "main:api", "--loop=asyncio", "--port={port}"),
        ("gunicorn", "main:api", "-k", "asgi", "--no-control-socket", "-b", "127.0.0.1:{port}"),
        ("granian", "--interface=asgi", "--loop=asyncio", "--port={port}", "main:api"),
        ("hypercorn", "main:api", "--workers", "1", "--bind=127.0.0.1:{port}"),
    ],
    ids=lambda each: each[0],
)
def test_a_server_runs_with_the_workers_and_the_loop_that_are_tried(
    folder: Path, words: tuple[str, ...]
) -> None:
    trials = [parse_trial(each) for each in ("workers=2", "loop=uvloop")]
    filled = (each.format(port=free_port()) for each in words)
    command = AuditedCommand((sys.executable, "-m", *filled), folder)
    for each in trials:
        command = change_command(command, each)
    raw = folder / "raw"
    with start_audited_app(command, raw, Interruption()) as app:
        workers, report = app.list_workers(), read_trial(raw)
        for each in trials:
            assert find_fault(each, "after", workers, report) is None, workers
