"""What a request of each route needs, from the visits of an audit that ran alone in their process:
these waited for nobody."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.theory.audit.cpu import measure_loop_cpu
from scenarios.units import Second

FIRST = "first requests"
"""The phase in which each request is sent once; it loads and caches what the others find."""
MOST_VISITS = 200
"""Of a route: more tell nothing new."""
LEAST_AWAITED_S: Second = 0.001
"""A shorter gap is the way to a thread and back."""
Key = tuple[int, int]
"""The process, and the number of a visit, a stretch or a hand-over in it."""


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """The thread of the event loop does nothing else meanwhile. began_s: as in the records."""

    seconds: Second
    stretch: Key
    began_s: Second = 0.0


@dataclass(frozen=True, slots=True)
class ThreadCall:
    """queue: as the probe names it. seconds: on the thread. began_s: as in the records."""

    queue: str
    seconds: Second
    handover: Key
    began_s: Second = 0.0


@dataclass(frozen=True, slots=True)
class ConcurrentCalls:
    """The request goes on when all have ended."""

    calls: tuple[ThreadCall, ...]

    @property
    def seconds(self) -> Second:
        return max(each.seconds for each in self.calls)


@dataclass(frozen=True, slots=True)
class AwaitedTime:
    """What the request awaits, and no thread works for it."""

    seconds: Second


@dataclass(frozen=True, slots=True)
class TokenChange:
    """Of a queue, without a thread: taken, or given back."""

    queue: str
    is_taken: bool
    seconds: Second = 0.0


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """What follows is work after the answer."""

    seconds: Second = 0.0


Part = LoopBlock | ThreadCall | ConcurrentCalls | AwaitedTime | TokenChange | AnswerSent


@dataclass(frozen=True, slots=True)
class VisitDemand:
    """parts: in order. cpu_s: of the loop, without the parts. client_s: of the client and the
    network. visit: its number in the records."""

    parts: tuple[Part, ...]
    cpu_s: Second
    client_s: Second = 0.0
    visit: Key = (0, 0)

    @property
    def alone_s(self) -> Second:
        """Where the request waits for nobody, with its work after the answer."""
        return self.client_s + self.cpu_s + sum(each.seconds for each in self.parts)


Demands = Mapping[str, tuple[VisitDemand, ...]]
"""By route."""


class Event(NamedTuple):
    """When it was asked for, and ended. A part without length ends when it begins."""

    began_s: Second
    ended_s: Second
    part: Part


@compute_once
def measure_demands(evidence: AuditEvidence) -> Demands:
    """Of each route that was asked and had a visit that ran alone."""
    visits, events = list_lone_visits(evidence), collect_events(evidence)
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
        evidence.handlers.drop("route")
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
    for each in evidence.stretches:
        if each.visit is not None:
            block = LoopBlock(each.clocks.length_s, each.key, each.began_s)
            found[each.pid, each.visit].append(Event(each.began_s, each.ended_s, block))
    rows = evidence.handovers.drop_nulls(["visit", "queue", "asked_s", "ended_s"])
    names = ("pid", "visit", "handover", "queue", "asked_s", "granted_s", "began_s", "ended_s")
    for pid, visit, number, queue, asked_s, granted_s, began_s, ended_s in rows.select(
        names
    ).iter_rows():
        if began_s is not None:
            call = ThreadCall(queue, ended_s - began_s, (pid, number), began_s)
            found[pid, visit].append(Event(asked_s, ended_s, call))
        elif granted_s is not None:
            found[pid, visit] += [
                Event(granted_s, granted_s, TokenChange(queue, is_taken=True)),
                Event(ended_s, ended_s, TokenChange(queue, is_taken=False)),
            ]
    return found


def build_demand(
    row: Mapping[str, float], events: Mapping[Key, Sequence[Event]], cpu_s: Second
) -> VisitDemand:
    """row: of list_lone_visits."""
    visit, sent_s = (int(row["pid"]), int(row["visit"])), row["sent_s"]
    mine = [part for each in events.get(visit, ()) for part in split_at(each, sent_s)]
    mine = sorted([*mine, Event(sent_s, sent_s, AnswerSent())], key=get_moments)
    parts = tuple(list_parts(join_concurrent(mine), row["arrived_s"], cpu_s))
    in_app_s = sent_s - row["arrived_s"]
    client_s = max(0.0, row["answered_s"] - row["asked_s"] - in_app_s - cpu_s / 3)
    return VisitDemand(parts, cpu_s, client_s, visit)


def get_moments(event: Event) -> tuple[Second, Second]:
    return event.began_s, event.ended_s


def split_at(event: Event, sent_s: Second) -> Iterator[Event]:
    """A block in whose middle the answer was sent blocks before and after it."""
    block = event.part
    if not isinstance(block, LoopBlock) or not event.began_s < sent_s < event.ended_s:
        yield event
        return
    for began_s, ended_s in pairwise((event.began_s, sent_s, event.ended_s)):
        part = replace(block, seconds=ended_s - began_s, began_s=began_s)
        yield Event(began_s, ended_s, part)


def join_concurrent(events: Sequence[Event]) -> list[Event]:
    """events: in order. Calls that run at the same time are one event."""
    joined: list[Event] = []
    for each in events:
        last = joined[-1] if joined else None
        calls = list_calls(last.part) if last is not None and each.began_s < last.ended_s else ()
        if last is not None and calls and isinstance(each.part, ThreadCall):
            together = ConcurrentCalls((*calls, each.part))
            joined[-1] = Event(last.began_s, max(last.ended_s, each.ended_s), together)
        else:
            joined.append(each)
    return joined


def list_calls(part: Part) -> tuple[ThreadCall, ...]:
    if isinstance(part, ConcurrentCalls):
        return part.calls
    return (part,) if isinstance(part, ThreadCall) else ()


def list_parts(events: Sequence[Event], arrived_s: Second, cpu_s: Second) -> Iterator[Part]:
    """The gaps between events are time that the request awaits, but for its CPU."""
    gaps_s, last_s = [], arrived_s
    for each in events:
        gaps_s.append(max(0.0, each.began_s - last_s))
        last_s = max(last_s, each.ended_s)
    total_s = sum(gaps_s)
    awaited = max(0.0, 1 - cpu_s / total_s) if total_s else 0.0
    for gap_s, each in zip(gaps_s, events, strict=True):
        if gap_s * awaited >= LEAST_AWAITED_S:
            yield AwaitedTime(gap_s * awaited)
        yield each.part
