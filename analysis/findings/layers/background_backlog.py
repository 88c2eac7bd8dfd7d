"""Work after the response (background tasks) that starts faster than it finishes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar, Self

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Severity
from analysis.findings.code_texts import parse_stack
from analysis.findings.cures.backlog_cures import cure_backlog
from analysis.findings.evidence import AuditEvidence
from analysis.findings.layers.after_work import AfterWork
from analysis.findings.places import CodePlace, locate_code
from analysis.findings.remedies import Cure
from analysis.findings.resources.things_made import TASK
from analysis.findings.time_asked import list_spans
from analysis.findings.waits.handover_evidence import ASKER, list_locations
from analysis.stats import formats

MOST = 0.5
"""Of a request's time after its response: a call that takes more is the work, whatever it is."""
GRAVE_END = 0.5
"""Relative to the rate at which the work starts, in the second half."""


@dataclass(frozen=True, kw_only=True)
class BackgroundBacklog(AuditFinding):
    """count: responses of the phases in which the work fell behind. seconds, median_ms, longest_ms:
    how long requests were unfinished after their response, as far as it was recorded. rates: of the
    second half of the worst phase.

    severity: `error` if less than half of it finishes, `warning` otherwise.
    """

    short: ClassVar[str] = "tasks pile up"
    clause: ClassVar[str] = "background tasks pile up"
    meaning: ClassVar[str] = "work after the response starts faster than it finishes"
    remedy: ClassVar[str] = "move the work to a job queue with workers outside the web process"
    begin_rate: float = field(default=0.0)
    end_rate: float = field(default=0.0)
    unfinished: int = field(default=0)

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        rows = list_after_work(evidence)
        found = []
        for (route,), mine in rows.group_by("route", maintain_order=True):
            works = [each for each in split_phases(mine, str(route), evidence) if each.is_backlog()]
            if works:
                found.append(cls.build(str(route), works, find_place(str(route), mine, evidence)))
        return AuditFindings(findings=tuple(found))

    @classmethod
    def build(cls, route: str, works: Sequence[AfterWork], place: CodePlace | None) -> Self:
        worst = max(works, key=lambda each: each.count_unfinished())
        lasted_s = np.concatenate([each.lasted_s for each in works])
        is_grave = worst.rate_end() < GRAVE_END * worst.rate_begin()
        severity: Severity = "error" if is_grave else "warning"
        return cls(
            severity=severity,
            confidence="high" if any(len(each.queued_s) for each in works) else "medium",
            route=route,
            phase="background",
            file=place and place.file,
            line=place and place.line,
            function=place and place.function,
            cause="backlog",
            count=len(lasted_s),
            seconds=float(lasted_s.sum()),
            median_ms=1000 * float(median(lasted_s)),
            longest_ms=1000 * float(lasted_s.max()),
            begin_rate=worst.rate_begin(),
            end_rate=worst.rate_end(),
            unfinished=worst.count_unfinished(),
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        return cure_backlog(self, evidence)

    @property
    def facts(self) -> str:
        begin, end = formats.short_number(self.begin_rate), formats.short_number(self.end_rate)
        return (
            f"The work after the response starts {begin} times per second and finishes {end} times "
            f"per second: {self.unfinished:,} requests were unfinished at the last response."
        )

    @property
    def advice(self) -> Mapping[str, str]:
        return {
            "queue": "Move this work to a job queue with workers outside the web process, or make "
            "it shorter."
        }


def list_after_work(evidence: AuditEvidence) -> pl.DataFrame:
    """Return pid, visit, route, sent_s, returned_s of requests with a response. Leave out what a
    middleware does after its inner layers have ended."""
    inside = evidence.layers.filter(pl.col("kind") == "endpoint").select(
        "pid", "visit", inner_returned_s="returned_s"
    )
    rows = evidence.handlers.filter(pl.col("protocol") == "http").drop_nulls(["route", "sent_s"])
    joined = rows.join(
        inside.unique(["pid", "visit"]), on=["pid", "visit"], how="left", maintain_order="left"
    )
    returned_s = pl.coalesce("inner_returned_s", "returned_s", pl.lit(np.inf))
    return joined.select("pid", "visit", "route", "sent_s", returned_s=returned_s).sort("sent_s")


def split_phases(rows: pl.DataFrame, route: str, evidence: AuditEvidence) -> Iterator[AfterWork]:
    waits = select_waits(rows, evidence)
    for begin_s, end_s in list_spans(evidence, route):
        mine = rows.filter(pl.col("sent_s").is_between(begin_s, end_s))
        own = waits.filter(pl.col("sent_s").is_between(begin_s, end_s))
        sent_s, returned_s = (mine[each].to_numpy() for each in ("sent_s", "returned_s"))
        queued_s, granted_s = (own[each].to_numpy() for each in ("queued_s", "granted_s"))
        yield AfterWork(sent_s, returned_s, queued_s, granted_s, evidence.record.ended_s)


def select_waits(rows: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Select waits for a thread that began after the request's response."""
    after = select_calls(rows, evidence).drop_nulls("queued_s")
    return after.with_columns(granted_s=pl.coalesce("granted_s", "began_s", pl.lit(np.inf)))


def select_calls(rows: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Select calls that were moved to a thread after the request's response."""
    calls = evidence.handovers.drop("route").drop_nulls(["pid", "visit"])
    joined = calls.join(rows, on=["pid", "visit"])
    return joined.filter(pl.col("asked_s") >= pl.col("sent_s"))


def find_place(route: str, rows: pl.DataFrame, evidence: AuditEvidence) -> CodePlace | None:
    """Find the work's own code if threads run it, or if a framework runs it as a task after the
    response; otherwise the endpoint's. The exit of a dependency, too, may run in a thread after the
    response, without being what takes the time. rows: of the route."""
    end_s = evidence.record.ended_s
    lasted_s = pl.min_horizontal("returned_s", pl.lit(end_s)) - pl.col("sent_s")
    is_most = pl.col("ended_s").fill_null(end_s) - pl.col("asked_s") > MOST * lasted_s
    is_work = (pl.col("phase") == "background") | is_most
    calls = select_calls(rows, evidence)
    located = list_locations(calls.select(ASKER).unique(), evidence)
    calls = calls.join(located, on=ASKER, nulls_equal=True, maintain_order="left")
    works = calls.filter(is_work)["work"].drop_nulls()
    folder = evidence.record.folder
    for text in works.value_counts(sort=True)["work"]:
        place = CodePlace.parse(text, folder)
        if place.file is not None:
            return place
    made = evidence.made.filter(pl.col("kind") == TASK).join(rows, on=["pid", "visit"], how="semi")
    for text in made["stack"].drop_nulls().value_counts(sort=True)["stack"]:
        for frame in parse_stack(text):
            return locate_code(frame, folder)
    codes = {each for each in evidence.endpoints if each.route == route and each.file}
    return locate_code(codes.pop(), folder) if len(codes) == 1 else None
