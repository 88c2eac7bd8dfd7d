"""The stack that `serve.sh` holds up: its run file, and driving it from elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import monotonic

import psutil
from pydantic import TypeAdapter, ValidationError

from records.build_tables import read_journals
from records.journal import Journal
from scenarios.errors import UserError
from scenarios.model import Scenario
from stress.interruption import Interruption
from stress.processes import ExternalProcess
from stress.resource_monitor import is_alive, parse_pid
from stress.stack import Stack

IDLE_WITHIN_S = 20.0
LOOK_EVERY_S = 0.1
RECENT_S = 1.0
"""The probe flushes four times a second."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """What a held-up stack serves, and its pids, as written next to the runs.

    created: the server's start by the system's clock; it tells a reused pid from the server's.
    """

    port: int
    folder: str
    upstream_url: str | None
    scenario: Scenario
    pids: dict[str, int]
    commands: dict[str, list[str]]
    created: float


def write_server_file(path: Path, stack: Stack, scenario: Scenario) -> None:
    pids = {each.role: each.pid for each in stack.members}
    served = ServerFile(
        port=stack.port,
        folder=str(stack.folder.resolve()),
        upstream_url=stack.upstream_url,
        scenario=scenario,
        pids=pids,
        commands=stack.list_commands(),
        created=psutil.Process(pids["server"]).create_time(),
    )
    path.write_text(json.dumps(asdict(served), indent=2) + "\n")


def read_server_file(path: Path) -> ServerFile | None:
    """None where nothing is served: no file, an unreadable one, or one whose server has ended."""
    try:
        served = TypeAdapter(ServerFile).validate_json(path.read_bytes())
        alive = psutil.Process(served.pids["server"]).create_time() == served.created
    except (OSError, ValidationError, psutil.NoSuchProcess, KeyError):
        return None
    return served if alive else None


def attach_stack(served: ServerFile) -> Stack:
    members = [
        ExternalProcess(role, pid, tuple(served.commands[role]))
        for role, pid in served.pids.items()
    ]
    folder = Path(served.folder)
    told = {path: len(path.read_text(errors="replace")) for path in folder.glob("*.log")}
    return Stack(served.port, folder, served.upstream_url, attached=members, log_lengths=told)


def wait_until_idle(stack: Stack, interruption: Interruption) -> None:
    """A held-up server may still work for users who are gone. Its journals tell, so nothing is
    asked of it. Raises UserError when it does not come to rest."""
    if not interruption.poll(lambda: is_stack_idle(stack), IDLE_WITHIN_S, LOOK_EVERY_S):
        raise UserError(
            "the running server still works for users who are gone (waited "
            f"{IDLE_WITHIN_S:.0f} s): end it, and start `study serve` again"
        )


def read_live_journals(stack: Stack) -> list[Journal]:
    """Of the workers that live."""
    found = stack.journals.glob("probe-*.journal")
    return read_journals([path for path in found if is_alive(parse_pid(path))])[0]


def is_stack_idle(stack: Stack) -> bool:
    """Every live worker has lately told of nothing in flight and of a loop that beats."""
    journals = read_live_journals(stack)
    for journal in journals:
        last = journal.tables["s"].tail(1).to_dicts()
        if not last or monotonic() - last[0]["at_s"] > RECENT_S:
            return False
        if last[0]["in_flight"] or last[0]["heartbeat_age_s"] > RECENT_S:
            return False
    return bool(journals)


def reject_differences(served: ServerFile, scenario: Scenario) -> None:
    """Raises UserError naming what the held-up stack has otherwise than the (resolved) scenario."""
    found = list(find_differences(served, scenario))
    if found:
        raise UserError(
            f"the server on port {served.port} does not fit {scenario.name}: {'; '.join(found)}. "
            "End that server (then a fitting one is started), or give both the same options"
        )


def find_differences(served: ServerFile, scenario: Scenario) -> Iterator[str]:
    """What a scenario does not use may differ."""
    there = served.scenario
    for prefix, part in (("", "server"), ("client ", "client"), ("upstream ", "upstream")):
        held, wanted = getattr(there, part), getattr(scenario, part)
        for key in fields(wanted) if wanted is not None else ():
            has, wants = getattr(held, key.name), getattr(wanted, key.name)
            if has != wants:
                yield f"{prefix}{key.name} is {has}, wanted {wants}".replace(" kind is", " is", 1)
    if scenario.delay_s not in (None, there.delay_s):
        yield f"delay_s is {there.delay_s}, wanted {scenario.delay_s}"
