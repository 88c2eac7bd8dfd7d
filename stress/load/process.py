"""One load process: what it has been told and what it knows. Only Locust's own processes load
this file."""

import json
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import monotonic, process_time

import gevent
import psutil
from locust.env import Environment

from records.journal import JournalWriter
from stress.load.protocol import LoadControl, LoadPlan
from stress.load.reports import LOOKS_S, LoadReport
from stress.load.sent_requests import RequestLedger, UserRamp
from stress.places import ROOT

FLUSH_EVERY_S = LOOKS_S
WRITE_EVERY_S = 0.02
BEGIN_LOOK_S = 0.02
REPORTS_IN_S = 3 * FLUSH_EVERY_S
"""By then every load process has reported something from after the last send."""


class LoadProcess:
    """There is one in each."""

    def __init__(self) -> None:
        self.plan: LoadPlan
        self.ledger = RequestLedger(0)
        self.ramp = UserRamp(0, 1.0)
        self.control: LoadControl | None = None
        self.begin_s: float | None = None
        self.headers: dict[str, str] = {}
        """Of every request, beside its id."""
        self.asked = 0

    def configure(self, plan: LoadPlan, process: int, user_classes: list[type]) -> None:
        self.plan = plan
        self.ledger = RequestLedger(plan.cell_number, process)
        self.ramp = UserRamp(plan.users, plan.spawn_rate, plan.processes, process)
        if plan.body is not None:
            self.headers["content-type"] = "application/json"
        if not plan.keep_alive:
            self.headers["connection"] = "close"
        for each in user_classes:  # Locust reads them from the class
            each.host = plan.host  # type: ignore[attr-defined]
            each.connection_timeout = plan.timeout_s  # type: ignore[attr-defined]
            each.network_timeout = plan.timeout_s  # type: ignore[attr-defined]

    def choose_next_path(self) -> str:
        """The rare one evenly spread over this process's requests, whichever user's turn it is."""
        if self.plan.rare_path is None:
            return self.plan.path
        self.asked += 1
        return self.plan.path if self.asked % self.plan.rare_one_in else self.plan.rare_path

    @property
    def folder(self) -> Path:
        """The cell's; only on the runner's machine."""
        return Path(self.plan.folder)

    def apply_control(self, control: LoadControl) -> None:
        self.control = control
        if control.requests is not None:
            self.ledger.add_completed(control.requests, monotonic())

    @property
    def stopped_at_s(self) -> float | None:
        """None until it is known."""
        if self.control is None:
            return None
        counted_s = self.ledger.counted_until_s
        return self.control.stop_at_s if counted_s is None else counted_s

    @property
    def is_quiet(self) -> bool:
        return self.stopped_at_s is not None and monotonic() >= self.stopped_at_s

    @property
    def is_over(self) -> bool:
        if self.control is None or self.stopped_at_s is None:
            return False
        drain_s = self.control.drain_until_s - self.control.stop_at_s
        return monotonic() >= self.stopped_at_s + drain_s

    def record_ramp_end(self) -> None:
        """An open loop has none: it is as it will be from the moment when its schedule begins."""
        if self.ledger.ramp_end_s is None and self.plan.arrival_rate is None:
            self.ledger.ramp_end_s = max(monotonic(), self.ramp.end_s)

    def begin_schedule(self, at_s: float) -> None:
        """Of an open loop: due times count from that moment, in all load processes together."""
        self.begin_s = self.ledger.ramp_end_s = at_s

    def await_schedule(self) -> float:
        """When it begins."""
        while self.begin_s is None:
            gevent.sleep(BEGIN_LOOK_S)
        return self.begin_s

    def build_report(self, rows: bytes = b"") -> LoadReport:
        ramp_end_s, counts = self.ledger.ramp_end_s, asdict(self.ledger.take_snapshot())
        ago_s = None if ramp_end_s is None else monotonic() - ramp_end_s
        return LoadReport(**counts, rows=rows, ramp_ended_ago_s=ago_s)

    def write_periodically(self, writer: JournalWriter) -> None:
        """A greenlet that never ends. What is new in the ledger is packed in small pieces: at 1000
        requests a second a quarter of a second's rows would hold up the next sends for 3 ms."""
        while True:
            gevent.sleep(WRITE_EVERY_S)
            writer.write("r", self.ledger.take_new_rows())

    def write_new_rows(self, writer: JournalWriter) -> None:
        """What is new in the ledger, and what this process has used so far."""
        writer.write("r", self.ledger.take_new_rows())
        writer.write("u", [(monotonic(), process_time(), psutil.Process().memory_info().rss)])


def parse_plan(environment: Environment) -> LoadPlan:
    assert environment.parsed_options is not None
    return LoadPlan(**json.loads(environment.parsed_options.load_plan))


def collect_versions() -> dict[str, str]:
    """What must be the same in all load processes: another revision measures otherwise, or writes
    another journal. `load code` is drawn from the sources: nobody forgets to raise it."""
    sources = [path for folder in ("stress", "records") for path in (ROOT / folder).rglob("*.py")]
    code = b"".join(path.read_bytes() for path in sorted(sources))
    return {
        "load code": sha256(code).hexdigest()[:12],
        "locust": version("locust"),
        "geventhttpclient": version("geventhttpclient"),
    }


def describe_version_mismatch(theirs: dict[str, str], ours: dict[str, str]) -> str:
    """In words; empty where they are the same."""
    return ", ".join(
        f"{name} {theirs.get(name, 'unknown')} and not {ours[name]}"
        for name in ours
        if theirs.get(name) != ours[name]
    )
