"""`study audit`: starts the user's service with the probe, sends it requests and records both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import polars as pl

from analysis.findings.finding_threshold import FindingGate
from records.audit import APP_ENDED, ASKED, KIND, AuditRecord
from records.command_words import hide_values
from records.files import check_room
from records.rundir import CellDir, RunDir, translate_write_errors
from records.server import ServerRecord
from records.trial import TrialRecord
from scenarios.units import Second
from stress.audit.attach import start_audited_app
from stress.audit.attach_errors import HOW_FOREGROUND
from stress.audit.audited_app import AuditedApp
from stress.audit.choose_port import warn_of_other_ports
from stress.audit.command import AuditedCommand, warn_of_debugging
from stress.audit.drive import IN_BACKGROUND, AuditLoad, Driven, drive_requests
from stress.audit.kept_rows import ROWS_FILE
from stress.audit.measure_hop import measure_hop_of
from stress.audit.reports import read_reports
from stress.audit.requests import (
    RequestOptions,
    RequestPlan,
    plan_requests,
)
from stress.audit.save_audit import save_audit, save_audit_record, save_begun_audit
from stress.audit.trial_round import build_round_load, estimate_round_s
from stress.audit.watch_server import ServerWatch
from stress.cell_runner import save_runner
from stress.interruption import Interruption
from stress.last_words import read_last_words
from stress.processes import describe_exit_code
from study.audit_report import NO_GATE
from study.audit_trials import TrialOrder, TrialRunner, choose_trials
from study.machine_facts import collect_environment, find_in_repository
from study.progress import ProgressDisplay

NOT_SEEN = (
    "a running server has no probe: the audit measures its latency and cannot see what blocks its "
    "event loop"
)


@dataclass(frozen=True, slots=True)
class AuditOrder:
    """An audit as ordered. command: None if `url` names a running server. port: where to send
    requests, if the service listens on several."""

    command: AuditedCommand | None
    url: str
    port: int | None
    requests: RequestOptions
    load: AuditLoad
    out: Path
    recorded_command: str
    gate: FindingGate = NO_GATE
    only_plan: bool = False
    json_output: bool = False
    verbose: bool = False
    trials: TrialOrder = field(default_factory=TrialOrder)


@dataclass(slots=True)
class Audit:
    """The state of one audit, so that an early end loses nothing."""

    order: AuditOrder
    directory: RunDir
    interruption: Interruption
    display: ProgressDisplay
    t0_s: float = field(default_factory=monotonic)
    started_utc: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    app: AuditedApp | None = None
    plan: RequestPlan = field(default_factory=RequestPlan)
    driven: Driven | None = None
    server: ServerRecord = field(default_factory=ServerRecord)
    hop_ms: float | None = None
    saved: AuditRecord | None = None
    ended_by: str | None = None
    """Reason of an early end."""
    started_within_s: Second = 0.0
    ended_s: Second = 0.0
    trials: list[TrialRecord] = field(default_factory=list)

    @property
    def cell(self) -> CellDir:
        return self.directory.open_cell(KIND)

    def run(self) -> None:
        """Raises UserError, CellInterruptedError."""
        command, raw = self.order.command, self.cell.raw
        with translate_write_errors(self.directory.path, "the audit"):
            check_room(raw)
            save_runner(self.cell)
            self.save_manifest()
        if command is None:
            self.show(NOT_SEEN)
            self.ask(self.order.url)
            return
        self.show(f"starting {Path(command.argv[0]).name}")
        began_s = monotonic()
        self.app = start_audited_app(command, raw, self.interruption, self.order.port)
        self.started_within_s = monotonic() - began_s
        with self.app:
            self.show(f"the service listens on {self.app.url} with the probe attached")
            self.ask(self.app.url)
        if said := self.app.describe_end():
            self.show(said)
        self.ended_s = monotonic() - self.t0_s
        if not self.order.only_plan and self.ended_by is None:
            noted = self.interruption.reason  # Ctrl-C is how --drive none ends
            self.hop_ms = measure_hop_of(self.app, Interruption() if noted else self.interruption)

    def ask(self, url: str) -> None:
        self.plan = plan_requests(url, self.order.requests, self.interruption)
        if self.order.only_plan:
            return
        for warning in self.list_warnings():
            self.show(f"warning: {warning}")
        with translate_write_errors(self.directory.path, "the audit"):
            save_begun_audit(self.cell, self.build_record())
        journals, kept = self.app.raw if self.app else None, self.cell.raw / ROWS_FILE
        load = replace(self.order.load, t0_s=self.t0_s, journals=journals, kept=kept)
        with self.watch_server():
            self.driven = drive_requests(
                url, self.plan, load, self.interruption, self.show, self.is_alive
            )
        self.ended_by = self.driven.interrupted
        if self.app is not None and not self.is_alive():
            self.show(self.describe_end(self.app))

    def list_warnings(self) -> tuple[str, ...]:
        """Return those about what gets requests."""
        if self.app is None:
            return self.plan.warnings
        reports = read_reports(self.app.raw)
        others = warn_of_other_ports(self.app.url, reports, self.order.port)
        return *others, *self.plan.warnings

    @contextmanager
    def watch_server(self) -> Iterator[None]:
        """Record what happens to the server during the body, however it ends."""
        if self.app is None:
            yield
            return
        watch = ServerWatch(self.app, self.t0_s)
        try:
            with watch.run():
                yield
        finally:
            self.server = watch.build_record()

    def is_alive(self) -> bool:
        return self.app is None or self.app.process.get_exit_code() is None

    def describe_end(self, app: AuditedApp) -> str:
        """The last words are never recorded: they may hold a secret."""
        if app.is_in_background():
            self.ended_by = self.ended_by and IN_BACKGROUND
            return f"{IN_BACKGROUND}; {HOW_FOREGROUND}"
        code = app.process.get_exit_code()
        how = "" if code is None else describe_exit_code(code)
        return f"your service ended by itself ({how}): {read_last_words(app.process.log)}"

    def show(self, text: str) -> None:
        """Print on stderr: only the result goes to stdout."""
        self.display.print_step(f"study: {text}")

    def keep(self) -> None:
        """Save what was recorded so far. Raises UserError if the disk is full."""
        with translate_write_errors(self.directory.path, "the audit"):
            self.save()

    def save(self) -> None:
        self.ended_s = self.ended_s or monotonic() - self.t0_s
        rows = self.driven.rows if self.driven else pl.DataFrame(schema=ASKED)
        self.saved = save_audit(self.cell, self.build_record(), rows)

    def save_manifest(self) -> None:
        self.directory.save_manifest({
            "kind": KIND,
            "command": self.order.recorded_command,
            "environment": collect_environment(),
        })  # fmt: skip

    def save_record(self) -> None:
        """Save the record after a round of a trial."""
        assert self.saved is not None
        save_audit_record(self.cell, replace(self.saved, trials=tuple(self.trials)))

    def can_try(self) -> bool:
        """Return True if trials make sense. A change may cure a deadlock; a service that ended by
        itself did not complete the load."""
        is_over = self.interruption.reason is not None or self.ended_by in (
            APP_ENDED,
            IN_BACKGROUND,
        )
        return not is_over and self.driven is not None

    def run_trials(self) -> None:
        """Raises UserError if the disk is full, CellInterruptedError; finished rounds are kept."""
        command, driven = self.order.command, self.driven
        assert command is not None
        assert driven is not None
        trials = choose_trials(self.order.trials, command, self.directory, self.show)
        if not trials:
            return
        of_audit = replace(self.order.load, t0_s=self.t0_s)
        load = build_round_load(self.plan, driven, of_audit, self.order.port, self.interruption)
        runner = TrialRunner(
            command, load, self.directory, self.order.trials.rounds, self.show, self.save_record,
            self.trials,
        )  # fmt: skip
        runner.run(trials, self.started_within_s + estimate_round_s(driven, of_audit, load))

    def build_record(self) -> AuditRecord:
        command, driven = self.order.command, self.driven
        return AuditRecord(
            started_utc=self.started_utc,
            t0_s=self.t0_s,
            ended_s=self.ended_s,
            command=hide_values(command.argv, command.folder) if command else (),
            folder=str(command.folder.resolve()) if command else "",
            folder_in_repository=find_in_repository(command.folder) if command else None,
            url=self.app.url if self.app else self.order.url,
            processes=tuple(self.app.attached) if self.app else (),
            phases=driven.phases if driven else (),
            unasked=self.plan.unasked,
            warnings=(
                *self.list_warnings(),
                *warn_of_debugging(command),
                *(driven.warnings if driven else ()),
            ),
            interrupted=self.ended_by,
            server=self.server,
            hop_ms=self.hop_ms,
            routes_unknown=self.plan.routes_unknown,
        )
