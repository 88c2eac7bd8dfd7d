"""Endpoints of the corpus return the same response in a thread as on the loop."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
MOVED = {"mounted_app": 6, "phases_app": 13, "starlette_app": 7, "waits_app": 20}
"""Number of routes whose endpoint has no await, by app."""


@pytest.mark.parametrize("app", MOVED)
def test_an_endpoint_answers_in_a_thread_as_on_the_loop(app: str) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "tests.corpus.compare_answers", app),
        cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'probe'}"},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    moved = [(before, after) for _, invalid, before, after in rows if invalid is None]
    assert len(moved) == MOVED[app]
    assert [before for before, _ in moved] == [after for _, after in moved]
    assert not [before for before, _ in moved if before.startswith(("5", "Runtime"))]
