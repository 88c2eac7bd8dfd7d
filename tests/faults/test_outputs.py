"""Output that cannot be written: the command ends as it would have, and says at most one line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.table import FaultRow, select
from tests.process.support import ROOT, environment

RECORDED = ROOT / "docs" / "sample-run"
ENDS_WITHIN_S = 120.0
"""Drawing a report takes 40 s of CPU on a slow machine."""


@pytest.mark.parametrize("row", select("outputs"))
def test_output(row: FaultRow, tmp_path: Path) -> None:
    run = tmp_path / "run"
    if "RUN" in row.phase:
        shutil.copytree(RECORDED, run)
    words = [str(run) if each == "RUN" else each for each in row.phase.split()]
    code, said = run_study(row.fault, words)
    row.check(code, said)


def run_study(fault: str, words: list[str]) -> tuple[int, str]:
    """The exit code, and what standard error says."""
    command = [sys.executable, "-m", "study", *words]
    variables = environment()
    if fault == "ASCII terminal":
        variables |= {"PYTHONIOENCODING": "ascii"}
    if fault == "closed stdout":
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    if fault == "stderr on a full disk":
        command = ["sh", "-c", 'exec "$@" 2>/dev/full', "sh", *command]
    out = open_output(fault)
    done = subprocess.run(
        command,
        cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
        timeout=ENDS_WITHIN_S, check=False, text=True,
    )  # fmt: skip
    os.close(out)
    return done.returncode, done.stderr


def open_output(fault: str) -> int:
    if fault == "stdout on a full disk":
        return os.open("/dev/full", os.O_WRONLY)
    if fault == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return os.open(os.devnull, os.O_WRONLY)
