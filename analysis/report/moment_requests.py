"""The requests of a moment of an audit: those that wait, and those that a picture shows."""

import polars as pl

from analysis.findings import AuditEvidence
from analysis.findings.blocks.victims import locate_requests
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.report.moments import Moment

MOST_REQUESTS = 12
"""Requests shown: more are hard to distinguish on a screen."""


def select_requests(moment: Moment, evidence: AuditEvidence) -> pl.DataFrame:
    """Select, for a block, the blocking request and the requests of other routes in flight
    meanwhile; for a queue, the requests that wait for it. rank: the smallest are shown first."""
    peak, visit = moment.peak, pl.lit(moment.visit, pl.UInt32)  # null is no request's
    rows = locate_requests(evidence).filter(
        pl.col("pid") == moment.pid,
        pl.col("started_s") < peak.end_s,
        pl.col("until_s") > peak.start_s,
    )
    rows = rows.with_columns(
        took_s=pl.col("until_s") - pl.col("started_s"),
        is_own=(pl.col("visit") == visit).fill_null(value=False),
    )
    if not moment.queue:
        is_other = pl.col("route") != (moment.finding.route or "")
        return rows.filter(is_other | pl.col("is_own")).with_columns(rank="took_s")
    waits = list_waits(moment, evidence).filter(
        pl.col("wait_from_s") < peak.end_s, pl.col("wait_until_s") > peak.start_s
    )
    waited = waits.group_by("pid", "visit").agg(rank=-pl.col("token_s").sum())
    return rows.join(waited, on=["pid", "visit"])


def list_waits(moment: Moment, evidence: AuditEvidence) -> pl.DataFrame:
    rows = locate_handovers(evidence)
    mine = rows.filter(pl.col("queue") == moment.queue, pl.col("pid") == moment.pid)
    return mine.filter(pl.col("wait_from_s").is_not_null())


def choose_requests(rows: pl.DataFrame) -> pl.DataFrame:
    """Choose the moment's own request, then the first by rank of each route in turn: for a block
    the shortest, most of which is visible."""
    own, others = rows.filter("is_own").head(1), rows.filter(~pl.col("is_own"))
    turn = pl.struct("rank", "started_s", "request_order").rank("ordinal").over("route")
    others = others.with_row_index("request_order").with_columns(turn=turn)
    few = others.sort("turn", "route").head(MOST_REQUESTS - own.height)
    return pl.concat([own, few.sort("started_s", "request_order").select(own.columns)])


def count_waiting(requests: pl.DataFrame, moment: Moment) -> int:
    """Count the requests without the one that blocks."""
    return requests.height if moment.queue else requests.filter(~pl.col("is_own")).height
