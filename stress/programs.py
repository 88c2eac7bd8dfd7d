"""What must be built before it can be started."""

import subprocess
import sys
from pathlib import Path

from scenarios.errors import build_cannot_run_error
from scenarios.model import Server
from stress.places import ROOT
from stress.servers import ServerAdapter

LONG_BUILD_S = 2.0
"""From here on a build is worth a word."""


def find_upstream_program(kind: str) -> tuple[str, ...]:
    if kind == "python":
        return sys.executable, "-m", "slow_upstream"
    return (run_build_script(ROOT / "slow_upstream" / "build.sh", "--upstream python needs no Go"),)


def find_peer_program(kind: str) -> str:
    """The path of a compiled server, built where it is not yet. Raises UserError."""
    return run_build_script(
        ROOT / "peers" / kind / "build.sh", "the scenarios without it can still run"
    )


def make_peer_adapter(kind: str, toolchain: str, variables: tuple[str, ...]) -> ServerAdapter:
    """Of a compiled server, which holds all the apps in one program."""

    def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
        program = find_peer_program(kind)
        return program, f"--host={host}", f"--port={port}", f"--workers={server.workers}"

    return ServerAdapter(
        build_argv,
        check_available=lambda: find_peer_program(kind),
        toolchain=toolchain,
        variables=variables,
    )


def run_build_script(script: Path, otherwise: str) -> str:
    """What the script says it has built. Raises UserError with its words where it can't."""
    with subprocess.Popen(
        ("sh", str(script)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as building:
        try:
            said, complaint = building.communicate(timeout=LONG_BUILD_S)
        except subprocess.TimeoutExpired:
            what = script.parent.name
            print(f"study: building {what} (once, up to some minutes) ...", file=sys.stderr)
            said, complaint = building.communicate()
    if building.returncode != 0:
        raise build_cannot_run_error(f"{complaint.strip()}; {otherwise}")
    return said.strip()
