"""The stack that `serve.sh` runs: its run file, and how another process uses it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import monotonic

import psutil
from pydantic import TypeAdapter

from records.build_tables import read_journals
from records.files import write_whole
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Scenario
from scenarios.user_files import read_user_file
from stress.cell_runner import read_start
from stress.interruption import Interruption
from stress.processes import ExternalProcess
from stress.resource_monitor import is_alive, parse_pid
from stress.stack import Stack

IDLE_WITHIN_S = 20.0
LOOK_EVERY_S = 0.1
MOST_BYTES = 1_000_000
RECENT_S = 1.0
"""The probe flushes four times per second."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """A running stack's settings and pids, written next to the runs.

    created: the server's start, which detects a reused pid.
    """

    port: int
    folder: str
    upstream_url: str | None
    scenario: Scenario
    pids: dict[str, int]
    commands: dict[str, list[str]]
    created: str


def write_server_file(path: Path, stack: Stack, scenario: Scenario) -> None:
    pids = {each.role: each.pid for each in stack.members}
    served = ServerFile(
        port=stack.port,
        folder=str(stack.folder.resolve()),
        upstream_url=stack.upstream_url,
        scenario=scenario,
        pids=pids,
        commands=stack.list_commands(),
        created=read_start(pids["server"]),
    )
    write_whole(path, json.dumps(asdict(served), indent=2) + "\n")


def read_server_file(path: Path) -> ServerFile | None:
    """Return None if there is no readable file, or if its server has ended."""
    try:
        served = TypeAdapter(ServerFile).validate_json(read_user_file(path, str(path), MOST_BYTES))
        alive = read_start(served.pids["server"]) == served.created
    except (UserError, ValueError, OSError, psutil.Error, KeyError):
        return None
    return served if alive and served.pids.keys() <= served.commands.keys() else None


def attach_stack(served: ServerFile) -> Stack:
    members = [
        ExternalProcess(role, pid, tuple(served.commands[role]))
        for role, pid in served.pids.items()
    ]
    folder = Path(served.folder)
    lengths = {path: path.stat().st_size for path in folder.glob("*.log")}
    return Stack(served.port, folder, served.upstream_url, attached=members, log_lengths=lengths)


def wait_until_idle(stack: Stack, interruption: Interruption) -> None:
    """Wait until the running server has no requests left from earlier users. It reads only the
    journals, which costs the server nothing. Raises UserError if the server stays busy."""
    if not interruption.poll(lambda: is_stack_idle(stack), IDLE_WITHIN_S, LOOK_EVERY_S):
        raise build_cannot_run_error(
            "the running server still handles requests of users who are gone (waited "
            f"{IDLE_WITHIN_S:.0f} s); stop it and start `study serve` again"
        )


def list_live_journals(stack: Stack) -> list[Path]:
    found = stack.journals.glob("probe-*.journal")
    return [path for path in found if is_alive(parse_pid(path))]


def is_stack_idle(stack: Stack) -> bool:
    """Return True if every live worker's last sample has no requests and a recent heartbeat, when
    its journal was opened: after hours, reading all of them takes longer than that."""
    live = list_live_journals(stack)
    return bool(live) and all(map(is_worker_idle, live))


def is_worker_idle(path: Path) -> bool:
    opened_s = monotonic()
    journals, _ = read_journals([path])
    last = journals[0].tables["s"].tail(1).to_dicts() if journals else []
    if not last or opened_s - last[0]["at_s"] > RECENT_S:
        return False
    return not last[0]["in_flight"] and last[0]["heartbeat_age_s"] <= RECENT_S


def reject_differences(served: ServerFile, scenario: Scenario) -> None:
    """Raise UserError with every setting in which the stack and the resolved scenario differ."""
    found = list(find_differences(served, scenario))
    if found:
        raise UserError(
            f"the server on port {served.port} does not match {scenario.name}: {'; '.join(found)}. "
            "Stop it (the run then starts a server that does), or give both the same options"
        )


def find_differences(served: ServerFile, scenario: Scenario) -> Iterator[str]:
    """Yield the differing settings that the scenario uses."""
    there = served.scenario
    for prefix, part in (("", "server"), ("client ", "client"), ("upstream ", "upstream")):
        held, wanted = getattr(there, part), getattr(scenario, part)
        for key in fields(wanted) if wanted is not None else ():
            has, wants = getattr(held, key.name), getattr(wanted, key.name)
            if has != wants:
                yield f"{prefix}{key.name} is {has}, wanted {wants}".replace(" kind is", " is", 1)
    for name in ("delay_s", "file_mib"):
        has, wants = getattr(there, name), getattr(scenario, name)
        if wants not in (None, has):
            yield f"{name} is {has}, wanted {wants}"
