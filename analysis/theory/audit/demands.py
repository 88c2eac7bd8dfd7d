"""What a request of each route needs, from the visits of an audit that ran alone in their process:
these waited for nobody."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.theory.audit.cpu import measure_loop_cpu
from scenarios.units import Second

FIRST = "first requests"
"""The phase in which each request is sent once; it loads and caches what the others find."""
MOST_VISITS = 200
"""Of a route: more tell nothing new."""
Key = tuple[int, int]
"""The process, and the number of a stretch or a hand-over in it."""


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """The thread of the event loop does nothing else meanwhile."""

    seconds: Second
    stretch: Key


@dataclass(frozen=True, slots=True)
class ThreadCall:
    """queue: as the probe names it. seconds: on the thread."""

    queue: str
    seconds: Second
    handover: Key


@dataclass(frozen=True, slots=True)
class AwaitedTime:
    """What the request awaits, and no thread works for it."""

    seconds: Second


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """What follows is work after the answer."""


Part = LoopBlock | ThreadCall | AwaitedTime | AnswerSent


@dataclass(frozen=True, slots=True)
class VisitDemand:
    """parts: in order. cpu_s: of the loop, without the parts. client_s: of the client and the
    network."""

    parts: tuple[Part, ...]
    cpu_s: Second
    client_s: Second


Demands = Mapping[str, tuple[VisitDemand, ...]]
"""By route."""
Event = tuple[Second, Second, Part]
"""When it began, when it ended, and what it was."""


@compute_once
def measure_demands(evidence: AuditEvidence) -> Demands:
    """Of each route that was asked; empty where no visit of it ran alone."""
    visits = list_lone_visits(evidence)
    events = collect_events(evidence)
    cpu_s = measure_loop_cpu(evidence)
    found: dict[str, tuple[VisitDemand, ...]] = {}
    for (route,), mine in visits.partition_by("route", as_dict=True).items():
        rows = mine.gather_every(max(1, mine.height // MOST_VISITS))
        found[str(route)] = tuple(
            build_demand(row, events, cpu_s.get(str(route), 0.0))
            for row in rows.iter_rows(named=True)
        )
    return found


def list_lone_visits(evidence: AuditEvidence) -> pl.DataFrame:
    """With their clients' times. Those of the first requests only where there are no others."""
    clients = evidence.asked.drop_nulls(["ended_s", "status"]).select(
        "phase", "route", "request_id", asked_s="started_s", answered_s="ended_s"
    )
    visits = (
        evidence.handlers.drop(["route"])
        .join(clients, on="request_id", how="left")
        .drop_nulls("arrived_s")
        .with_columns(
            from_s=pl.min_horizontal("asked_s", "arrived_s"),
            until_s=pl.max_horizontal("answered_s", "sent_s", "returned_s"),
        )
        .sort("pid", "from_s")
        .with_columns(
            before_s=pl.col("until_s").cum_max().shift(1).over("pid"),
            next_s=pl.col("from_s").shift(-1).over("pid"),
        )
    )
    is_alone = (pl.col("before_s").fill_null(0.0) <= pl.col("from_s")) & (
        pl.col("next_s").fill_null(float("inf")) >= pl.col("until_s")
    )
    is_http = pl.col("protocol").fill_null("http") == "http"
    alone = visits.filter(is_alone, is_http).drop_nulls(["answered_s", "sent_s"])
    others = pl.col("phase") != FIRST
    return alone.filter(others | ~others.any().over("route"))


def collect_events(evidence: AuditEvidence) -> Mapping[Key, Sequence[Event]]:
    """By process and visit."""
    found: dict[Key, list[Event]] = defaultdict(list)
    for stretch in evidence.stretches:
        if stretch.visit is not None:
            block = LoopBlock(stretch.clocks.length_s, stretch.key)
            found[stretch.pid, stretch.visit].append((stretch.began_s, stretch.ended_s, block))
    columns = ("pid", "visit", "handover", "queue", "asked_s", "began_s", "ended_s")
    for row in evidence.handovers.select(columns).drop_nulls().iter_rows():
        pid, visit, number, queue, asked_s, began_s, ended_s = row
        call = ThreadCall(queue, ended_s - began_s, (pid, number))
        found[pid, visit].append((asked_s, ended_s, call))
    return found


def build_demand(
    visit: Mapping[str, float], events: Mapping[Key, Sequence[Event]], cpu_s: Second
) -> VisitDemand:
    """visit: of list_lone_visits."""
    mine = [*events.get((int(visit["pid"]), int(visit["visit"])), ())]
    mine.append((visit["sent_s"], visit["sent_s"], AnswerSent()))
    mine.sort(key=lambda each: each[:2])
    parts = tuple(list_parts(mine, visit["arrived_s"], cpu_s))
    in_app_s = visit["sent_s"] - visit["arrived_s"]
    client_s = max(0.0, visit["answered_s"] - visit["asked_s"] - in_app_s - cpu_s / 3)
    return VisitDemand(parts, cpu_s, client_s)


def list_parts(events: Sequence[Event], arrived_s: Second, cpu_s: Second) -> Iterator[Part]:
    """The gaps between events are time that the request awaits, but for its CPU."""
    gaps_s, last_s = [], arrived_s
    for began_s, ended_s, _ in events:
        gaps_s.append(max(0.0, began_s - last_s))
        last_s = max(last_s, ended_s)
    total_s = sum(gaps_s)
    awaited = max(0.0, 1 - cpu_s / total_s) if total_s else 0.0
    for gap_s, (_, _, part) in zip(gaps_s, events, strict=True):
        if gap_s * awaited >= LEAST_AWAITED_S:
            yield AwaitedTime(gap_s * awaited)
        yield part


LEAST_AWAITED_S: Second = 0.001
"""A shorter gap is the way to a thread and back."""
