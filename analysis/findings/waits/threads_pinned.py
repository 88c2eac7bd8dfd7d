"""Streams, background tasks and similar code that holds threads of a pool for a long time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Victim
from analysis.findings.blocks.victims import LEAST_S, find_requests_in_flight, locate_requests
from analysis.findings.cures.def_cures import cure_pinning_def
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.waits.blamed_loops import QUEUE
from analysis.findings.waits.handover_evidence import PLACE, locate_handovers
from analysis.findings.waits.queue_names import name_queue
from analysis.findings.waits.wait_sites import SITE, locate_uses
from analysis.stats import formats
from analysis.stats.quantiles import Values
from analysis.stats.step_function import StepFunction, is_positive
from scenarios.units import Second

SUBJECTS: Mapping[str, str] = {
    "stream": "The stream",
    "background": "The background task",
    "websocket": "The websocket call",
    "callback": "The task call",
    "startup": "The startup call",
}
"""By phase, what may last long. An endpoint or a dependency that takes long is only slow."""
CURE = "Run it in its own thread, outside the pool, or make it asynchronous."
CURES: Mapping[str, str] = {
    "stream": "Make it an `async def` generator that awaits instead of blocking.",
    "background": "Make it asynchronous, or move it to a job queue with its own workers.",
}
SHARED = ("anyio", "executor")
"""Queues that all code of the process shares. Any other queue may be meant for long calls."""
LONG_S: Second = 5.0
MOST = 0.5
"""Of the tokens: few are left, whether or not any request waits at the moment."""
HARM_S: Second = 0.1
GRAVE_S: Second = 1.0


@dataclass(frozen=True, slots=True)
class PinnedTime:
    """The time of a place in a queue of a process. kept_s: token-seconds by request. most_s: how
    long it held half of the tokens or more. any_s: how long it held any. lost: the requests that
    waited, with their routes and the part that this place caused."""

    kept_s: Values
    most_s: Second
    any_s: Second
    capacity: float
    lost: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class ThreadsPinned(AuditFinding):
    """seconds: summed over threads. count: requests that held one; median_ms, longest_ms: per
    request. share: of the queue's tokens, while it holds any.

    A place is reported if one request holds a token for 5 s, or all its requests half of the
    tokens, and if other requests wait meanwhile, or half of the tokens are gone for 5 s. Each token
    in use accounts for an equal part of a wait.

    severity: `error` if a request of another route loses a second, else `warning`.
    """

    short: ClassVar[str] = "holds threads"
    clause: ClassVar[str] = "code holds threads that other requests need"
    meaning: ClassVar[str] = (
        "a stream, a background task, a websocket or a startup call holds threads for a long time"
    )
    remedy: ClassVar[str] = "make it asynchronous, or run it in a thread outside the pool"
    queue: str
    capacity: float

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        rows = locate_handovers(evidence)
        long = locate_uses(evidence).filter(pl.col("phase").is_in(list(SUBJECTS)))
        if long.is_empty():
            return AuditFindings()
        rows = join_clients(rows, evidence)
        queues = rows.partition_by(*QUEUE, as_dict=True)
        found = []
        for site in long.partition_by(*SITE, maintain_order=True):
            parts = site.partition_by(*QUEUE, as_dict=True).items()
            times = [measure_pins(part, queues[key]) for key, part in parts]
            if is_pinned(times, site["queue"][0] in SHARED):
                found.append(cls.build(site, times))
        return AuditFindings(findings=tuple(found))

    @classmethod
    def build(cls, site: pl.DataFrame, times: Sequence[PinnedTime]) -> Self:
        first = site.row(0, named=True)
        kept_ms = 1000 * np.concatenate([each.kept_s for each in times])
        capacity = max(each.capacity for each in times)
        any_s = sum(each.any_s for each in times)
        lost = pl.concat([each.lost for each in times]).filter(pl.col("lost_s") >= LEAST_S)
        others = lost.filter(~pl.col("route").eq_missing(pl.lit(first["route"], pl.String)))
        worst_s = others["lost_s"].to_numpy().max(initial=0.0)
        return cls(
            severity="error" if worst_s >= GRAVE_S else "warning",
            confidence="high" if first["file"] else "medium",
            **{name: first[name] for name in PLACE},
            cause=name_queue(first["queue"], None).kind,
            count=len(kept_ms),
            seconds=float(kept_ms.sum()) / 1000,
            median_ms=float(np.median(kept_ms)),
            longest_ms=float(kept_ms.max()),
            share=min(1.0, float(kept_ms.sum()) / 1000 / (any_s * capacity)),
            victims=None if first["route"] is None else tuple(list_victims(others)),
            queue=first["queue"],
            capacity=capacity,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        rule: CureRule = "background" if self.phase == "background" else "small-costs"
        return cure_pinning_def(self, evidence, CURES.get(self.phase or "", CURE), rule)

    @property
    def facts(self) -> str:
        named, kept = name_queue(self.queue, None), (self.share or 0.0) * self.capacity
        subject = SUBJECTS.get(self.phase or "", "The code")
        name = f" {self.function}()" if self.function else ""
        lost = sum(each.requests for each in self.victims or ())
        user = "call" if self.route is None else "request"
        said = (
            f"{subject}{name} holds {named.unit}s of {named.name} for up to "
            f"{(self.longest_ms or 0.0) / 1000:,.1f} s per {user}. While any of its calls runs, "
            f"they hold {kept:,.1f} of {self.capacity:,.0f} on average."
        )
        if not lost:
            return said
        requests = formats.count_things(lost, "request")
        return f"{said} {requests} to other routes lost {self.taken_s:,.1f} s in total."

    @property
    def advice(self) -> Mapping[str, str]:
        cure = CURES.get(self.phase or "", CURE)
        return {cure: cure}


def join_clients(rows: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Add client_s: when the request's client had its response, or gave up; null if unknown.
    lost_share: the share of its delays that made it late (victims.RequestsInFlight)."""
    clients = locate_requests(evidence).select("pid", "visit", client_s="until_s")
    shares = pl.Series(find_requests_in_flight(evidence).lost_share)
    known = clients.with_columns(lost_share=shares).drop_nulls(["visit", "client_s"])
    known = known.unique(["pid", "visit"], keep="first", maintain_order=True)
    joined = rows.join(known, on=["pid", "visit"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("lost_share").fill_null(1.0))


def measure_pins(uses: pl.DataFrame, queue: pl.DataFrame) -> PinnedTime:
    """uses: of one place; queue: all offloaded calls of the queue in that process."""
    begin, end = (uses[name].to_numpy() for name in ("use_from_s", "use_until_s"))
    level = StepFunction.count(begin, end)
    known = queue["capacity"].drop_nulls().to_numpy()
    capacity = float(known.min(initial=np.inf))
    most = max(1.0, MOST * capacity)
    lone = pl.when(pl.col("visit").is_null()).then("handover")
    kept_s = (
        uses.group_by("visit", lone=lone, maintain_order=True)
        .agg((pl.col("use_until_s") - pl.col("use_from_s")).clip(lower_bound=0.0).sum())
        .get_column("use_until_s")
    )
    waits = queue.filter((pl.col("token_s") > 0) & ~pl.col("is_after"))
    until_s = waits.select(pl.min_horizontal("wait_until_s", "client_s")).to_series()
    waited = level.integrate(waits["wait_from_s"].to_numpy(), until_s.to_numpy())
    lost_s = np.minimum(waited / max(1.0, capacity), waits["token_s"].to_numpy())
    lost_s *= waits["lost_share"].to_numpy()
    lost = waits.select("pid", "visit", "route", lost_s=pl.Series(lost_s))
    return PinnedTime(
        kept_s=kept_s.to_numpy(),
        most_s=level.map(lambda levels: (levels >= most).astype(float)).measure_all(),
        any_s=level.map(is_positive).measure_all(),
        capacity=capacity,
        lost=lost.group_by("pid", "visit", "route", maintain_order=True).agg(
            pl.col("lost_s").sum()
        ),
    )


def is_pinned(times: Sequence[PinnedTime], is_shared: bool) -> bool:
    """is_shared: all code of the process needs the queue; an own queue may be meant for this."""
    most_s = sum(each.most_s for each in times)
    longest_s = max(float(each.kept_s.max()) for each in times)
    if not np.isfinite(times[0].capacity) or (longest_s < LONG_S and most_s < LONG_S):
        return False
    harm_s = sum(float(each.lost["lost_s"].sum()) for each in times)
    return harm_s >= HARM_S or (is_shared and most_s >= LONG_S)


def list_victims(others: pl.DataFrame) -> Iterator[Victim]:
    """Yield the most harmed first. others: requests of other routes and what they lost."""
    routes = others.drop_nulls("route").group_by("route", maintain_order=True)
    summed = routes.agg(pl.len(), pl.col("lost_s").sum()).sort("lost_s", descending=True)
    yield from (Victim(*row) for row in summed.iter_rows())
