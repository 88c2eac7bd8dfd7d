"""What the audited processes say of themselves: `attach-<pid>.json`, which the probe writes."""

from dataclasses import dataclass, replace
from pathlib import Path
from time import time

from pydantic import TypeAdapter

from records.audit import AttachedProcess

LOADED, STARTED = "loaded", "started"
SETTLED_S = 0.5
"""An app whose server sends it no lifespan stays loaded; one that gets one leaves that state
earlier than this."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What became of the change that an audit tries. invalid: why it measures nothing; None where
    it does. warnings: what may go wrong in the service though it measures well. All are clauses."""

    applied: bool
    invalid: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """kind: asgi, asgi2, wsgi, rsgi, factory, not callable, unknown. listens: host and port of each
    socket of the ASGI server, where the hook knows them. tls: None where the hook does not know it.
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

    def is_ready(self) -> bool:
        return self.state == STARTED or (self.state == LOADED and time() - self.written > SETTLED_S)

    def build_record(self) -> AttachedProcess:
        return AttachedProcess(
            self.pid, self.python, self.executable, self.gil,
            self.loop, self.server, self.hook, self.app, self.versions,
            self.free_threaded, self.gil_enabled_by, self.stopped,
        )  # fmt: skip


READER = TypeAdapter(ProcessReport)


def read_reports(folder: Path) -> list[ProcessReport]:
    """By pid. Each is whole: it takes its predecessor's place at once."""
    found = [
        replace(READER.validate_json(path.read_bytes()), written=path.stat().st_mtime)
        for path in folder.glob("attach-*.json")
    ]
    return sorted(found, key=lambda each: each.pid)


def read_trial(folder: Path) -> TrialReport:
    """Of all processes of a service. One that did not get to make the change, such as a worker that
    no request reached, counts only where none made it."""
    reports = [each.trial for each in read_reports(folder) if each.trial is not None]
    counted = [each for each in reports if each.applied] or reports
    if not counted:
        return TrialReport(False, "no process of the service took part in it", ())
    return TrialReport(
        applied=counted[0].applied,
        invalid=next((each.invalid for each in counted if each.invalid), None),
        warnings=tuple(dict.fromkeys(text for each in counted for text in each.warnings)),
    )
