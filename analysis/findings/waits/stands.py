"""Calls that threads run or that wait for a thread, and the places where the threads are stuck."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from analysis.findings.code_texts import parse_stack
from analysis.findings.evidence import AuditEvidence, Stack
from analysis.findings.load_evidence import to_seconds, to_text, to_whole
from analysis.findings.places import BlockPlace, PlaceFinder, build_finder
from analysis.findings.spans import Span
from analysis.findings.waits.handover_evidence import locate_handovers
from scenarios.units import Second

SIZE = re.compile(r" of (\d+)")
LEAST_LOOKS, LEAST_STOOD_S = 2, 0.25
"""A thread with fewer samples at a place, or for less time, may be moving."""
GRAVE_STATUS = 500
IN_THREAD = {("concurrent.futures.thread", "_worker"), ("anyio._backends._asyncio", "run")}
"""Functions in which threads of pools run their calls."""


@dataclass(frozen=True, slots=True)
class HandedCall:
    """waits: for a token. uses: one. has_ended: if not, it lasted until its process was last seen.
    failed: it raised an error or was given up, or its request got an error response. asker: the
    stack that requested the thread. last_seen: the text of its thread's last stack."""

    pid: int
    number: int
    visit: int | None
    route: str | None
    phase: str | None
    queue: str
    capacity: float
    work: str | None
    waits: Span | None
    uses: Span | None
    has_ended: bool
    failed: bool
    asker: Stack
    last_seen: str | None

    @property
    def is_nested(self) -> bool:
        """Whether a thread of a pool made this call."""
        return any((each.module, each.function) in IN_THREAD for each in self.asker)

    @property
    def until_s(self) -> Second:
        return (self.uses or self.waits or (math.inf, math.inf))[1]


@dataclass(frozen=True, slots=True)
class Stand:
    """A thread that stays at one place of a call. size: of what it waits for, if it has one.
    is_last: it stayed until the call ended."""

    call: HandedCall
    from_s: Second
    until_s: Second
    waits_for: str
    place: BlockPlace
    stack: Stack
    is_last: bool

    @property
    def size(self) -> int | None:
        found = SIZE.search(self.waits_for)
        return int(found[1]) if found else None

    @property
    def has_ended(self) -> bool:
        return self.call.has_ended or not self.is_last


def list_calls(evidence: AuditEvidence) -> list[HandedCall]:
    grave = evidence.handlers.filter(pl.col("status") >= GRAVE_STATUS).select("pid", "visit")
    grave = grave.drop_nulls().unique().with_columns(is_grave=pl.lit(value=True))
    last_seen = pl.col("stack").sort_by("at_s").last()
    seen = evidence.thread_stacks.group_by("pid", "handover").agg(last_seen=last_seen)
    rows = locate_handovers(evidence).join(grave, on=["pid", "visit"], how="left")
    rows = rows.join(seen, on=["pid", "handover"], how="left")
    return [build_call(row) for row in rows.sort("asked_s").iter_rows(named=True)]


def build_call(row: Mapping[str, object]) -> HandedCall:
    return HandedCall(
        pid=to_whole(row["pid"]),
        number=to_whole(row["handover"]),
        visit=to_whole(row["visit"]) or None,
        route=to_text(row["route"]),
        phase=to_text(row["phase"]),
        queue=to_text(row["queue"]) or "",
        capacity=to_seconds(row["capacity"]) or math.inf,
        work=to_text(row["work"]),
        waits=read_span(row, "wait"),
        uses=read_span(row, "use"),
        has_ended=to_seconds(row["ended_s"]) is not None,
        failed=bool(row["failed"] or row["is_grave"]),
        asker=parse_stack(to_text(row["asker"])),
        last_seen=to_text(row["last_seen"]),
    )


def read_span(row: Mapping[str, object], name: str) -> Span | None:
    from_s, until_s = to_seconds(row[f"{name}_from_s"]), to_seconds(row[f"{name}_until_s"])
    return None if from_s is None or until_s is None else (from_s, until_s)


def list_stands(evidence: AuditEvidence, calls: Iterable[HandedCall]) -> Iterator[Stand]:
    """Yield the threads that wait for a resource of the process."""
    by_key = {(each.pid, each.number): each for each in calls}
    finder = build_finder(evidence)
    samples = evidence.thread_stacks.drop_nulls(["handover", "stack"]).sort(
        "pid", "handover", "at_s"
    )
    rows = samples.select("pid", "handover", "at_s", "stack", "waits_for").rows()
    for key, mine in groupby(rows, key=lambda row: (row[0], row[1])):
        call = by_key.get(key)
        if call is not None and call.uses is not None:
            yield from list_stands_of(call, [row[2:] for row in mine], finder)


def list_stands_of(
    call: HandedCall, looks: Sequence[tuple[Second, str, str | None]], finder: PlaceFinder
) -> Iterator[Stand]:
    """looks: moment, stack, and what it waits for. The first sample holds from the beginning of the
    call: sampling starts as soon as a call waits for a thread."""
    from_s, until_s = call.uses or (math.nan, math.nan)
    runs = [list(run) for _, run in groupby(looks, key=lambda look: look[1])]
    for place, run in enumerate(runs):
        waits_for = run[-1][2]
        is_last = place == len(runs) - 1
        if len(run) < LEAST_LOOKS or run[-1][0] - run[0][0] < LEAST_STOOD_S or waits_for is None:
            continue
        stack = parse_stack(run[0][1])
        located = finder.locate(stack, call.route, in_thread=True)
        yield Stand(
            call=call,
            from_s=run[0][0] if place else from_s,
            until_s=until_s if is_last else runs[place + 1][0][0],
            waits_for=waits_for,
            place=located.place,
            stack=located.stack,
            is_last=is_last,
        )
