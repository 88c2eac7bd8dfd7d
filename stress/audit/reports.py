"""Reads the probe's reports of the audited processes: `attach-<pid>-<start>.json`."""

from dataclasses import dataclass, replace
from pathlib import Path
from time import time

from pydantic import TypeAdapter

from records.audit import AttachedProcess
from records.rundir import read_record

LOADED, STARTED = "loaded", "started"
REPORTS = "attach-[0-9]*.json"
SETTLED_S = 0.5
"""Time after which a loaded app counts as ready: without a lifespan it stays loaded, and with one
it leaves that state earlier."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """The outcome of a tried change. invalid: why the trial is inconclusive, else None. warnings:
    what may go wrong in the service although it measures well. All are clauses."""

    applied: bool
    invalid: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """kind: asgi, asgi2, wsgi, rsgi, factory, not callable, unknown. listens: host and port of each
    TCP socket of the ASGI server, and unix: its Unix sockets, if the hook knows them. tls: None if
    the hook does not know it.
    state: loaded, starting, started."""

    pid: int
    ppid: int
    python: str
    executable: str
    gil: bool
    loop: str
    versions: dict[str, str]
    server: str
    hook: str
    app: str
    kind: str
    folder: str
    listens: tuple[tuple[str, int], ...]
    reloads: bool
    tls: bool | None
    state: str
    written: float = 0.0
    free_threaded: bool = False
    gil_enabled_by: str | None = None
    stopped: str | None = None
    trial: TrialReport | None = None
    unix: tuple[str, ...] = ()

    def is_ready(self) -> bool:
        """A started app's hook reports the sockets in a moment, or never."""
        knows_sockets = bool(self.listens or self.unix)
        if self.state == STARTED and knows_sockets:
            return True
        return self.state in (LOADED, STARTED) and time() - self.written > SETTLED_S

    def build_record(self) -> AttachedProcess:
        return AttachedProcess(
            self.pid, self.python, self.executable, self.gil,
            self.loop, self.server, self.hook, self.app, self.versions,
            self.free_threaded, self.gil_enabled_by, self.stopped,
        )  # fmt: skip


READER = TypeAdapter(ProcessReport)


def read_reports(folder: Path) -> list[ProcessReport]:
    """Return the reports ordered by pid and start. The probe replaces each file atomically. Raises
    UserError for a damaged one."""
    return [
        replace(read_record(READER, path), written=path.stat().st_mtime)
        for path in sorted(folder.glob(REPORTS), key=parse_name)
    ]


def parse_name(path: Path) -> tuple[int, str]:
    """Return the pid and the start of a report's process, ordered as the names of journals."""
    pid, _, started_s = path.stem.removeprefix("attach-").partition("-")
    return int(pid), started_s


def read_trial(folder: Path) -> TrialReport:
    """Combine the reports of all processes. One that never applied the change, such as a worker
    without requests, counts only if no process applied it."""
    reports = [each.trial for each in read_reports(folder) if each.trial is not None]
    counted = [each for each in reports if each.applied] or reports
    if not counted:
        return TrialReport(False, "no process of the service applied it", ())
    return TrialReport(
        applied=counted[0].applied,
        invalid=next((each.invalid for each in counted if each.invalid), None),
        warnings=tuple(dict.fromkeys(text for each in counted for text in each.warnings)),
    )
