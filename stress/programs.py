"""Builds the compiled servers and the Go upstream."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Literal

from scenarios.errors import build_cannot_run_error
from scenarios.model import Server
from scenarios.units import Second
from stress.interruption import Interruption
from stress.places import ROOT
from stress.processes import bind_to_us
from stress.servers import ServerAdapter

LONG_BUILD_S = 2.0
"""Builds longer than this are reported."""
LOOK_S = 0.1
PRINTED_EVERY_S = 8.0
SHOWN_LINES = 20
"""Last lines of a failed compiler's output that are shown."""
KEPT = "--kept"
"""Lets a build script print the program's path, or exit with MUST_BE_BUILT, without building."""
MUST_BE_BUILT = 4
UPSTREAM = ROOT / "slow_upstream" / "build.sh"
WITHOUT_GO = "--upstream python needs no Go"
WITHOUT_PEER = "other scenarios can still run"


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """since_s: duration so far. last_words: the compiler's last line, empty if it prints nothing
    before its end."""

    program: str
    state: Literal["begins", "goes on", "ended"]
    since_s: Second
    last_words: str = ""


def format_build(moment: BuildProgress) -> str:
    if moment.state == "ended":
        return f"built {moment.program} in {moment.since_s:.0f} s"
    last_words = f" ({moment.last_words})" if moment.last_words else ""
    return f"building {moment.program}, once: {moment.since_s:.0f} s so far{last_words}"


@dataclass(slots=True)
class BuildPrinter:
    """A printer of a line to stderr when a build starts, at intervals, and when it ends."""

    _printed_s: Second = -inf

    def __call__(self, moment: BuildProgress) -> None:
        if moment.state != "goes on" or moment.since_s - self._printed_s >= PRINTED_EVERY_S:
            self._printed_s = moment.since_s
            print(f"study: {format_build(moment)}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class BuildWatch:
    """The listener to a long build's progress, and the interruption that can end the build."""

    listener: Callable[[BuildProgress], None] = field(default_factory=BuildPrinter)
    interruption: Interruption = field(default_factory=Interruption)


def find_upstream_program(kind: str, watch: BuildWatch | None = None) -> tuple[str, ...]:
    """Return the upstream's command, after a build if needed. Raises UserError,
    CellInterruptedError."""
    if kind == "python":
        return sys.executable, "-m", "slow_upstream"
    return (run_build_script(UPSTREAM, WITHOUT_GO, watch),)


def find_peer_program(kind: str, watch: BuildWatch | None = None) -> str:
    """Return the path of a compiled server, after a build if needed. Raises UserError,
    CellInterruptedError."""
    return run_build_script(find_peer_script(kind), WITHOUT_PEER, watch)


def find_peer_script(kind: str) -> Path:
    return ROOT / "peers" / kind / "build.sh"


def is_built(script: Path, otherwise: str) -> bool:
    """Return True if no build is needed. Raises UserError with the script's message if it fails."""
    done = subprocess.run(("sh", str(script), KEPT), capture_output=True, text=True, check=False)
    if done.returncode not in (0, MUST_BE_BUILT):
        raise build_cannot_run_error(f"{done.stderr.strip()}; {otherwise}")
    return done.returncode == 0


def make_peer_adapter(kind: str, toolchain: str, variables: tuple[str, ...]) -> ServerAdapter:
    """Make the adapter of a compiled server, one program with all the apps."""

    def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
        program = find_peer_program(kind)
        return program, f"--host={host}", f"--port={port}", f"--workers={server.workers}"

    return ServerAdapter(
        build_argv,
        check_available=lambda: is_built(find_peer_script(kind), WITHOUT_PEER),
        build_program=lambda watch: find_peer_program(kind, watch),
        toolchain=toolchain,
        variables=variables,
    )


def run_build_script(script: Path, otherwise: str, watch: BuildWatch | None = None) -> str:
    """Return the path that the script prints. Raises UserError with its message if it fails,
    CellInterruptedError."""
    with (
        TemporaryFile("w+", encoding="utf-8") as said,
        TemporaryFile("w+", encoding="utf-8") as complaint,
        subprocess.Popen(
            bind_to_us(("sh", str(script))), stdout=said, stderr=complaint, start_new_session=True
        ) as building,
    ):
        try:
            follow_build(building, script.parent.name, complaint, watch or BuildWatch())
        except BaseException:
            os.killpg(building.pid, signal.SIGTERM)
            raise
        if building.returncode != 0:
            last = "\n".join(read_all(complaint).strip().splitlines()[-SHOWN_LINES:])
            problem = last or f"the build of {script.parent.name} ended without a message"
            raise build_cannot_run_error(f"{problem}; {otherwise}")
        return read_all(said).strip()


def follow_build(
    building: subprocess.Popen[bytes], program: str, complaint: IO[str], watch: BuildWatch
) -> None:
    """Report a build's progress until it ends. Raises CellInterruptedError."""
    begun_s, is_long = monotonic(), False
    while True:
        try:
            building.wait(LOOK_S)
            break
        except subprocess.TimeoutExpired:
            watch.interruption.check()
        since_s = monotonic() - begun_s
        if since_s >= LONG_BUILD_S:
            state: Literal["begins", "goes on"] = "goes on" if is_long else "begins"
            last_words = " ".join(read_all(complaint).rpartition("\n")[0].split("\n")[-1].split())
            watch.listener(BuildProgress(program, state, since_s, last_words))
            is_long = True
    if is_long and building.returncode == 0:
        watch.listener(BuildProgress(program, "ended", monotonic() - begun_s))


def read_all(file: IO[str]) -> str:
    """Return what the child, which shares this file, has written so far."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace")
