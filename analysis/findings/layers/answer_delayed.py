"""Middleware that delays a request or its response."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.cures.layer_cures import cure_delayed_answer
from analysis.findings.evidence import AuditEvidence
from analysis.findings.layers.layer_gaps import NOTED_S, measure_gaps
from analysis.findings.places import CodePlace
from analysis.findings.remedies import Cure
from analysis.findings.severity import rate_harm
from analysis.stats import formats
from scenarios.units import Second

FEW, FEW_S = 3, 1.0
"""Fewer separate delays are no evidence, unless they take FEW_S together."""
RARE_SHARE, ALWAYS_SHARE = 0.05, 0.9
SMALL_PART = 0.1
USUAL_SHARE, SELDOM_S = 0.5, 0.05
"""On a busy machine, every layer waits for 40 ms in some requests, but in less than half."""
FREE_ROUND_S: Second = 0.005
"""A loop with longer rounds is busy."""
SAID: Mapping[str, str] = {
    "request": "The middleware {name} waits before it passes the request on",
    "answer": "The middleware {name} waits before it passes the response on",
    "buffer": "The middleware {name} waits for the whole response body before it passes on the "
    "first part",
}
CURES: Mapping[str, str] = {
    "request": "Shorten what it awaits before it calls the next layer, cache the result, or await "
    "it only on the routes that need it.",
    "answer": "Pass the response on first, and do the rest in a background task.",
    "buffer": "Pass each part of the body on as it arrives.",
}


@dataclass(frozen=True, kw_only=True)
class AnswerDelayed(AuditFinding):
    """cause: `request` (it waited before it called the next layer), `answer` (it had the first part
    of the response and did not pass it on), `buffer` (it waited for the rest of the response
    first).

    severity: by the median, `error` from 1 s on, `warning` from 0.1 s on, or if it is a tenth of
    the time that the route's requests spend in the app.
    """

    short: ClassVar[str] = "delays the response"
    clause: ClassVar[str] = "a middleware delays responses"
    meaning: ClassVar[str] = (
        "a middleware delays a request or its response although the event loop is free"
    )
    remedy: ClassVar[str] = "pass the response on first, and do the rest in a background task"

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        found = []
        for (layer, route, cause), rows in measure_delays(evidence).group_by(
            "layer", "route", "cause", maintain_order=True
        ):
            place = CodePlace.parse(str(layer), evidence.record.folder)
            known = None if route is None else str(route)
            seconds = rows["delay_s"].to_list()
            part = measure_part(known, sum(seconds), evidence)
            found.append(cls.build(place, known, str(cause), seconds, part))
        return AuditFindings(findings=tuple(found))

    @classmethod
    def build(
        cls,
        place: CodePlace,
        route: str | None,
        cause: str,
        seconds: list[Second],
        part: float | None = None,
    ) -> Self:
        median_ms = 1000 * median(seconds)
        return cls(
            severity=rate_harm(median_ms, part, small_share=SMALL_PART),
            confidence="medium" if place.line is None else "high",
            route=route,
            phase="middleware",
            **place._asdict(),
            cause=cause,
            count=len(seconds),
            seconds=sum(seconds),
            median_ms=median_ms,
            longest_ms=1000 * max(seconds),
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        return cure_delayed_answer(self, evidence)

    @property
    def facts(self) -> str:
        cause = self.cause or "answer"
        said = SAID[cause].format(name=self.function)
        usual, longest = formats.milliseconds(self.median_ms), formats.milliseconds(self.longest_ms)
        waits = f"{usual} ms (median of {self.count:,} requests), {longest} ms at most"
        if self.count == 1:
            waits = f"{usual} ms in 1 request"
        return f"{said}: {waits}. This does not block the event loop."

    @property
    def advice(self) -> Mapping[str, str]:
        cause = self.cause or "answer"
        return {cause: CURES[cause]}


def measure_part(route: str | None, seconds: Second, evidence: AuditEvidence) -> float | None:
    """Measure the share of the requests' time in the app before their responses."""
    rows = evidence.handlers.filter(pl.col("route").eq_missing(pl.lit(route, pl.String)))
    total_s = float((rows["sent_s"] - rows["arrived_s"]).sum())
    return min(1.0, seconds / total_s) if total_s > 0 else None


def measure_delays(evidence: AuditEvidence) -> pl.DataFrame:
    """Return pid, visit, layer, route, cause, delay_s: one row per request that a layer delays, if
    the evidence against the layer is sufficient."""
    gaps = measure_gaps(evidence).with_columns(cause=pl.col("side"), delay_s=pl.col("gap_s"))
    found = [gaps.clear()]
    for (side,), of_side in gaps.group_by("side", maintain_order=True):
        for _, rows in of_side.group_by("layer", "depth", "route", maintain_order=True):
            evident = rows.filter("is_noted")
            if is_evident(evident, rows.height):
                cause = pl.lit(find_cause(str(side), evident))
                found.append(list_delays(rows, evident).with_columns(cause=cause))
    return pl.concat(found).select("pid", "visit", "layer", "route", "cause", "delay_s")


def is_evident(evident: pl.DataFrame, visits: int) -> bool:
    """Return True if the evidence is sufficient. Delays of twenty requests at once count as one: a
    slow moment of the machine causes those, too."""
    if evident.height < USUAL_SHARE * visits:
        evident = evident.filter(pl.col("own_s") >= SELDOM_S)
    apart_s = list_apart(evident)
    is_frequent = len(apart_s) >= FEW and evident.height >= RARE_SHARE * visits
    return is_frequent or sum(apart_s) >= FEW_S


def list_apart(gaps: pl.DataFrame) -> list[Second]:
    """List each layer's own part of as many gaps as possible without overlap."""
    chosen: list[Second] = []
    until_s = -math.inf
    for begin_s, end_s, own_s in gaps.select("begin_s", "end_s", "own_s").sort("end_s").iter_rows():
        if begin_s >= until_s:
            chosen.append(own_s)
            until_s = end_s
    return chosen


def list_delays(rows: pl.DataFrame, evident: pl.DataFrame) -> pl.DataFrame:
    """List the delays of one layer, route and side; evident: those that exceed the lateness of the
    loop.

    A layer that waits in each request that meets a free loop also waits in the other requests, at
    least for the usual time.
    """
    is_free = (pl.col("late_s") == 0) & (pl.col("round_s") <= FREE_ROUND_S)
    free, evident_free = rows.filter(is_free).height, evident.filter(is_free)
    if evident_free.height < max(FEW, ALWAYS_SHARE * free):
        return evident.with_columns(delay_s=pl.col("own_s"))
    longer_s = pl.max_horizontal("own_s", pl.lit(evident_free["own_s"].median()))
    late = rows.filter(pl.col("gap_s") >= NOTED_S)
    return late.with_columns(delay_s=pl.min_horizontal("gap_s", longer_s))


def find_cause(side: str, evident: pl.DataFrame) -> str:
    if side == "request":
        return side
    return "buffer" if 2 * int(evident["waits"].sum()) > evident.height else "answer"
