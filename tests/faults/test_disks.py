"""A disk that fills up while results are written: one line, exit code 4, no torn file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.errors import BROKEN
from tests.faults.table import FaultRow, select
from tests.process.support import ROOT, SMALL, cells, environment

ENDS_WITHIN_S = 150.0
ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" || exit 99
disk=$2 kept=$3 output=$4
shift 4
[ "$output" = /dev/stdout ] || head -c 4000 /dev/zero >"$output"
"$@" >>"$output"
code=$?
cp -r "$disk/." "$kept"
exit $code
"""
"""In a mount namespace, which ends with the command: what is on the disk is copied out. An output
on a disk of 4 KiB has room for 96 bytes."""
RUN = ("run", "async-sleep", "sync-sleep", *SMALL, "--port", "0")
OF_OUTPUT = "output of run"
COMMANDS = {
    "run": RUN,
    OF_OUTPUT: RUN,
    "run with a page": ("run", "async-sleep", *SMALL[:-1], "--port", "0"),
    "audit": (
        "audit", "--app-dir", str(ROOT / "tests" / "corpus" / "apps"), "--duration", "1s",
        "--request", "GET /", "--", sys.executable, "-B", "-m", "uvicorn", "innocent_app:app",
        "--port", "0",
    ),
}  # fmt: skip


def build_words(phase: str, out: Path) -> tuple[str, ...]:
    command, *words = COMMANDS[phase]
    return command, "--out", str(out), *words


def may_mount() -> bool:
    return (
        subprocess.run(("unshare", "-m", "true"), check=False, capture_output=True).returncode == 0
    )


pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(not may_mount(), reason="this user may not mount (unshare -m)"),
]


@pytest.mark.parametrize("row", select("disks"))
def test_disk(row: FaultRow, tmp_path: Path) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    is_output = row.phase == OF_OUTPUT
    out, output = (kept, disk / "output") if is_output else (disk, Path("/dev/stdout"))
    done = subprocess.run(
        (
            "unshare", "-m", "sh", "-c", ON_A_SMALL_DISK, "sh", row.fault.split()[-1], str(disk),
            str(kept), str(output), sys.executable, "-m", "study", *build_words(row.phase, out),
        ),
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=ENDS_WITHIN_S,
        check=False,
    )  # fmt: skip
    said = done.stderr
    row.check(done.returncode, said)
    assert ("No space left on device" in said) == (done.returncode == BROKEN), said
    check_whole(kept)
    if is_output:
        assert len(cells(kept)) == 2


def check_whole(folder: Path) -> None:
    """No file is torn: each JSON file can be read, and each cell that is listed has its record."""
    for each in folder.rglob("*.json"):
        if "raw" not in each.parts:
            json.loads(each.read_text())
    for summary in folder.rglob("summary.json"):
        for cell in json.loads(summary.read_text())["cells"]:
            assert (summary.parent / "cells" / f"{cell['scenario']}.{cell['trial']}").is_dir()
    assert not list(folder.rglob("*.half"))
