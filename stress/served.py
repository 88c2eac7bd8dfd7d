"""The stack that `serve.sh` holds up: its run file, and driving it from elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import monotonic, sleep

import psutil
from pydantic import TypeAdapter, ValidationError

from records.harvest import read_journals
from scenarios.model import Client, Scenario, Server
from scenarios.problems import Problem
from scenarios.units import Second
from stress.interruption import CellInterruptedError, Interruption
from stress.processes import Attached
from stress.stack import Stack
from stress.watch import is_alive, pid_of

IDLE_WITHIN_S = 20.0
POLL_S = 0.1
RECENT_S = 1.0
"""The probe flushes four times a second."""


@dataclass(frozen=True, slots=True)
class ServedFile:
    """Settings and pids of a held-up stack, as written beside the runs.

    created: the server's start by the system's clock; it tells a reused pid from the server's.
    """

    port: int
    folder: str
    upstream_url: str
    delay_s: Second
    server: Server
    client: Client
    upstream: str
    pids: dict[str, int]
    commands: dict[str, list[str]]
    created: float


def write(path: Path, stack: Stack, scenario: Scenario) -> None:
    assert scenario.client is not None
    assert scenario.upstream is not None
    pids = {each.role: each.pid for each in stack.members}
    served = ServedFile(
        port=stack.port,
        folder=str(stack.folder.resolve()),
        upstream_url=stack.upstream_url or "",
        delay_s=scenario.delay_s or 0.0,
        server=scenario.server,
        client=scenario.client,
        upstream=scenario.upstream.kind,
        pids=pids,
        commands=stack.commands(),
        created=psutil.Process(pids["server"]).create_time(),
    )
    path.write_text(json.dumps(asdict(served), indent=2) + "\n")


def read(path: Path) -> ServedFile | None:
    """None where nothing is served: no file, an unreadable one, or one whose server has ended."""
    try:
        served = TypeAdapter(ServedFile).validate_json(path.read_bytes())
        alive = psutil.Process(served.pids["server"]).create_time() == served.created
    except (OSError, ValidationError, psutil.NoSuchProcess, KeyError):
        return None
    return served if alive else None


def attach(served: ServedFile) -> Stack:
    members = [
        Attached(role, pid, tuple(served.commands[role])) for role, pid in served.pids.items()
    ]
    folder = Path(served.folder)
    told = {path: len(path.read_text(errors="replace")) for path in folder.glob("*.log")}
    return Stack(served.port, folder, served.upstream_url, attached=members, told_before=told)


def wait_until_idle(stack: Stack, interruption: Interruption) -> None:
    """A held-up server may still work for users who are gone. Its journals tell, so nothing is
    asked of it. Raises Problem when it does not come to rest."""
    deadline_s = monotonic() + IDLE_WITHIN_S
    while not is_idle(stack):
        if interruption.reason:
            raise CellInterruptedError(interruption.reason)
        if monotonic() > deadline_s:
            raise Problem(
                "the held-up server still works for users who are gone (waited "
                f"{IDLE_WITHIN_S:.0f} s): end it, and start serve.sh again"
            )
        sleep(POLL_S)


def is_idle(stack: Stack) -> bool:
    """Every live worker has lately told of nothing in flight and of a loop that beats."""
    alive = [path for path in stack.journals.glob("probe-*.journal") if is_alive(pid_of(path))]
    journals, _ = read_journals(alive)
    for journal in journals:
        last = journal.tables["s"].tail(1).to_dicts()
        if not last or monotonic() - last[0]["at_s"] > RECENT_S:
            return False
        if last[0]["in_flight"] or last[0]["heartbeat_age_s"] > RECENT_S:
            return False
    return bool(journals)


def refuse_differences(served: ServedFile, scenario: Scenario) -> None:
    """Raises Problem naming what the held-up stack has otherwise than the (resolved) scenario."""
    found = list(differences(served, scenario))
    if found:
        raise Problem(
            f"the server on port {served.port} does not fit {scenario.name}: {'; '.join(found)}. "
            "End serve.sh (then a fitting server is started), or give both the same options"
        )


def differences(served: ServedFile, scenario: Scenario) -> Iterator[str]:
    for key in fields(Server):
        yield from unequal(
            key.name, getattr(served.server, key.name), getattr(scenario.server, key.name)
        )
    if scenario.delay_s is not None:
        yield from unequal("delay_s", served.delay_s, scenario.delay_s)
    if scenario.client is not None:
        for key in fields(Client):
            wanted = getattr(scenario.client, key.name)
            yield from unequal(f"client {key.name}", getattr(served.client, key.name), wanted)
    if scenario.upstream is not None:
        yield from unequal("upstream", served.upstream, scenario.upstream.kind)


def unequal(name: str, there: object, wanted: object) -> Iterator[str]:
    if there != wanted:
        yield f"{name} is {there}, wanted {wanted}"
