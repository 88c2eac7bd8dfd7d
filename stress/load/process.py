"""The state of one load process, and the leader of a cell's load, which reports progress, obeys the
runner and ends the load. Only Locust's own processes import this file."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import monotonic, process_time

import gevent
import psutil
from locust.env import Environment
from locust.runners import Runner

from records.journal import JournalWriter
from records.rows import LOAD_JOURNAL
from scenarios.model import Endpoint, Load, RareRequest
from stress.load.protocol import (
    BEGIN_IN_S,
    GO_FILE,
    LOOKS_S,
    LoadControl,
    LoadPlan,
    LoadProgress,
    LoadReport,
    LoadReports,
    read_message,
    write_message,
)
from stress.load.sent_requests import RequestLedger, UserRamp
from stress.places import ROOT

FLUSH_EVERY_S = LOOKS_S
WRITE_EVERY_S = 0.02
POLL_S = 0.05
REPORTS_IN_S = 3 * FLUSH_EVERY_S
"""By then, every load process has sent a report from after its last request."""


class LoadProcess:
    """The state of a load process; each process has one."""

    def __init__(self) -> None:
        self.plan: LoadPlan
        self.ledger = RequestLedger(0)
        self.ramp = UserRamp(0, 1.0)
        self.control: LoadControl | None = None
        self.begin_s: float | None = None
        self.headers: dict[str, str] = {}
        """Headers of every request, besides its id."""
        self.asked = 0
        self.writer: JournalWriter | None = None
        """None in a process that sends no requests, and before the plan arrives."""

    def configure(self, plan: LoadPlan, process: int, user_classes: list[type]) -> None:
        self.plan, load = plan, plan.load
        self.ledger = RequestLedger(plan.cell_number, process)
        self.ramp = UserRamp(load.users, load.spawn_rate, load.processes, process)
        if plan.endpoint.body is not None:
            self.headers["content-type"] = "application/json"
        if not load.keep_alive:
            self.headers["connection"] = "close"
        for each in user_classes:  # Locust reads them from the class
            each.host = plan.host  # type: ignore[attr-defined]
            each.connection_timeout = plan.timeout_s  # type: ignore[attr-defined]
            each.network_timeout = plan.timeout_s  # type: ignore[attr-defined]

    def choose_next_path(self) -> str:
        """Return the next path; the rare one is evenly spread over this process's requests."""
        self.asked += 1
        rare = self.plan.rare
        if rare is None or self.asked % rare.one_in:
            return self.plan.endpoint.path
        return rare.path

    @property
    def folder(self) -> Path:
        """The cell's folder; it exists only on the runner's machine."""
        return Path(self.plan.folder)

    @property
    def stopped_at_s(self) -> float | None:
        """When the users stop sending requests; None until known."""
        if self.control is None:
            return None
        counted_s = self.ledger.counted_until_s
        return self.control.stop_at_s if counted_s is None else counted_s

    @property
    def is_quiet(self) -> bool:
        return self.stopped_at_s is not None and monotonic() >= self.stopped_at_s

    def record_ramp_end(self) -> None:
        """Record the ramp's end. An open loop has no ramp: it starts at its full rate."""
        if self.ledger.ramp_end_s is None and not self.plan.load.is_open:
            self.ledger.ramp_end_s = max(monotonic(), self.ramp.end_s)

    def begin_schedule(self, at_s: float) -> None:
        """Begin an open loop: due times count from `at_s` in all load processes."""
        self.begin_s = self.ledger.ramp_end_s = at_s

    def build_report(self, rows: bytes = b"") -> LoadReport:
        ramp_end_s, counts = self.ledger.ramp_end_s, asdict(self.ledger.take_snapshot())
        ago_s = None if ramp_end_s is None else monotonic() - ramp_end_s
        return LoadReport(**counts, rows=rows, ramp_ended_ago_s=ago_s)

    def open_journal(self, sink: Callable[[bytes], None]) -> None:
        """Write new rows to `sink` in small pieces: at 1000 rps, packing the rows of 0.25 s at once
        would delay the next requests by 3 ms. Each of many processes has few rows."""
        writer = self.writer = JournalWriter(sink, LOAD_JOURNAL, {"process": self.ledger.process})

        def write_periodically() -> None:
            while True:
                gevent.sleep(min(FLUSH_EVERY_S, WRITE_EVERY_S * self.plan.load.processes))
                writer.write("r", self.ledger.take_new_rows())

        gevent.spawn(write_periodically)

    def write_new_rows(self) -> None:
        """Write the new rows, and the resources used so far."""
        assert self.writer is not None
        self.writer.write("r", self.ledger.take_new_rows())
        used = (monotonic(), process_time(), psutil.Process().memory_info().rss)
        self.writer.write("u", [used])


def parse_plan(environment: Environment) -> LoadPlan:
    assert environment.parsed_options is not None
    plan = json.loads(environment.parsed_options.load_plan)
    plan["endpoint"], plan["load"] = Endpoint(**plan["endpoint"]), Load(**plan["load"])
    plan["rare"] = RareRequest(**plan["rare"]) if plan["rare"] else None
    return LoadPlan(**plan)


def collect_versions() -> dict[str, str]:
    """Return the versions that all load processes must share, since another revision may measure or
    write journals differently. `load code` is a hash of the sources."""
    sources = [path for folder in ("stress", "records") for path in (ROOT / folder).rglob("*.py")]
    code = b"".join(path.read_bytes() for path in sorted(sources))
    return {
        "load code": sha256(code).hexdigest()[:12],
        "locust": version("locust"),
        "geventhttpclient": version("geventhttpclient"),
    }


def describe_version_mismatch(theirs: dict[str, str]) -> str:
    """Describe the differences; empty if there are none."""
    different = collect_versions().items() - theirs.items()
    return ", ".join(
        f"{name} {theirs.get(name, 'unknown')} instead of {ours}"
        for name, ours in sorted(different)
    )


def append_journal(path: Path, content: bytes) -> None:
    """Append to a journal. It is opened for each write, since Locust forks after the import."""
    with path.open("ab") as file:
        file.write(content)


class LoadLeader:
    """The common part of a single load process and a master."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        self.me = me
        self.environment = environment
        self.runner = runner
        self.reports = LoadReports()
        self.is_ended = False
        environment.events.spawning_complete.add_listener(self.on_spawning_complete)

    def await_word(self) -> None:
        """Wait for the go file; the load imports while the server starts."""
        while not (self.me.folder / GO_FILE).exists():
            gevent.sleep(POLL_S)

    def run_load(self) -> None:
        try:
            flushed_s = 0.0
            while not self._is_done():
                gevent.sleep(POLL_S)
                self._hear_runner()
                if monotonic() - flushed_s >= FLUSH_EVERY_S:
                    self.flush()
                    flushed_s = monotonic()
            self.reports.mark_silent_as_lost()
            self.flush()
        except OSError as error:  # the folder is gone or the disk is full: nothing can be recorded
            print(f"load: cannot write: {error}", flush=True)
            self.environment.process_exit_code = 1
        self.is_ended = True
        self.runner.quit()

    def _hear_runner(self) -> None:
        control = read_message(self.me.folder, LoadControl) if self.me.control is None else None
        if control is not None:
            self.me.control = control
            self.me.ledger.count_completions(control.requests, monotonic())
            self.forward_control(control)

    def _is_done(self) -> bool:
        """Return True if sending has stopped and no request is unfinished, or the drain is over."""
        control, stopped_at_s, now_s = self.me.control, self.me.stopped_at_s, monotonic()
        if control is None or stopped_at_s is None or now_s < stopped_at_s:
            return False
        all_ended = self.reports.has_heard_all() and self.reports.sum_progress().in_flight == 0
        is_over = now_s >= stopped_at_s + control.drain_until_s - control.stop_at_s
        return is_over or (all_ended and now_s >= stopped_at_s + REPORTS_IN_S)

    def flush(self) -> None:
        write_message(self.me.folder, self.build_progress())

    def build_progress(self) -> LoadProgress:
        ledger = self.me.ledger
        return replace(
            self.reports.sum_progress(),
            counted_from_s=ledger.counted_from_s,
            counted_until_s=ledger.counted_until_s,
        )

    def forward_control(self, control: LoadControl) -> None:
        """Forward the control to load workers, if there are any."""

    def on_spawning_complete(self, **_: object) -> None:
        if self.me.plan.load.is_open:
            self.me.begin_schedule(monotonic() + BEGIN_IN_S)
        self.me.record_ramp_end()


class SingleProcessLeader(LoadLeader):
    """Leader of the only load process, which writes its own journal."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        super().__init__(me, environment, runner)
        self.reports.expect_processes(1)
        vars(runner)["start"] = partial(self.start_on_word, runner.start)
        me.open_journal(partial(append_journal, me.folder / "load-0.journal"))

    def start_on_word(self, start: Callable[..., None], *users: float) -> None:
        self.await_word()
        start(*users)

    def flush(self) -> None:
        self.me.write_new_rows()
        self.reports.record_report(0, self.me.build_report(), monotonic())
        super().flush()
