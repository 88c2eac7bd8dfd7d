"""One row per route of an audit: how its latency grows when other requests are in flight."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from analysis.findings import AuditEvidence
from analysis.report.audit_routes import (
    build_routes_table,
    keep_slowest,
    note_left_out,
    summarize_requests,
)
from analysis.report.table import Column, Row, Table, shorten
from analysis.stats import formats
from analysis.stats.quantiles import estimate_censored_quantiles
from records.audit import Phase

NOTE = "client-side median in ms: alone, with all users, and with all routes"


def build_overview_table(evidence: AuditEvidence, most: int | None = None) -> Table:
    """Build a row for each route that was loaded alone; otherwise return the routes table. most: as
    in keep_slowest."""
    phases = [each for each in evidence.record.phases if len(each.routes) == 1]
    asked = evidence.asked.drop_nulls("route").sort("started_s")
    if not phases or asked.is_empty():
        return build_routes_table(evidence, most and most // 2)
    asked, left_out = keep_slowest(asked, evidence.record.ended_s, most)
    several = max(each.users for each in evidence.record.phases)
    columns = (
        Column("client-side latency", is_text=True, width=30),
        Column("requests"), Column("failed", width=6), Column("no", "answer", width=6),
        Column("1", "user"), Column(str(several), "users"), Column("all", "routes"),
    )  # fmt: skip
    groups = asked.group_by("method", "route", maintain_order=True)
    rows = [
        Row(shorten(f"{method} {route}"), list(build_cells(mine, evidence)))
        for (method, route), mine in groups
    ]
    return Table(columns, rows, notes=[*note_left_out(left_out), NOTE])


def build_cells(rows: pl.DataFrame, evidence: AuditEvidence) -> Iterator[str | int | None]:
    yield from list(summarize_requests(rows, evidence.record.ended_s))[:3]
    for kind in range(3):
        phases = [each for each in evidence.record.phases if classify_phase(each) == kind]
        yield estimate_median(rows, phases)


def classify_phase(phase: Phase) -> int | None:
    """Return 0 for one user of one route, 1 for all users of one route, 2 for all users of all
    routes; None before the load."""
    if phase.name.startswith("all routes"):
        return 2
    return min(phase.users, 2) - 1 if len(phase.routes) == 1 else None


def estimate_median(rows: pl.DataFrame, phases: list[Phase]) -> str:
    """Estimate the median in ms, unanswered requests included."""
    end_s = {each.name: each.ended_s for each in phases}
    mine = rows.filter(pl.col("phase").is_in(list(end_s)))
    if mine.is_empty():
        return formats.UNKNOWN
    until = pl.coalesce("ended_s", pl.col("phase").replace_strict(end_s, default=0.0))
    took_ms = 1000 * mine.select(until - pl.col("started_s")).to_series().to_numpy()
    (median_ms,) = estimate_censored_quantiles(
        took_ms, mine["ended_s"].is_not_null().to_numpy(), (0.5,)
    )
    return formats.at_least(median_ms, float(np.max(took_ms)))
