"""Middleware that waits with a request or its answer in its hands."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Self

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Severity
from analysis.findings.evidence import AuditEvidence
from analysis.findings.layer_evidence import (
    MIDDLEWARE,
    CodePlace,
    count_visits,
    join_inner_layers,
)
from analysis.findings.loop_delays import LoopDelays
from analysis.stats import formats
from analysis.stats.quantiles import Values
from scenarios.units import Second

NOTED_S: Second = 0.02
"""A shorter delay of one request is none."""
ROUNDS = 5
"""Of the loop, that a request takes through a layer which only passes it on."""
FEW, FEW_S = 3, 1.0
"""Fewer delays are no evidence, unless they take so long together."""
RARE_SHARE = 0.05
GRAVE_MS, SMALL_MS = 1000.0, 100.0
SAID: Mapping[str, str] = {
    "request": "The middleware {name} waits before it passes a request on",
    "answer": "The middleware {name} waits before it passes an answer on",
    "buffer": "The middleware {name} waits for the whole body of an answer before it passes the "
    "first part on",
}
CURES: Mapping[str, str] = {
    "request": "Every route waits for it: shorten what it awaits before it calls the next layer, "
    "keep its result for a while, or do it only on the routes that need it.",
    "answer": "Let it answer first, and do what it awaits afterwards in a background task.",
    "buffer": "Pass each part of the body on as it comes.",
}


@dataclass(frozen=True, kw_only=True)
class AnswerDelayed(AuditFinding):
    """cause: `request` (it waited before it called the next layer), `answer` (it had the first part
    of the answer and did not pass it on), `buffer` (it waited for the rest of the answer first).

    severity: by the median, `error` from 1 s on, `warning` from 0.1 s on.
    """

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        delays = measure_delays(evidence)
        visits = {(layer, route): n for layer, route, n in count_visits(evidence).iter_rows()}
        found = []
        for (layer, route, cause), rows in delays.group_by(
            "layer", "route", "cause", maintain_order=True
        ):
            seconds = rows["delay_s"].to_list()
            if is_evident(seconds, visits[layer, route]):
                place = CodePlace.parse(str(layer), evidence.record.folder)
                known = None if route is None else str(route)
                found.append(cls.build(place, known, str(cause), seconds))
        return AuditFindings(findings=tuple(found))

    @classmethod
    def build(cls, place: CodePlace, route: str | None, cause: str, seconds: list[Second]) -> Self:
        median_ms = 1000 * median(seconds)
        return cls(
            severity=rate_severity(median_ms),
            confidence="medium" if place.line is None else "high",
            route=route,
            phase="middleware",
            file=place.file,
            line=place.line,
            function=place.function,
            cause=cause,
            count=len(seconds),
            seconds=sum(seconds),
            median_ms=median_ms,
            longest_ms=1000 * max(seconds),
        )

    @property
    def message(self) -> str:
        cause = self.cause or "answer"
        said = SAID[cause].format(name=self.function)
        usual, longest = formats.milliseconds(self.median_ms), formats.milliseconds(self.longest_ms)
        requests = "1 request" if self.count == 1 else f"{self.count:,} requests"
        return (
            f"{said}: {usual} ms (median of {requests}), {longest} ms at most. "
            f"The event loop is free meanwhile. {CURES[cause]}"
        )


def rate_severity(median_ms: float) -> Severity:
    if median_ms >= GRAVE_MS:
        return "error"
    return "warning" if median_ms >= SMALL_MS else "info"


def is_evident(seconds: list[Second], visits: int) -> bool:
    is_usual = len(seconds) >= max(FEW, RARE_SHARE * visits)
    return is_usual or sum(seconds) >= FEW_S


def measure_delays(evidence: AuditEvidence) -> pl.DataFrame:
    """layer, route, cause, delay_s: one row a delay of one request that is the layer's own."""
    rows = join_inner_layers(evidence.layers).filter(pl.col("kind").is_in(MIDDLEWARE))
    gaps = pl.concat([select_request_gaps(rows), select_start_gaps(rows), select_body_gaps(rows)])
    gaps = gaps.filter(pl.col("end_s") - pl.col("begin_s") >= NOTED_S)
    pids, end_s = gaps["pid"].to_numpy(), gaps["end_s"].to_numpy()
    loop = LoopDelays(evidence)
    own_s = measure_own_time(gaps, loop, evidence)
    rounds_s = loop.measure_rounds(pids, end_s)
    own = gaps.with_columns(delay_s=pl.Series(own_s), round_s=pl.Series(rounds_s))
    summed = own.group_by("pid", "visit", "layer", "route", "cause", maintain_order=True).agg(
        pl.col("delay_s").sum(), pl.col("round_s").max()
    )
    return summed.filter(pl.col("delay_s") >= NOTED_S + ROUNDS * pl.col("round_s"))


def measure_own_time(gaps: pl.DataFrame, loop: LoopDelays, evidence: AuditEvidence) -> Values:
    """Of each gap. Not the layer's own: when the loop was late, what is outside of the layer or the
    client took, and the wait for a thread, which is another finding's."""
    begin_s, end_s = gaps["begin_s"].to_numpy(), gaps["end_s"].to_numpy()
    late_s = loop.measure_overlap(gaps["pid"].to_numpy(), begin_s, end_s)
    others_s = gaps["others_s"].to_numpy() + measure_queues(gaps, evidence)
    own_s: Values = np.maximum(end_s - begin_s - late_s - others_s, 0.0)
    return own_s


def select_gaps(
    rows: pl.DataFrame, cause: pl.Expr, begin_s: pl.Expr, end_s: pl.Expr, others_s: pl.Expr
) -> pl.DataFrame:
    """others_s: of the gap, what the layer waited for others."""
    keys = "pid", "visit", "route", "layer"
    gaps = rows.select(*keys, cause=cause, begin_s=begin_s, end_s=end_s, others_s=others_s)
    return gaps.drop_nulls(["begin_s", "end_s"]).with_columns(pl.col("others_s").fill_null(0.0))


def select_request_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """From the request to the call of the next layer."""
    begin_s, end_s = pl.col("entered_s"), pl.col("inner_s")
    return select_gaps(rows, pl.lit("request"), begin_s, end_s, pl.col("client_s"))


def select_start_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """While the layer keeps the next one waiting that hands it the start of the answer."""
    begin_s = pl.col("answered_s")
    end_s = begin_s + pl.col("inner_start_wait_s")
    others_s = overlap(*list_own_start(), begin_s, end_s)
    return select_gaps(rows, pl.lit("answer"), begin_s, end_s, others_s)


def select_body_gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """From the first part of the body that comes to the first that goes. Where more than half of it
    is the rest of the body on its way, the layer waits for that."""
    begin_s, end_s, last_s = pl.col("inner_body_s"), pl.col("body_s"), pl.col("inner_sent_s")
    waits = (last_s <= end_s) & (last_s - begin_s > (end_s - begin_s) / 2)
    cause = pl.when(waits).then(pl.lit("buffer")).otherwise(pl.lit("answer"))
    return select_gaps(rows, cause, begin_s, end_s, overlap(*list_own_start(), begin_s, end_s))


def list_own_start() -> tuple[pl.Expr, pl.Expr]:
    """When the layer hands the start of the answer on, and what is outside has taken it."""
    return pl.col("passed_s"), pl.col("passed_s") + pl.col("start_wait_s")


def overlap(begin_s: pl.Expr, end_s: pl.Expr, from_s: pl.Expr, until_s: pl.Expr) -> pl.Expr:
    both_s = pl.min_horizontal(end_s, until_s) - pl.max_horizontal(begin_s, from_s)
    return both_s.clip(lower_bound=0.0)


def measure_queues(gaps: pl.DataFrame, evidence: AuditEvidence) -> Values:
    """Seconds of each gap in which its request waited for a thread."""
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
