"""`study audit` of apps of other frameworks than FastAPI and Starlette. test_audit_corpus.py and
`python -m benchmarks.audit_corpus` compare the findings with each app's labels."""

import json
import os
import sys
from collections.abc import Container, Sequence
from pathlib import Path

import polars as pl
import pytest

from stress.machine import find_free_port
from tests.corpus.labels import APPS, LOOP_BLOCKED, CorpusApp, load_corpus
from tests.corpus.matching import Report, is_held_by, parse_findings
from tests.corpus.serve import ServedApp, build_serve_command
from tests.process.support import only_run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]


DEFAULT_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Threads of asyncio's default executor."""
Place = tuple[str | None, str | None, int | None]


def audit(name: str, out: Path, *options: str) -> list[Report]:
    app = ServedApp(f"{name}:app", Path(sys.executable))
    server = build_serve_command(app, find_free_port(0))
    done = run_here(("audit", "--duration", "1s", "--out", str(out), *options, "--", *server), APPS)
    assert done.returncode == 0, done.stderr
    return parse_findings(json.loads((only_run(out) / "findings.json").read_text()))


def get_places(reports: Sequence[Report], code: str = LOOP_BLOCKED) -> set[Place]:
    return {(each.route, each.phase, each.line) for each in reports if each.code == code}


def expect_places(app: CorpusApp, names: Container[str]) -> set[Place]:
    labels = [label for label in app.blocking if label.name in names]
    return {(label.route, label.phases[0], label.lines[0]) for label in labels}


def test_litestars_document_is_asked_and_each_route_is_found(tmp_path: Path) -> None:
    (app,) = load_corpus(["litestar_app"])
    found = audit(app.name, tmp_path, "--users", "1")
    routes = {label.route for label in app.labels if label.asking}
    asked = pl.read_parquet(only_run(tmp_path) / "cells" / "audit" / "asked.parquet")
    assert routes <= set(asked["route"])
    names = {label.name for label in app.blocking if label.code == LOOP_BLOCKED}
    assert get_places(found) == expect_places(app, names)


def test_quarts_hooks_block_in_their_phases_and_its_def_views_wait_for_the_executor(
    tmp_path: Path,
) -> None:
    (app,) = load_corpus(["quart_app"])
    targets = ("/before", "/register", "/view")
    asked = [word for each in targets for word in ("--request", f"GET {each}")]
    found = audit(app.name, tmp_path, "--users", str(DEFAULT_THREADS + 2), *asked)
    names = ("quart-before", "quart-task", "quart-startup")
    assert get_places(found) == expect_places(app, names)
    (waiting,) = [each for each in found if each.code == "EXECUTOR_WAIT"]
    assert (waiting.route, waiting.phase) == ("/view", "endpoint")
    (view,) = [label for label in app.blocking if label.name == "quart-view"]
    assert is_held_by(waiting, view.holder)
