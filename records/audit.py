"""The record of an audit: how it attached to the service, and the load it sent."""

from dataclasses import dataclass, field

import polars as pl

from records.rows import Schema
from records.server import ServerRecord
from records.trial import TrialRecord
from scenarios.units import Second

KIND = "audit"
"""The kind of run directory in its manifest, and the name of its one cell."""
AUDIT_FILE = "audit.json"
FINDINGS_FILE = "findings.json"
SARIF_FILE = "findings.sarif"
SUMMARY_FILE = "summary.md"
APP_ENDED = "the app ended by itself"
"""Why an audit was cut short."""
GIL_OPTION = "-X gil=1 or PYTHON_GIL=1"
"""Stands for a module's name if an option turned the GIL on."""

ASKED: Schema = {
    "phase": pl.String(),
    "user": pl.UInt16(),
    "request_id": pl.UInt64(),
    "method": pl.String(),
    "route": pl.String(),  # the route template if known, otherwise the path without its query
    "started_s": pl.Float64(),
    "ended_s": pl.Float64(),  # null: unanswered within the timeout
    "status": pl.UInt16(),  # null: no response
    "error": pl.String(),
    "bytes": pl.UInt64(),
}
"""One row per request, written by the client. Times are seconds since the audit's t0."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the load. Times are seconds since the audit's t0.

    routes: such as "GET /items/{id}"; empty if the user's own load driver sent the requests.
    """

    name: str
    began_s: Second
    ended_s: Second
    users: int
    routes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for a phase that ends before it begins."""
        if self.ended_s < self.began_s:
            raise ValueError(f"phase {self.name} ends before it begins")


@dataclass(frozen=True, slots=True)
class AttachedProcess:
    """A process of the service that runs the probe, as the probe reports it.

    hook: where the probe found the app, such as uvicorn's Config.load.
    gil: True if the GIL is on. free_threaded: True for a free-threaded build of Python.
    gil_enabled_by: the module that turned the GIL on, or GIL_OPTION; None if unknown.
    versions: of the server's packages. stopped: where the probe failed; None if it did not.
    """

    pid: int
    python: str
    executable: str
    gil: bool
    loop: str
    server: str
    hook: str
    app: str
    versions: dict[str, str] = field(default_factory=dict)
    free_threaded: bool = False
    gil_enabled_by: str | None = None
    stopped: str | None = None

    @property
    def has_stacks(self) -> bool:
        """Without the GIL, the probe reads no stack of another thread."""
        return self.gil or not self.free_threaded


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """What a journal of the probe lacks. unrecorded: tables that its process did not record.
    is_closed: the probe ended in order, so nothing is missing at the end. began_s: its first kept
    sample, in seconds since the audit's t0, if it has a limit and older rows were removed."""

    pid: int
    unrecorded: tuple[str, ...] = ()
    is_closed: bool = False
    began_s: Second | None = None


@dataclass(frozen=True, slots=True)
class UnaskedRoute:
    """A route that got no request: the reason, and the command that sends one."""

    method: str
    route: str
    reason: str
    how: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """t0_s: time.monotonic() of the host. folder: the user's folder; file names are relative to it.

    command: program and arguments, without what may be a secret. interrupted: why the audit
    stopped early; None if it did not. server: empty if the audit started no server, or in older
    audits. trials: of --try. folder_in_repository: the folder's path in its git repository, "" for
    the root; None outside a repository, or in older audits.
    hop_ms: time to move a call to a thread and await its result on this idle machine; None if not
    measured. journals_lost: files of processes whose records are missing or incomplete.
    journals: those that can be read; empty in older audits. routes_unknown: the one of the warnings
    that says why no request came from the app's document, although it was to be used.
    """

    started_utc: str
    t0_s: float
    ended_s: Second
    command: tuple[str, ...]
    folder: str
    url: str
    processes: tuple[AttachedProcess, ...] = ()
    phases: tuple[Phase, ...] = ()
    unasked: tuple[UnaskedRoute, ...] = ()
    warnings: tuple[str, ...] = ()
    interrupted: str | None = None
    schema: int = field(default=1)
    server: ServerRecord = field(default_factory=ServerRecord)
    trials: tuple[TrialRecord, ...] = ()
    folder_in_repository: str | None = None
    journals_lost: tuple[str, ...] = ()
    journals: tuple[JournalRecord, ...] = ()
    hop_ms: float | None = None
    routes_unknown: str | None = None
