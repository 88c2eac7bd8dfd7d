"""How long each middleware layer holds a request, or its response, before it passes it on."""

import numpy as np
import polars as pl

from analysis.findings.blocks.loop_delays import LoopDelays
from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.layers.layer_evidence import MIDDLEWARE, join_inner_layers
from analysis.stats.quantiles import Values
from scenarios.units import Second

KEYS = ("pid", "visit", "layer", "depth", "route", "side")
"""One function may be several layers."""
NOTED_S: Second = 0.02
"""A shorter delay of one request is ignored."""
ROUNDS = 5
"""Rounds of the loop that a request takes through a layer that only passes it on."""


@compute_once
def measure_gaps(evidence: AuditEvidence) -> pl.DataFrame:
    """Return one row per layer, request and side (`request`, `answer`):

    begin_s, end_s: from when to when. gap_s: how long the layer held it, without the time of the
    client, the outer layers and the queues for threads. late_s: of that, while the loop was late;
    own_s: the rest. round_s: the length of a round of the loop then. waits: the layer waits for the
    rest of the body. is_noted: the layer itself delays the request.
    """
    rows = join_inner_layers(evidence).filter(pl.col("kind").is_in(MIDDLEWARE))
    gaps = pl.concat([select_request_gaps(rows), select_start_gaps(rows), select_body_gaps(rows)])
    pids, begin_s = gaps["pid"].to_numpy(), gaps["begin_s"].to_numpy()
    end_s = gaps["end_s"].to_numpy()
    loop = LoopDelays(evidence)
    others_s = gaps["others_s"].to_numpy() + measure_queues(gaps, evidence)
    columns = {
        "gap_s": np.maximum(end_s - begin_s - others_s, 0.0),
        "late_s": loop.measure_overlap(pids, begin_s, end_s),
        "round_s": loop.measure_rounds(pids, end_s),
    }
    measured = gaps.with_columns(pl.Series(name, each) for name, each in columns.items())
    summed = measured.group_by(KEYS, maintain_order=True).agg(
        pl.col("begin_s").min(),
        pl.col("end_s").max(),
        pl.col("gap_s").sum(),
        pl.min_horizontal("late_s", "gap_s").sum().alias("late_s"),
        pl.col("round_s").max(),
        pl.col("waits").any(),
    )
    own = summed.with_columns(own_s=pl.col("gap_s") - pl.col("late_s"))
    return own.with_columns(is_noted=pl.col("own_s") >= NOTED_S + ROUNDS * pl.col("round_s"))


def select_gaps(
    rows: pl.DataFrame, side: str, begin_s: pl.Expr, end_s: pl.Expr, others_s: pl.Expr
) -> pl.DataFrame:
    """others_s: the part of the gap that the layer waited for other layers."""
    gaps = rows.select(
        *KEYS[:-1],
        side=pl.lit(side),
        begin_s=begin_s,
        end_s=end_s,
        others_s=others_s,
        waits=waits_for_body() if side == "answer" else pl.lit(value=False),
    )
    return gaps.drop_nulls(["begin_s", "end_s"]).with_columns(pl.col("others_s").fill_null(0.0))


def select_request_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """Measure from the request to the call of the next layer."""
    begin_s, end_s = pl.col("entered_s"), pl.col("inner_s")
    return select_gaps(rows, "request", begin_s, end_s, pl.col("client_s"))


def select_start_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """Measure while the layer blocks the next one, which passes it the start of the response."""
    begin_s = pl.col("answered_s")
    end_s = begin_s + pl.col("inner_start_wait_s")
    others_s = overlap(*list_own_start(), begin_s, end_s)
    return select_gaps(rows, "answer", begin_s, end_s, others_s)


def select_body_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """Measure from the first part of the body received to the first part sent."""
    begin_s, end_s = pl.col("inner_body_s"), pl.col("body_s")
    return select_gaps(rows, "answer", begin_s, end_s, overlap(*list_own_start(), begin_s, end_s))


def waits_for_body() -> pl.Expr:
    """Return True if the rest of the body is in flight for more than half of the time."""
    begin_s, end_s, last_s = pl.col("inner_body_s"), pl.col("body_s"), pl.col("inner_sent_s")
    waits = (last_s <= end_s) & (last_s - begin_s > (end_s - begin_s) / 2)
    return waits.fill_null(value=False)


def list_own_start() -> tuple[pl.Expr, pl.Expr]:
    """Return when the layer passes the start of the response on, and when the outer layer took
    it."""
    return pl.col("passed_s"), pl.col("passed_s") + pl.col("start_wait_s")


def overlap(begin_s: pl.Expr, end_s: pl.Expr, from_s: pl.Expr, until_s: pl.Expr) -> pl.Expr:
    both_s = pl.min_horizontal(end_s, until_s) - pl.max_horizontal(begin_s, from_s)
    return both_s.clip(lower_bound=0.0)


def measure_queues(gaps: pl.DataFrame, evidence: AuditEvidence) -> Values:
    """Measure the seconds of each gap in which its request waited for a thread."""
    until_s = pl.coalesce("granted_s", "began_s", pl.lit(evidence.record.ended_s))
    waits = evidence.handovers.drop_nulls(["pid", "visit", "queued_s"]).select(
        "pid", "visit", "queued_s", until_s=until_s
    )
    joined = gaps.with_row_index("gap").join(waits, on=["pid", "visit"])
    columns = map(pl.col, ("queued_s", "until_s", "begin_s", "end_s"))
    summed = joined.group_by("gap").agg(overlap(*columns).sum())
    found: Values = np.zeros(gaps.height)
    found[summed["gap"].to_numpy()] = summed[summed.columns[-1]].to_numpy()
    return found
