"""`study audit`: what blocks the event loop of the user's own service."""

import os
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.errors import UserError
from scenarios.options import Setting
from scenarios.units import DURATION, Second
from stress.audit.request_options import Drive, RequestOptions
from study import options as o
from study.gate_options import GateOptions
from study.trial_options import TrialOptions

if TYPE_CHECKING:
    from stress.audit.command import AuditedCommand
    from stress.audit.driven import AuditLoad

SECRET = ("--header", "--before", "--request")
"""Options whose values no record holds."""


# fmt: off
Duration = Annotated[Second | None, Setting(
    "Length of the phase with concurrent requests to all routes; 10s if not given. With --drive "
    "none: how long to watch your traffic; until Ctrl-C if not given.",
    unit=DURATION, bounds=(1.0, 3600.0),
)]


@o.declare_command()
def audit(
    *command: Annotated[str, Setting(
        "ASGI app, or, after --, the command that starts the service.",
        name="MODULE:ATTR|-- COMMAND",
    )],
    url: Annotated[str | None, Setting(
        "Running server to measure instead: load and latency only.", metavar="URL",
    )] = None,
    asks: RequestOptions = RequestOptions(),
    users: Annotated[int | None, Setting(
        "Concurrent users; 20 if not given.", bounds=(1, 1000),
    )] = None,
    duration: Duration = None,
    timeout: Annotated[Second | None, Setting(
        "Time that a user waits for a response; 30s if not given.", unit=DURATION,
        bounds=(0.1, 600.0),
    )] = None,
    python: Annotated[Path | None, Setting(
        "Interpreter with the service's packages, for MODULE:ATTR; if not given, that of the "
        "active virtual environment, or else the study's own.",
        metavar="FILE",
    )] = None,
    port: Annotated[int, Setting(
        "Port of MODULE:ATTR; 0 picks a free one. For a command that listens on several ports: "
        "the one to send requests to.", bounds=(0, 65535),
    )] = 0,
    trials: TrialOptions = TrialOptions(),
    out: o.Out = o.DEFAULT_OUT,
    gate: GateOptions = GateOptions(),
    plan: Annotated[bool, Setting("List of the planned requests; none is sent.")] = False,
    json: Annotated[bool, Setting("Only findings.json on stdout.")] = False,
    verbose: o.Verbose = False,
) -> int:
    """Start your service unchanged, call its routes, and name what blocks its event loop.

    For example:
        study audit -- uvicorn main:app
        study audit main:app --app-dir ./service --python ./service/.venv/bin/python
        study audit --request 'GET /items/1' --users 50 -- uvicorn main:app
        study audit --try pool=100 --try workers=2 -- uvicorn main:app
        study audit --url http://127.0.0.1:8000
        study audit --fail-on 'blocked>50ms' --baseline audit-baseline.json main:app
    """
    # fmt: on
    from study.audit import AuditOrder
    from study.audit_service import audit_service
    from study.audit_trials import read_trial_order

    reject_contradictions(command, url, port, asks.drive, plan, json, gate)
    load = build_load(asks.drive, users, duration, timeout)
    service = choose_service(command, asks.app_dir, python, port)
    return audit_service(
        AuditOrder(
            service, url or "", port or None, asks, load, out,
            record_typed(sys.argv[1:], command, asks.app_dir), gate.open_gate(), plan, json,
            verbose, read_trial_order(trials, service, asks.drive != "none" and not plan),
        )
    )  # fmt: skip


def reject_contradictions(
    command: Sequence[str],
    url: str | None,
    port: int,
    drive: Drive | None,
    plan: bool,
    json: bool,
    gate: GateOptions,
) -> None:
    """Raises UserError."""
    if (url is None) == (not command):
        raise UserError(
            "give the command that starts your service, such as study audit -- uvicorn main:app, "
            "or --url of a running server"
        )
    if drive == "none" and (url is not None or plan):
        raise UserError("--drive none sends no requests: leave out --url and --plan")
    if plan and json:
        raise UserError("--json: --plan prints text, not findings.json; leave one of them out")
    if url is not None and port:
        raise UserError("--port: --url names the port already; leave --port out")
    if (gate.fail_on or gate.baseline) and (url is not None or plan):
        raise UserError(
            "--fail-on, --baseline: an audit with --url or --plan has no findings; leave them out"
        )


def build_load(
    drive: Drive | None, user_count: int | None, duration: Second | None, timeout: Second | None
) -> "AuditLoad":
    """Raises UserError for options of a load that the audit does not send."""
    from stress.audit.driven import AuditLoad

    if drive != "none":
        usual = AuditLoad(0.0)
        asked = user_count or usual.users, duration or usual.duration_s, timeout or usual.timeout_s
        return AuditLoad(0.0, *asked)
    if user_count is not None or timeout is not None:
        raise UserError("--drive none sends no requests: leave out --users and --timeout")
    return AuditLoad(0.0, duration_s=duration or inf)


def find_active_interpreter() -> Path:
    """Find the interpreter of the active virtual environment, which may not be the study's."""
    active = os.environ.get("VIRTUAL_ENV")
    found = Path(active, "bin", "python") if active else Path(sys.executable)
    return found if found.exists() else Path(sys.executable)


def choose_service(
    command: Sequence[str], app_dir: Path, interpreter: Path | None, port: int
) -> "AuditedCommand | None":
    """Return None for a running server. Raises UserError."""
    from stress.audit.command import AuditedCommand, build_target_command, reject_command

    if is_target(command):
        python = interpreter or find_active_interpreter()
        return build_target_command(command[0], app_dir, python, port)
    if interpreter is not None:
        raise UserError("--python is for MODULE:ATTR; a command names its own interpreter")
    if not command:
        return None
    audited = AuditedCommand(tuple(command), app_dir)
    reject_command(audited)  # before a run directory is made
    return audited


def is_target(command: Sequence[str]) -> bool:
    """Return True for one word that names an app; a program's path may have a colon too."""
    return len(command) == 1 and ":" in command[0] and "/" not in command[0]


def record_typed(argv: Sequence[str], command: Sequence[str], folder: Path) -> str:
    """Return the command line for the record, without possible secrets: the values of SECRET
    options, and what `hide_values` hides in the service's command."""
    from records.command_words import HIDDEN, hide_values

    pairs = zip(command, hide_values(command, folder), strict=True)
    hidden = {word: shown for word, shown in pairs if word != shown}
    words = ["study"]
    for before, word in pairwise(("", *argv)):
        name, equals, _ = word.partition("=")
        secret = f"{name}={HIDDEN}" if equals and name in SECRET else hidden.get(word, word)
        words.append(HIDDEN if before in SECRET else secret)
    return shlex.join(words)
