"""Small records of an audit, for tests of its findings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import polars as pl

from analysis.findings import AuditEvidence, AuditFinding
from analysis.findings.load_evidence import (
    RECORD as RECORD_TYPE,
)
from analysis.findings.load_evidence import (
    build_stretches,
    list_endpoints,
)
from records.audit import ASKED, AUDIT_FILE, AttachedProcess, AuditRecord, Phase
from records.rows import BLOCK_STACKS, BLOCKS, HANDLERS, PROBE_SCHEMAS
from records.rundir import RunDir

FOLDER = "/srv/shop"
SITE = "/srv/shop/.venv/lib/python3.13/site-packages"
PID = 7

Entry = tuple[str, str, int, str, int]
"""module, file, line, function, first line"""
Row = Mapping[str, object]
F = TypeVar("F", bound=AuditFinding)


def own(function: str, line: int, file: str = f"{FOLDER}/main.py") -> Entry:
    return ("main", file, line, function, line - line % 10)


def library(module: str, function: str, line: int = 1) -> Entry:
    return (module, f"{SITE}/{module.replace('.', '/')}.py", line, function, 1)


RUN: Sequence[Entry] = (("asyncio.events", "/usr/lib/python3.13/asyncio/events.py", 89, "_run", 1),)
ROUTED: Sequence[Entry] = (
    library("fastapi.routing", "run_endpoint_function"),
    library("fastapi.routing", "app"),
    library("starlette._exception_handler", "wrapped_app"),
    library("starlette.middleware.errors", "__call__"),
    *RUN,
)


def endpoint(function: str, line: int, below: Sequence[Entry] = ()) -> list[Entry]:
    """The stack of a FastAPI endpoint."""
    return [*below, own(function, line), *ROUTED]


@dataclass
class AuditBuilder:
    """Collects rows; times in seconds since t0."""

    blocks: list[dict[str, object]] = field(default_factory=list)
    stacks: list[dict[str, object]] = field(default_factory=list)
    handlers: list[dict[str, object]] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)
    phases: tuple[Phase, ...] = (Phase("together", 0.0, 10.0, 2),)

    def block(
        self,
        began_s: float,
        length_s: float,
        stacks: Sequence[Sequence[Entry]],
        route: str | None = "/report",
        **columns: object,
    ) -> None:
        """A stretch, by default a wait, with samples in the middle of equal parts."""
        number = len(self.blocks) + 1
        holder = columns.pop("holder_stack", None)
        row: dict[str, object] = {
            "pid": PID, "stretch": number, "began_s": began_s, "ended_s": began_s + length_s,
            "timed": 1, "visit": number, "route": route, "cpu_s": 0.0, "run_delay_s": 0.0,
            "gc_s": 0.0, "unseen_s": 0.0, "paused_s": 0.0, "holder_thread": 0, "holder_cpu_s": 0.0,
            "holder_visit": 0, "holder_route": None,
            "holder_stack": None if holder is None else json.dumps(holder),
        }  # fmt: skip
        self.blocks.append(row | columns)
        for place, stack in enumerate(stacks, start=1):
            at_s = began_s + length_s * (place - 0.5) / len(stacks)
            visit = columns.get("visit", number)
            sample = {"pid": PID, "stretch": number, "visit": visit, "in_gc": 0}
            self.stacks.append(sample | {"at_s": at_s, "stack": json.dumps(stack)})

    def ask(self, route: str, started_s: float, ended_s: float | None, **columns: object) -> None:
        number = len(self.asked) + 1
        self.asked.append(
            {
                "phase": self.phases[-1].name, "user": 1, "request_id": number, "method": "GET",
                "route": route, "started_s": started_s, "ended_s": ended_s,
                "status": None if ended_s is None else 200,
            }
            | columns
        )  # fmt: skip
        if ended_s is not None:
            self.handle(route, request_id=number)

    def handle(self, route: str, **columns: object) -> None:
        self.handlers.append({"pid": PID, "route": route, "protocol": "http"} | columns)

    def build(self) -> AuditEvidence:
        handlers = make_table(self.handlers, HANDLERS)
        return AuditEvidence(
            record=replace(RECORD, phases=self.phases),
            asked=make_table(self.asked, ASKED),
            handlers=handlers,
            stretches=build_stretches(
                make_table(self.blocks, BLOCKS), make_table(self.stacks, BLOCK_STACKS)
            ),
            endpoints=list_endpoints(handlers),
        )


RECORD = AuditRecord(
    started_utc="2026-11-28T12:00:00+00:00",
    t0_s=1000.0,
    ended_s=10.0,
    command=("uvicorn", "main:app"),
    folder=FOLDER,
    url="http://127.0.0.1:8000",
    processes=(
        AttachedProcess(
            PID, "3.13.1", "python", True, "asyncio", "uvicorn", "Config.load", "FastAPI"
        ),
    ),
)


def make_table(
    rows: Sequence[Mapping[str, object]], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    return pl.DataFrame(
        [[row.get(name) for name in schema] for row in rows], schema=dict(schema), orient="row"
    )


def find_kind(kind: type[F], evidence: AuditEvidence) -> tuple[F, ...]:
    """The findings of one kind."""
    return tuple(each for each in kind.find(evidence).findings if isinstance(each, kind))


def save_audit(
    run: RunDir, audit: AuditBuilder, processes: tuple[AttachedProcess, ...] | None = None
) -> None:
    """Save like the audit does."""
    cell = run.open_cell("audit")
    cell.path.mkdir(parents=True)
    inside = RECORD.processes if processes is None else processes
    record = replace(RECORD, phases=audit.phases, processes=inside)
    (cell.path / AUDIT_FILE).write_bytes(RECORD_TYPE.dump_json(record))
    cell.save_table("asked", make_table(audit.asked, ASKED))
    seen = {"handlers": audit.handlers, "blocks": audit.blocks, "block_stacks": audit.stacks}
    for name, schema in PROBE_SCHEMAS.items():
        cell.save_table(name, make_table(seen.get(name, []), schema))
    run.save_manifest({"kind": "audit", "environment": {"cpu": "a <fast> one", "cores": 2}})
