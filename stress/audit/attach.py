"""Starts the user's command with the probe, and finds the port that it listens on.

Command, folder, interpreter and environment stay the user's, with three changes: PYTHONPATH gets
one more folder in front, a variable tells the probe where to write, and others are unset.
"""

import contextlib
import os
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep, time
from urllib.parse import urlsplit

import psutil

from scenarios.errors import UserError
from scenarios.units import Second
from stress.audit.attach_errors import (
    build_background_error,
    build_end_error,
    build_late_error,
    build_tls_error,
    build_unreachable_error,
    build_worker_error,
    reject_denied,
    reject_reports,
    reject_unattached,
)
from stress.audit.audited_app import DIRECTORY_VARIABLE, AuditedApp
from stress.audit.choose_port import drop_other_ports, find_url
from stress.audit.command import AuditedCommand, reject_command
from stress.audit.listening import Listener, build_url, list_listeners, speaks_tls
from stress.audit.probe_folder import open_probe_folder
from stress.audit.reports import SETTLED_S, STARTED, ProcessReport, read_reports
from stress.interruption import Interruption
from stress.last_words import find_exception, read_last_lines
from stress.places import SITE_FOLDER, put_first
from stress.plan import Command
from stress.processes import Process

START_WITHIN_S = 90.0
"""A service may load a model before it listens."""
ATTACH_WITHIN_S = 5.0
"""Time for the workers to load the app once the service listens."""
LOAD_WITHIN_S = 15.0
"""The same if nothing keeps the probe out: another server of the app may be listening."""
WORKERS_WITHIN_S = 1.0
"""Time without a new worker after which all are assumed to run."""
WORKERS_LOST = 3
"""Ended workers after which the audit gives up: some servers restart them forever."""
ASK_WITHIN_S = 2.0
LOOK_EVERY_S = 0.05


PROBE_VARIABLES = ("ASGI_PROBE_STACKS", "ASGI_PROBE_BEAT_MS", "ASGI_PROBE_MAX_JOURNAL_BYTES")
"""The user's settings of the probe, with which an audit would miss blocks; empty is unset."""


def build_environment(raw: Path) -> dict[str, str]:
    """Return the variables added to the user's."""
    return {
        "PYTHONPATH": put_first(SITE_FOLDER),
        DIRECTORY_VARIABLE: str(raw),
        **{name: "" for name in PROBE_VARIABLES if name in os.environ},
    }


def start_audited_app(
    command: AuditedCommand, raw: Path, interruption: Interruption, port: int | None = None
) -> AuditedApp:
    """Start the service, and return it once it serves with the probe. Journals and log go to `raw`.

    port: the port to use if it listens on several. Raises UserError with the last lines of its
    output, CellInterruptedError; then none of its processes is left.
    """
    reject_command(command)
    raw = raw.resolve()
    raw.mkdir(parents=True, exist_ok=True)
    app = AuditedApp(command, open_probe_folder(raw), Process("app", raw / "server.log"))
    try:
        environment = build_environment(app.raw) | dict(command.variables)
        app.start(Command("app", command.argv, command.folder, environment, inherits_all=True))
        wait_until_served(app, interruption, port)
    except UserError as error:
        app.end()
        rest = f"; {app.describe_end()}" if app.left else ""
        raise UserError(f"{error}{rest}", error.exit_code) from error
    except BaseException:
        app.end()
        raise
    return app


def wait_until_served(app: AuditedApp, interruption: Interruption, port: int | None) -> None:
    look, deadline_s = StartLook(app.process.pid), monotonic() + START_WITHIN_S
    while True:
        interruption.check()
        processes, reports = app.list_processes(), read_reports(app.raw)
        reject_reports(app.command, reports)
        if (code := app.process.get_exit_code()) is not None and not processes:
            raise build_end_error(app.command, app.process.log, code)
        listeners = drop_other_ports(app.command, list_listeners(processes), reports, port)
        look.note({each.pid for each in processes}, listeners, reports)
        if code is not None and (look.listeners or look.reports) and app.is_in_background():
            raise build_background_error(app.command)
        if look.is_ready():
            reject_denied(app, filter(look.is_attached, processes))
            app.url = find_url(app.command, look.listeners, reports, port)
            if any(each.tls is None for each in reports) and speaks_tls(app.url):
                raise build_tls_error()
            return
        if look.count_ended() > WORKERS_LOST and find_exception(read_last_lines(app.process.log)):
            raise build_worker_error(app.command, app.process.log)
        if look.is_unreachable():
            raise build_unreachable_error(app.command)
        if look.is_unattached():
            listening = list(filter(look.listens, processes))
            reject_unattached(app, listening, is_late=look.is_unattached(LOAD_WITHIN_S))
        if monotonic() > deadline_s:
            raise build_late_error(app.command, app.process.log, START_WITHIN_S, look.listeners)
        sleep(LOOK_EVERY_S)


@dataclass(slots=True)
class StartLook:
    """The state of a starting service, updated by each sample. leader: the command's pid."""

    leader: int
    listeners: list[Listener] = field(default_factory=list)
    reports: list[ProcessReport] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)
    _listening_s: float | None = None
    _changed_s: float = 0.0
    _answered_s: float | None = None

    def note(
        self, living: set[int], listeners: list[Listener], reports: list[ProcessReport]
    ) -> None:
        now_s = monotonic()
        self._seen |= living
        self._ended = self._seen - living
        if {each.pid for each in listeners} != {each.pid for each in self.listeners}:
            self._changed_s = now_s
        self.listeners = listeners
        self.reports = [each for each in reports if each.pid in living]
        self._listening_s = (self._listening_s or now_s) if listeners else None

    def is_ready(self) -> bool:
        """Return True if each worker has loaded and started the app. A worker is a process with a
        listening socket and no child that has one. Wait briefly for a worker that does not load
        the app, and for further workers."""
        if not self.listeners or not self.reports:
            return False
        if not all(each.is_ready() for each in self.reports):
            return False
        listening = {each.pid for each in self.listeners}
        attached = {each.pid for each in self.reports}
        if listening == attached == {self.leader}:
            return True
        missing = listening - attached - {each.ppid for each in self.reports}
        quiet_s = monotonic() - self._changed_s
        return quiet_s > (ATTACH_WITHIN_S if missing else WORKERS_WITHIN_S)

    def count_ended(self) -> int:
        """Count the command's ended processes, while none has loaded the app."""
        return 0 if self.reports else len(self._ended)

    def is_unreachable(self) -> bool:
        """Return True if the app started a while ago but listens on no port."""
        if self.listeners or not self.reports:
            return False
        return all(
            each.state == STARTED and time() - each.written > ATTACH_WITHIN_S
            for each in self.reports
        )

    def listens(self, process: psutil.Process) -> bool:
        return process.pid in {each.pid for each in self.listeners}

    def is_attached(self, process: psutil.Process) -> bool:
        return process.pid in {each.pid for each in self.reports}

    def is_unattached(self, patience_s: Second = ATTACH_WITHIN_S) -> bool:
        """Return True if it has listened and responded this long, and no process has the probe."""
        if self.reports or self._listening_s is None:
            return False
        if monotonic() - self._listening_s < patience_s:
            return False
        if self._answered_s is None:
            self._answered_s = ask(self.listeners)
            return False
        return monotonic() - self._answered_s > SETTLED_S


def ask(listeners: list[Listener]) -> Second | None:
    """Send a request, since Starlette's hook needs one if the server sends no lifespan. Return the
    time of any response; None without one."""
    if url := build_url(listeners):
        place = urlsplit(url)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=ASK_WITHIN_S)
        with contextlib.suppress(OSError, HTTPException), contextlib.closing(connection):
            connection.request("HEAD", "/")
            connection.getresponse()
            return monotonic()
    return None
