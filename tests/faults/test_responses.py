"""Servers that answer badly: the command ends, keeps its memory small and its output plain."""

import os
import re
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from tests.faults.hostile_server import serve
from tests.faults.table import FaultRow, select
from tests.process.support import ROOT, environment

MOST_MEMORY = 1 << 30
"""Of the command and all that it starts: some 400 MB are imports. Twenty users who keep what comes
would have that within a second or two."""
ENDS_WITHIN_S = 150.0
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
SCENARIO = """
from scenarios import Endpoint, Load, Scenario, Server
HOSTILE = Scenario(
    name="hostile", group="mine", question="what does it do?", expect="no good", why="it is bad",
    endpoint=Endpoint("/", "async def"), server=Server("given"), url="http://127.0.0.1:PORT",
    load=Load(users=5, spawn_rate=50.0, duration_s=2.0),
)
"""
pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize("row", select("responses"))
def test_response(row: FaultRow, tmp_path: Path) -> None:
    with serve(row.fault) as port:
        code, memory, said = run_study(build_words(row.phase, port, tmp_path), tmp_path)
    row.check(code, said)
    assert memory < MOST_MEMORY
    assert not CONTROLS.search(said)
    for page in tmp_path.rglob("summary.md"):
        assert not CONTROLS.search(page.read_text())


def build_words(phase: str, port: int, folder: Path) -> list[str]:
    mine = folder / "mine.py"
    mine.write_text(SCENARIO.replace("PORT", str(port)))
    url = f"http://127.0.0.1:{port}"
    return {
        "run": ["run", str(mine), "--no-report"],
        "run by requests": ["run", str(mine), "--no-report", "--user-class", "requests"],
        "contrast": [
            "run", "contrast", "--target", f"bad={url}", "--endpoint", "GET /", "--users", "5",
            "--duration", "2s", "--no-report",
        ],
        "audit": [
            "audit", "--url", url, "--request", "GET /", "--duration", "2s", "--timeout", "3s",
        ],
    }[phase]  # fmt: skip


def run_study(words: list[str], folder: Path) -> tuple[int, int, str]:
    """The exit code, the most memory in bytes, and all that it prints."""
    with (folder / "said.txt").open("w+") as said:
        process = subprocess.Popen(
            (sys.executable, "-m", "study", *words, "--out", str(folder / "out")),
            cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        memory, ends_by_s = 0, monotonic() + ENDS_WITHIN_S
        try:
            while process.poll() is None and monotonic() < ends_by_s:
                memory = max(memory, sum_memory(process.pid))
                sleep(0.1)  # between two looks at the memory
            assert process.poll() is not None, "it does not end"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        said.seek(0)
        return process.returncode, memory, said.read()


def sum_memory(pid: int) -> int:
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return sum(each.memory_info().rss for each in family)
    except psutil.NoSuchProcess:
        return 0
