"""Monitors the server of an audited service under load: ended workers and their reasons, refused
requests, and the accept queue."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from urllib.parse import urlsplit

import psutil

from records.server import ServerRecord, ServerSettings, WorkerEnd
from scenarios.units import Second
from stress.audit.accept_queue import QueueWatch
from stress.audit.audited_app import AuditedApp
from stress.audit.reports import REPORTS, parse_name
from stress.audit.server_log import ServerLog
from stress.server_words import StartedServer
from stress.servers import load_adapters

LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class ServerWatch:
    """A monitor that samples in its own thread, inside a `with`. t0_s: by time.monotonic()."""

    app: AuditedApp
    t0_s: float
    settings: ServerSettings = field(default_factory=ServerSettings)
    ends: dict[int, WorkerEnd] = field(default_factory=dict)
    log: ServerLog = field(init=False)
    queue: QueueWatch = field(init=False)
    _before: set[int] = field(default_factory=set)
    """Processes that ended before the load, and the command's own."""
    _stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.log = ServerLog(self.app.process.log)
        self.queue = QueueWatch(urlsplit(self.app.url).port or 0)

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        self.settings = read_settings(self.app)
        self.log.skip()
        pids = list_reported_pids(self.app.raw)
        self._before = {self.app.process.pid, *(each for each in pids if not is_running(each))}
        thread = Thread(target=self._look_until_stopped, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def build_record(self) -> ServerRecord:
        ends = sorted(self.ends.values(), key=lambda each: each.at_s)
        queue = self.queue
        return ServerRecord(
            self.settings, tuple(ends), self.log.refusals, tuple(queue.stretches), queue.backlog,
            queue.dropped,
        )  # fmt: skip

    def _look_until_stopped(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stop.wait(LOOK_EVERY_S)
            now_s = monotonic() - self.t0_s
            self.queue.look(now_s)
            self.look_for_ends(now_s)
        self.queue.close()

    def look_for_ends(self, now_s: Second) -> None:
        pids = list_reported_pids(self.app.raw) - self._before
        for each in self.log.read_ends():
            if each.pid in pids and self._is_unexplained(each.pid):
                seen = self.ends.get(each.pid) or WorkerEnd(each.pid, now_s)
                self.ends[each.pid] = replace(seen, reason=each.reason, detail=each.detail)
        for pid in pids:
            seen = self.ends.get(pid) or WorkerEnd(pid, now_s)
            if seen.gone_s is None and not is_running(pid):
                self.ends[pid] = replace(seen, gone_s=now_s)

    def _is_unexplained(self, pid: int) -> bool:
        return pid not in self.ends or self.ends[pid].reason == "unknown"


def list_reported_pids(raw: Path) -> set[int]:
    """Return the pids of all processes that ever ran the probe."""
    return {parse_name(path)[0] for path in raw.glob(REPORTS)}


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def read_settings(app: AuditedApp) -> ServerSettings:
    """Read the settings from the first command that names a server: a process may have another
    title than its command."""
    served_by = next((each.server for each in app.attached if each.server), "")
    for argv, environment in list_commands(app):
        for name, adapter in load_adapters().items():
            at = find_name(argv, name)
            if adapter.read_settings is not None and at is not None:
                started = StartedServer(argv[at + 1 :], environment, app.command.folder, served_by)
                return adapter.read_settings(started)
    return ServerSettings()


def list_commands(app: AuditedApp) -> Iterator[tuple[list[str], dict[str, str]]]:
    environment: dict[str, str] = {}
    for each in app.process.list_processes():
        with contextlib.suppress(psutil.Error, OSError):
            environment = each.environ()
            yield each.cmdline(), environment
    yield list(app.command.argv), environment


def find_name(argv: list[str], name: str) -> int | None:
    """Return the index of `name` as a word, in a path, or after -m."""
    return next((at for at, word in enumerate(argv) if Path(word).name == name), None)
