"""The reports of a service's processes about a trial, combined."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from stress.audit.reports import ProcessReport, TrialReport, read_trial

MADE = TrialReport(applied=True, invalid=None, warnings=("shared",))
FAILED = TrialReport(applied=True, invalid="It yields.", warnings=("shared", "loop"))
IDLE = TrialReport(applied=False, invalid="No request.", warnings=())
PROCESS = ProcessReport(
    pid=0, ppid=1, python="3.13.1", executable="", gil=True, loop="", versions={}, server="",
    hook="", app="", kind="asgi", folder="", listens=(), reloads=False, tls=False, state="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ((MADE, IDLE), MADE),
        ((IDLE, IDLE), IDLE),
        ((MADE, None), MADE),
        ((IDLE, MADE, FAILED), FAILED),
    ],
)
def test_a_trial_of_several_processes(
    tmp_path: Path, trials: tuple[TrialReport | None, ...], expected: TrialReport
) -> None:
    for pid, trial in enumerate(trials):
        content = {**asdict(PROCESS), "pid": pid, "trial": trial and asdict(trial)}
        (tmp_path / f"attach-{pid}-10.500000.json").write_text(json.dumps(content))
    assert read_trial(tmp_path) == expected


def test_a_trial_that_no_process_knows_of(tmp_path: Path) -> None:
    (tmp_path / "attach-1.json").write_text(json.dumps({**asdict(PROCESS), "trial": None}))
    trial = read_trial(tmp_path)
    assert (trial.applied, trial.invalid is None) == (False, False)
