"""`study audit`: starts the user's service with the probe inside, asks it, and says what blocks its
event loop."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import polars as pl
from pydantic import TypeAdapter

from records.audit import ASKED, AUDIT_FILE, KIND, AuditRecord
from records.build_probe_tables import PROBE_TABLES
from records.build_tables import read_journals
from records.rundir import RunDir, create_run
from records.server import ServerRecord
from scenarios.errors import (
    ALL_WELL,
    CANNOT,
    INTERRUPTED,
    UserError,
    build_cannot_run_error,
)
from stress.audit.attach import start_audited_app
from stress.audit.audited_app import AuditedApp
from stress.audit.command import AuditedCommand
from stress.audit.drive import AuditLoad, Driven, drive_requests
from stress.audit.last_words import read_last_words
from stress.audit.measure_hop import measure_hop_ms
from stress.audit.requests import (
    RequestOptions,
    RequestPlan,
    check_options,
    plan_requests,
    render_plan,
)
from stress.audit.watch_server import ServerWatch
from stress.interruption import CellInterruptedError, Interruption, record_signals
from stress.processes import describe_exit_code
from study.audit_report import report_audit
from study.machine_facts import collect_environment

ASSIGNMENT = re.compile(r"([\w-]+)=.*", re.DOTALL)
NOT_SEEN = (
    "a server that runs already has no probe inside: the audit measures its latencies and cannot "
    "see what blocks it"
)


@dataclass(frozen=True, slots=True)
class AuditOrder:
    """What was asked for. command: None where `url` names a server that runs already. port: the one
    that the service is asked on, if it listens on several."""

    command: AuditedCommand | None
    url: str
    port: int | None
    requests: RequestOptions
    load: AuditLoad
    out: Path
    recorded_command: str
    only_plan: bool = False
    json_output: bool = False
    verbose: bool = False


@dataclass(slots=True)
class Audit:
    """One audit as it goes on: what is known so far, so that an early end loses none of it."""

    order: AuditOrder
    directory: RunDir
    interruption: Interruption
    t0_s: float = field(default_factory=monotonic)
    started_utc: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    app: AuditedApp | None = None
    plan: RequestPlan = field(default_factory=RequestPlan)
    driven: Driven | None = None
    server: ServerRecord = field(default_factory=ServerRecord)
    hop_ms: float | None = None
    ended_by: str | None = None
    """Why it ended before its time."""

    def run(self) -> None:
        """Raises UserError, CellInterruptedError."""
        command = self.order.command
        if command is None:
            self.show(NOT_SEEN)
            self.ask(self.order.url)
            return
        self.show(f"starting {Path(command.argv[0]).name}")
        raw = self.directory.open_cell(KIND).raw
        self.app = start_audited_app(command, raw, self.interruption, self.order.port)
        with self.app:
            self.show(f"it serves {self.app.url} with the probe inside")
            self.ask(self.app.url)
        if not self.order.only_plan and self.app.attached:
            executable = self.app.attached[0].executable
            self.hop_ms = measure_hop_ms(executable, raw, self.interruption)

    def ask(self, url: str) -> None:
        self.plan = plan_requests(url, self.order.requests, self.interruption)
        if self.order.only_plan:
            print(*render_plan(self.plan), sep="\n")
            return
        for warning in self.plan.warnings:
            self.show(f"warning: {warning}")
        load = replace(self.order.load, t0_s=self.t0_s)
        with self.watch_server():
            self.driven = drive_requests(
                url, self.plan, load, self.interruption, self.show, self.is_alive
            )
        self.ended_by = self.driven.interrupted
        if self.app is not None and not self.is_alive():  # in no record: it may say a secret
            words = read_last_words(self.app.process.log)
            self.show(f"your service ended by itself ({self.describe_end()}): {words}")

    @contextmanager
    def watch_server(self) -> Iterator[None]:
        """What happens to the server meanwhile belongs to the record, however it ends."""
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

    def describe_end(self) -> str:
        code = self.app.process.get_exit_code() if self.app else None
        return "" if code is None else describe_exit_code(code)

    def show(self, text: str) -> None:
        """On stderr: the answer alone goes to stdout."""
        print(f"study: {text}", file=sys.stderr, flush=True)

    def keep(self) -> None:
        """Raises UserError where the disk is full."""
        try:
            self.save()
        except OSError as error:
            raise build_cannot_run_error(
                f"{self.directory.path}: cannot save the audit: {error.strerror or error}. What "
                "the probe wrote stays in it. Make room, or take another folder (--out), and run "
                "it again"
            ) from error

    def save(self) -> None:
        """What was seen, as far as it goes."""
        end_s = monotonic()
        cell = self.directory.open_cell(KIND)
        cell.path.mkdir(parents=True, exist_ok=True)
        if self.app is not None:
            self.app.process.log.unlink(missing_ok=True)  # it may say a secret
        journals, _ = read_journals(sorted(cell.raw.glob("probe-*.journal")))
        for name, build in PROBE_TABLES.items():
            cell.save_table(name, build(journals, self.t0_s, end_s))
        rows = self.driven.rows if self.driven else pl.DataFrame(schema=ASKED)
        cell.save_table("asked", rows)
        record = TypeAdapter(AuditRecord).dump_json(self.build_record(end_s), indent=2)
        (cell.path / AUDIT_FILE).write_bytes(record + b"\n")
        self.directory.save_manifest({
            "kind": KIND,
            "command": self.order.recorded_command,
            "environment": collect_environment(),
        })  # fmt: skip

    def build_record(self, end_s: float) -> AuditRecord:
        command, driven = self.order.command, self.driven
        return AuditRecord(
            started_utc=self.started_utc,
            t0_s=self.t0_s,
            ended_s=end_s - self.t0_s,
            command=hide_values(command.argv) if command else (),
            folder=str(command.folder.resolve()) if command else "",
            url=self.app.url if self.app else self.order.url,
            processes=tuple(self.app.attached) if self.app else (),
            phases=driven.phases if driven else (),
            unasked=self.plan.unasked,
            warnings=(*self.plan.warnings, *(driven.warnings if driven else ())),
            interrupted=self.ended_by,
            server=self.server,
            hop_ms=self.hop_ms,
        )


def audit_service(order: AuditOrder) -> int:
    """The exit code. Raises UserError where the service can't be started or asked."""
    check_options(order.requests)
    directory = create_run(order.out.resolve(), KIND)
    with record_signals() as interruption:
        audit = Audit(order, directory, interruption)
        try:
            audit.run()
        except CellInterruptedError as error:
            audit.ended_by = str(error)
        except UserError:
            directory.discard()  # at most one request of each route was sent
            raise
        if order.only_plan:
            directory.discard()
            return INTERRUPTED if audit.ended_by else ALL_WELL
        audit.keep()  # a signal is only noted here: it cannot tear what was measured
    code = report_audit(directory, json_output=order.json_output, verbose=order.verbose)
    if audit.ended_by is None:
        return code
    audit.show(f"the audit ended early: {audit.ended_by}")
    return INTERRUPTED if interruption.reason else CANNOT


def hide_values(argv: Sequence[str]) -> tuple[str, ...]:
    """The words of a command, without what variables in it are set to: they may be secrets."""
    return tuple(ASSIGNMENT.sub(r"\1=...", word) for word in argv)
