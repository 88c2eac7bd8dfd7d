"""Resource demands of each route's requests, from visits of an audit that ran alone in their
process, without waiting for other requests."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import polars as pl

from analysis.findings.blocks.causes import judge_stretch
from analysis.findings.evidence import AuditEvidence, Stretch, compute_once
from analysis.findings.load_evidence import to_seconds
from analysis.theory.audit.cpu import measure_loop_cpu
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    Demands,
    Key,
    LoopBlock,
    Part,
    ThreadCall,
    TokenChange,
    VisitDemand,
    list_calls,
)
from scenarios.units import Second

FIRST = "first requests"
"""The phase that sends each request once; its requests load and cache what later ones find."""
MOST_VISITS = 200
"""Maximum per route: more add no information."""
MOST_WAKING_S: Second = 0.005
"""Maximum time for a thread to wake: anything longer does not belong to the call."""
LEAST_AWAITED_S: Second = 0.001
"""A shorter gap is the switch to a thread and back."""


class Event(NamedTuple):
    """A part with its start and end; a part without length ends when it begins."""

    began_s: Second
    ended_s: Second
    part: Part


@compute_once
def measure_demands(evidence: AuditEvidence) -> Demands:
    """Measure each requested route that has a visit that ran alone."""
    visits = list_lone_visits(evidence)
    events = collect_events(evidence, visits.select("pid", "visit"))
    cpu_s = measure_loop_cpu(evidence)
    found: dict[str, tuple[VisitDemand, ...]] = {}
    for (route,), mine in visits.partition_by("route", as_dict=True).items():
        rows = list(mine.gather_every(max(1, mine.height // MOST_VISITS)).iter_rows(named=True))
        keys = [(int(row["pid"]), int(row["visit"])) for row in rows]
        blocks_s = [measure_blocks_cpu(events.get(each, ())) for each in keys]
        rest_s = max(0.0, cpu_s.get(str(route), 0.0) - sum(blocks_s) / len(blocks_s))
        found[str(route)] = tuple(build_demand(row, events, rest_s) for row in rows)
    return found


def measure_blocks_cpu(events: Sequence[Event]) -> Second:
    """Measure a visit's blocking CPU. Work about as long as the shortest block is a block in some
    visits only; in other visits it counts as the route's remaining CPU."""
    return sum(each.part.cpu_s for each in events if isinstance(each.part, LoopBlock))


def list_lone_visits(evidence: AuditEvidence) -> pl.DataFrame:
    """List visits that ran alone, with their clients' times. Include visits of the first requests,
    and visits during another request's work after its response, only where a route has no
    better ones."""
    clients = evidence.asked.drop_nulls(["ended_s", "status"]).select(
        "phase", "route", "request_id", asked_s="started_s", answered_s="ended_s"
    )
    visits = evidence.handlers.drop("route").join(clients, on="request_id", how="left")
    visits = visits.drop_nulls("arrived_s").with_columns(
        from_s=pl.min_horizontal("asked_s", "arrived_s"),
        until_s=pl.max_horizontal("answered_s", "sent_s"),
        last_s=pl.max_horizontal("answered_s", "sent_s", "returned_s"),
    )
    visits = visits.sort("pid", "from_s").with_columns(
        is_alone=check_gaps("until_s"), is_only=check_gaps("last_s")
    )
    is_http = pl.col("protocol").fill_null("http") == "http"
    alone = visits.filter("is_alone", is_http).drop_nulls(["answered_s", "sent_s"])
    for is_better in (pl.col("phase") != FIRST, pl.col("is_only")):
        alone = alone.filter(is_better | ~is_better.any().over("route"))
    return alone


def check_gaps(until_s: str) -> pl.Expr:
    """Check that all earlier visits end before it begins, and the next begins after its end."""
    before_s = pl.col(until_s).cum_max().shift(1).over("pid").fill_null(-math.inf)
    next_s = pl.col("from_s").shift(-1).over("pid").fill_null(math.inf)
    return (before_s <= pl.col("from_s")) & (next_s >= pl.col(until_s))


def collect_events(evidence: AuditEvidence, visits: pl.DataFrame) -> Mapping[Key, Sequence[Event]]:
    """Collect events by process and visit. visits: pid and visit of the wanted ones."""
    found: dict[Key, list[Event]] = defaultdict(list)
    kept: dict[int, list[Stretch]] = defaultdict(list)
    for each in evidence.stretches:
        if judge_stretch(each.clocks).cause == "gil":
            kept[each.pid].append(each)
        elif each.visit is not None:
            length_s = each.clocks.length_s
            block = LoopBlock(length_s, each.key, min(length_s, each.clocks.cpu_s or 0.0))
            found[each.pid, each.visit].append(Event(each.began_s, each.ended_s, block))
    rows = evidence.handovers.join(visits, on=["pid", "visit"], how="semi")
    rows = rows.drop_nulls(["queue", "asked_s", "ended_s"])
    for row in rows.iter_rows(named=True):
        pid, visit, queue = row["pid"], row["visit"], row["queue"]
        if row["began_s"] is not None:
            call = build_call(row, kept[pid])
            found[pid, visit].append(Event(row["asked_s"], row["ended_s"], call))
        elif row["granted_s"] is not None:
            moments = (row["granted_s"], True), (row["ended_s"], False)
            found[pid, visit] += [
                Event(at_s, at_s, TokenChange(queue, is_taken)) for at_s, is_taken in moments
            ]
    return found


def build_call(row: Mapping[str, Any], kept: Sequence[Stretch]) -> ThreadCall:
    """row: of the table handovers. kept: stretches of its process in which a thread held the
    GIL."""
    began_s, ended_s = row["began_s"], row["ended_s"]
    cpu_s = min(ended_s - began_s, to_seconds(row["cpu_s"]) or 0.0)
    overlaps = {
        each.key: min(ended_s, each.ended_s) - max(began_s, each.began_s)
        for each in kept
        if each.began_s < ended_s and began_s < each.ended_s
    }
    return ThreadCall(
        row["queue"],
        ended_s - began_s,
        (row["pid"], row["handover"]),
        cpu_s,
        min(cpu_s, sum(overlaps.values())),
        max(overlaps, key=lambda key: overlaps[key], default=None),
        min(MOST_WAKING_S, max(0.0, began_s - (row["granted_s"] or row["asked_s"]))),
    )


def build_demand(
    row: Mapping[str, float], events: Mapping[Key, Sequence[Event]], cpu_s: Second
) -> VisitDemand:
    """row: from `list_lone_visits`."""
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
    """Split a block at the time when the response was sent."""
    block = event.part
    if not isinstance(block, LoopBlock) or not event.began_s < sent_s < event.ended_s:
        yield event
        return
    for began_s, ended_s in pairwise((event.began_s, sent_s, event.ended_s)):
        seconds = ended_s - began_s
        share = seconds / (event.ended_s - event.began_s)
        part = replace(block, seconds=seconds, cpu_s=min(seconds, share * block.cpu_s))
        yield Event(began_s, ended_s, part)


def join_concurrent(events: Sequence[Event]) -> list[Event]:
    """Join calls that run at the same time into one event. events: in order."""
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


def list_parts(events: Sequence[Event], arrived_s: Second, cpu_s: Second) -> Iterator[Part]:
    """List the parts; the gaps between events, except for CPU, are awaited time."""
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
