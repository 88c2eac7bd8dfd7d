"""The evidence of an audit from its run directory. If it was cut short, tables may be missing."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import polars as pl
from pydantic import TypeAdapter

from analysis.findings.code_texts import parse_code, parse_stack
from analysis.findings.evidence import (
    AuditEvidence,
    GilHolder,
    RouteCode,
    StackSample,
    Stretch,
    StretchClocks,
)
from records.audit import ASKED, AUDIT_FILE, KIND, AuditRecord
from records.journal import MORE
from records.rows import PROBE_SCHEMAS, Schema, conform_to_schema
from records.rundir import CellDir, RunDir, read_record, translate_read_errors
from records.trial import TrialRound
from scenarios.units import Second

RECORD = TypeAdapter(AuditRecord)
SCHEMAS: Mapping[str, Schema] = {"asked": ASKED, **PROBE_SCHEMAS}


def load_audit_evidence(run: RunDir) -> AuditEvidence:
    """Raise UserError if the record is missing or a table is damaged."""
    cell = run.open_cell(KIND)
    record = read_record(RECORD, cell.path / AUDIT_FILE)
    missing = tuple(name for name in SCHEMAS if not (cell.path / f"{name}.parquet").exists())
    frames = {
        name: pl.DataFrame(schema=dict(schema))
        if name in missing
        else load_table(cell, name, schema)
        for name, schema in SCHEMAS.items()
    }
    return AuditEvidence(
        record=record,
        asked=resolve_routes(frames["asked"], frames["handlers"], frames["asked"]),
        handlers=frames["handlers"],
        stretches=build_stretches(frames["blocks"], frames["block_stacks"]),
        endpoints=list_endpoints(frames["handlers"]),
        missing=missing,
        handovers=frames["handovers"],
        thread_stacks=frames["thread_stacks"],
        made=frames["made"],
        layers=frames["layers"],
        samples=frames["probe"],
        rounds={
            each.cell: resolve_routes(load_round(run, each), frames["handlers"], frames["asked"])
            for trial in record.trials
            for each in trial.rounds
        },
        texts_full=lacks_texts(frames.values()),
    )


def lacks_texts(frames: Iterable[pl.DataFrame]) -> bool:
    """Return True if a text was not kept. Routes do not count: of a request without a route they
    are the client's path, and the stacks of its blocks are kept."""
    texts = (
        frame[name] for frame in frames for name in frame.columns if not name.endswith("route")
    )
    return any((each == MORE).any() for each in texts if each.dtype == pl.String)


def load_round(run: RunDir, of: TrialRound) -> pl.DataFrame:
    return load_table(run.open_cell(of.cell), "asked", ASKED)


def load_table(cell: CellDir, name: str, schema: Schema) -> pl.DataFrame:
    with translate_read_errors(cell.path / f"{name}.parquet"):
        return conform_to_schema(cell.load_table(name), schema)


def resolve_routes(
    asked: pl.DataFrame, handlers: pl.DataFrame, of_audit: pl.DataFrame
) -> pl.DataFrame:
    """Replace each client path by the app's route template. A request that never reached an
    endpoint gets the usual route of its path: a middleware knows only the path. of_audit: client
    rows of the requests that the handlers served."""
    of_endpoint = pl.when(pl.col("endpoint").is_not_null()).then("route")
    known = handlers.select("request_id", taken=of_endpoint, path="route")
    known = known.drop_nulls(["request_id", "path"]).unique("request_id")
    usual = (
        of_audit.join(known, on="request_id")
        .group_by("method", "route")
        .agg(
            usual=pl.col("taken").drop_nulls().mode().min(), usual_path=pl.col("path").mode().min()
        )
    )
    rows = asked.join(known, on="request_id", how="left", maintain_order="left")
    rows = rows.join(usual, on=["method", "route"], how="left", maintain_order="left")
    best = ("taken", "usual", "path", "usual_path")
    return rows.with_columns(route=pl.coalesce(*best, "route")).drop(best)


def build_stretches(blocks: pl.DataFrame, stacks: pl.DataFrame) -> tuple[Stretch, ...]:
    """Build the stretches in order of time. The last of several rows of a stretch counts."""
    samples: dict[tuple[int, int], list[StackSample]] = defaultdict(list)
    for row in stacks.sort("at_s").iter_rows(named=True):
        sample = StackSample(
            row["at_s"], row["visit"] or None, parse_stack(row["stack"]), bool(row["in_gc"])
        )
        samples[row["pid"], row["stretch"]].append(sample)
    last = blocks.unique(["pid", "stretch"], keep="last", maintain_order=True).sort("began_s")
    return tuple(
        build_stretch(row, tuple(samples[row["pid"], row["stretch"]]))
        for row in last.iter_rows(named=True)
    )


def build_stretch(row: Mapping[str, object], samples: tuple[StackSample, ...]) -> Stretch:
    """Build a stretch. One that has not ended lasts until its last sample."""
    began_s, ended_s = to_seconds(row["began_s"]) or 0.0, to_seconds(row["ended_s"])
    known_s = ended_s if ended_s is not None else samples[-1].at_s if samples else began_s
    names = ("cpu_s", "run_delay_s", "gc_s", "unseen_s", "paused_s", "holder_cpu_s")
    clocks = StretchClocks(max(0.0, known_s - began_s), *(to_seconds(row[name]) for name in names))
    return Stretch(
        pid=to_whole(row["pid"]),
        number=to_whole(row["stretch"]),
        began_s=began_s,
        clocks=clocks,
        is_timed=to_whole(row["timed"]) == 1,
        is_open=ended_s is None,
        visit=to_whole(row["visit"]) or None,
        route=to_text(row["route"]),
        holder=build_holder(row),
        samples=samples,
    )


def build_holder(row: Mapping[str, object]) -> GilHolder | None:
    thread = to_whole(row["holder_thread"])
    if not thread:
        return None
    stack = parse_stack(to_text(row["holder_stack"]))
    return GilHolder(
        thread, to_whole(row["holder_visit"]) or None, to_text(row["holder_route"]), stack
    )


def to_seconds(value: object) -> Second | None:
    return value if isinstance(value, float) and math.isfinite(value) else None


def to_whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def to_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def list_endpoints(handlers: pl.DataFrame) -> tuple[RouteCode, ...]:
    """Parse each route's own code ("file:first_line qualname") from its handlers. A class that
    serves a websocket has none; its route is still listed."""
    known = handlers.select("route", "endpoint", "protocol").drop_nulls("route")
    found = []
    for route, text, protocol in known.unique(maintain_order=True).iter_rows():
        if text is None and protocol == "websocket":
            found.append(RouteCode(route, "", 0, "", protocol))
        code = parse_code(text)
        if code is not None:
            found.append(RouteCode(route, *code, protocol or "http"))
    return tuple(found)
