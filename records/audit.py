"""What an audit writes down of a service: how it was attached, what was asked, and when."""

from dataclasses import dataclass, field

import polars as pl

from records.rows import Schema
from records.server import ServerRecord
from records.trial import TrialRecord
from scenarios.units import Second

KIND = "audit"
"""Of a run directory, in its manifest; and the name of its one cell."""
AUDIT_FILE = "audit.json"
FINDINGS_FILE = "findings.json"
SARIF_FILE = "findings.sarif"
SUMMARY_FILE = "summary.md"
GIL_OPTION = "-X gil=1 or PYTHON_GIL=1"
"""What turned the GIL on, in the place of a module's name."""

ASKED: Schema = {
    "phase": pl.String(),
    "user": pl.UInt16(),
    "request_id": pl.UInt64(),
    "method": pl.String(),
    "route": pl.String(),  # the template where one is known, otherwise the path without its query
    "started_s": pl.Float64(),
    "ended_s": pl.Float64(),  # null: not answered within the timeout
    "status": pl.UInt16(),  # null: no answer
    "error": pl.String(),
    "bytes": pl.UInt64(),
}
"""One row a request, by its client. Times are seconds since the audit's t0."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the load. Times are seconds since the audit's t0.

    routes: "GET /items/{id}" each; empty where the traffic is the user's own.
    """

    name: str
    began_s: Second
    ended_s: Second
    users: int
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachedProcess:
    """A process of the service that has the probe inside, as it reports itself.

    hook: where the app was found, such as uvicorn's Config.load.
    gil: whether its interpreter runs with one. free_threaded: whether it is built to run without.
    gil_enabled_by: the module that turned it on, or GIL_OPTION; None where Python did not say.
    versions: of the packages that serve. stopped: where the probe broke; None where it did not.
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


@dataclass(frozen=True, slots=True)
class UnaskedRoute:
    """A route that no request was sent to, why, and what to type so that one is."""

    method: str
    route: str
    reason: str
    how: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """t0_s: by time.monotonic() of the host. folder: the user's, which file names are relative to.

    command: its program and words, without the values of variables. interrupted: why the audit was
    cut short; None where it was not. server: empty where the audit started none, or is older.
    trials: of --try. folder_in_repository: where the user's folder is in its git repository, "" for
    its root; None where it is in none, or the audit is older.
    hop_ms: what it takes, alone on this machine, to hand a call to a thread and
    to await its result; None where it was not measured.
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
    hop_ms: float | None = None
