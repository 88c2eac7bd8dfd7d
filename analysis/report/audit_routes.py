"""Client-side latency of each route in each phase of an audit, and the threads that ran it."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from analysis.findings import AuditEvidence
from analysis.findings.unchecked_routes import FAILURE
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.stats.quantiles import estimate_censored_quantiles
from records.audit import Phase

COLUMNS = (
    Column("requests"),
    Column("failed", width=6),
    Column("unanswered"),
    Column("median", "ms", formats.milliseconds, width=7),
    Column("p99", "ms", formats.milliseconds, width=7),
    Column("maximum", "ms", formats.milliseconds, width=7),
)
THREADS: Mapping[str, tuple[str, str]] = {
    "loop": ("event loop", "event loops"),
    "anyio-worker": ("pool thread", "pool threads"),
    "executor": ("executor thread", "executor threads"),
    "other": ("separate thread", "separate threads"),
}
NOTE = (
    "Unanswered requests count with their age (Kaplan–Meier): > marks a lower bound. A failure is "
    "an error or a status of 400 or higher."
)
APP_NOTE = (
    "Measured from the moment when the app receives a request until its response is sent. The wait "
    "until a busy event loop reads the request is not included."
)


def build_routes_table(evidence: AuditEvidence, most: int | None = None) -> Table:
    """Build a heading for each route and a row for each phase that requested it. With the user's
    own traffic, the latencies are those inside the app. most: as in keep_slowest."""
    has_clients = evidence.asked.height > 0
    asked = evidence.asked if has_clients else take_app_side(evidence)
    name = "client-side latency" if has_clients else "latency in the app"
    asked = asked.sort("started_s").drop_nulls("route")
    asked, left_out = keep_slowest(asked, evidence.record.ended_s, most)
    rows = build_route_rows(asked, evidence)
    notes = [*note_left_out(left_out), NOTE, *([] if has_clients else [APP_NOTE])] if rows else []
    return Table((Column(name, is_text=True, width=29), *COLUMNS), rows, notes=notes)


def keep_slowest(asked: pl.DataFrame, end_s: float, most: int | None) -> tuple[pl.DataFrame, int]:
    """Return the rows of the `most` routes with the largest total latency, in their order, and the
    number of routes that are left out."""
    took_s = pl.coalesce("ended_s", pl.lit(end_s)) - pl.col("started_s")
    routes = asked.group_by("method", "route").agg(took_s=took_s.sum())
    if most is None or routes.height <= most:
        return asked, 0
    kept = routes.sort("took_s", "method", "route", descending=[True, False, False]).head(most)
    rows = asked.join(
        kept, on=["method", "route"], how="semi", maintain_order="left", nulls_equal=True
    )  # a websocket has no method
    return rows, routes.height - most


def note_left_out(routes: int) -> list[str]:
    return [f"and {formats.count_things(routes, 'more route')}: see -v"] if routes else []


def take_app_side(evidence: AuditEvidence) -> pl.DataFrame:
    """Return handlers as client rows, from arrival in the app until the response was sent."""
    return evidence.handlers.select(
        "method", "route", "status", started_s="arrived_s", ended_s="sent_s",
        phase=pl.lit(""), error=pl.lit(None, pl.String),
    )  # fmt: skip


def build_route_rows(asked: pl.DataFrame, evidence: AuditEvidence) -> list[Row]:
    phases = {each.name: each for each in evidence.record.phases}
    threads = count_threads(evidence)
    rows: list[Row] = []
    for (method, route), mine in asked.group_by("method", "route", maintain_order=True):
        where = threads.get((method, route)) or threads.get((None, route))
        title = " ".join(filter(None, (method, route)))
        rows.append(Row(title + (f" on {where}" if where else "")))
        parts = list(mine.group_by("phase", maintain_order=True))
        for (name,), part in parts:
            if len(parts) > 1 and is_first_request(part):
                continue
            phase = phases.get(str(name))
            end_s = phase.ended_s if phase is not None else evidence.record.ended_s
            label = describe_phase(phase) if phase is not None else str(name) or "all requests"
            rows.append(Row(label, list(summarize_requests(part, end_s)), extra=True))
    return rows


def is_first_request(rows: pl.DataFrame) -> bool:
    """Return True for a single successful request: the later phases say more."""
    good = pl.col("ended_s").is_not_null() & pl.col("error").is_null()
    return rows.height == 1 and rows.filter(good).height == 1


def describe_phase(phase: Phase) -> str:
    users = "1 user" if phase.users == 1 else f"{phase.users} users"
    if not phase.routes:
        return f"own traffic, {users}" if phase.users else "own traffic"
    return f"alone, {users}" if len(phase.routes) == 1 else phase.name


def summarize_requests(rows: pl.DataFrame, end_s: float) -> Iterator[str | int | None]:
    """Yield requests, failures and unanswered; then median, p99 and maximum, unanswered requests
    included."""
    answered = rows["ended_s"].is_not_null()
    failed = rows.filter(
        answered & (pl.col("error").is_not_null() | (pl.col("status") >= FAILURE).fill_null(False))
    )
    yield rows.height
    yield failed.height
    yield rows.height - int(answered.sum())
    until = pl.coalesce("ended_s", pl.max_horizontal("started_s", pl.lit(end_s)))
    took_ms = 1000 * rows.select(until - pl.col("started_s")).to_series().to_numpy()
    known = answered.to_numpy()
    for value in estimate_censored_quantiles(took_ms, known, (0.5, 0.99)):
        yield formats.at_least(value, float(np.max(took_ms)) if len(took_ms) else None)
    slowest = int(np.argmax(took_ms))
    yield ("" if known[slowest] else ">") + formats.milliseconds(float(took_ms[slowest]))


def count_threads(evidence: AuditEvidence) -> Mapping[tuple[object, ...], str]:
    """Map each method (None for a websocket) and route to the number of threads of each kind that
    ran its endpoint."""
    found: dict[tuple[object, ...], list[str]] = {}
    known = evidence.handlers.drop_nulls(["route", "thread_kind", "thread_id"])
    counted = known.group_by("method", "route", "thread_kind").agg(
        count=pl.struct("pid", "thread_id").n_unique()
    )
    for method, route, kind, count in counted.sort("count", descending=True).iter_rows():
        one, many = THREADS.get(kind, (kind, kind))
        found.setdefault((method, route), []).append(f"{count} {one if count == 1 else many}")
    return {of: ", ".join(words) for of, words in found.items()}
