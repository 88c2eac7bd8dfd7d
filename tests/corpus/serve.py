"""Serve a corpus app with uvicorn on loopback, and read how long its work really took."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from stress.machine import find_free_port
from stress.plan import HOST
from stress.stack import is_answering
from tests.corpus.labels import APPS
from tests.corpus.matching import Taken

START_S = 60.0
"""Maximum time for imports on a busy machine with two slow cores."""


@dataclass(frozen=True, slots=True)
class Work:
    """One run of labelled code. began_s: time.monotonic() of the host. cpu_s: of its thread."""

    began_s: float
    seconds: float
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServedApp:
    """target: module:attribute in the folder of the apps, or in a folder on PYTHONPATH."""

    target: str
    python: Path = field(default_factory=lambda: Path(sys.executable))
    loop: str = "asyncio"
    variables: Mapping[str, str] = field(default_factory=dict)


def build_serve_command(app: ServedApp, port: int, words: Sequence[str] = ()) -> tuple[str, ...]:
    """words: more options; the last of a kind counts."""
    return (
        str(app.python), "-m", "uvicorn", app.target, f"--app-dir={APPS}", f"--host={HOST}",
        f"--port={port}", f"--loop={app.loop}", "--http=h11", "--no-access-log",
        *words,
    )  # fmt: skip


@contextmanager
def serve(app: ServedApp, log: Path, words: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Yield port and process id. words: more options for uvicorn. Raises RuntimeError with the end
    of its log if it does not start."""
    port = find_free_port(0)
    with log.open("wb") as output:
        process = subprocess.Popen(
            build_serve_command(app, port, words), env={**os.environ, **app.variables},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        deadline_s = monotonic() + START_S
        while not is_answering(port):
            if process.poll() is not None or monotonic() > deadline_s:
                raise RuntimeError(f"{app.target} did not start:\n{log.read_text()[-2000:]}")
            sleep(0.05)  # a poll: the condition decides
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def read_work(path: Path) -> dict[str, list[Work]]:
    """Read the times by label, from all processes that wrote to the path plus their number."""
    found: dict[str, list[Work]] = {}
    for part in path.parent.glob(f"{path.name}.*"):
        for line in part.read_bytes().rstrip(b"\0").decode().splitlines():
            label, *numbers = line.split()
            found.setdefault(label, []).append(Work(*map(float, numbers)))
    return found


def measure_taken(works: Sequence[Work], cause: str, brief: Sequence[Work] = ()) -> Taken:
    """brief: times that may have been waits. Computing takes at least the CPU time of its threads,
    and at most the time in which any of them ran it: two threads cannot both hold the GIL."""
    if cause == "wait":
        seconds = sum(work.seconds for work in works)
        return Taken(seconds, seconds + sum(work.seconds for work in brief))
    cpu_s = sum(work.cpu_s for work in works)
    return Taken(cpu_s, max(cpu_s, measure_union(works)))


def measure_union(works: Sequence[Work]) -> float:
    """Return the seconds in which at least one was running."""
    total_s, until_s = 0.0, float("-inf")
    for work in sorted(works, key=lambda each: each.began_s):
        end_s = work.began_s + work.seconds
        total_s += max(0.0, end_s - max(until_s, work.began_s))
        until_s = max(until_s, end_s)
    return total_s
