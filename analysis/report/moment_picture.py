"""A moment of an audit as a picture: rows for the event loop, threads and requests."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from analysis.findings import AuditEvidence
from analysis.findings.waits.blamed_loops import EXECUTORS
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.findings.waits.queue_wait import NOTED_PART, QueueWait
from analysis.findings.waits.wait_sites import locate_uses
from analysis.report.finding_words import format_place, format_route, name_finding
from analysis.report.lanes import Lane, PictureRow, Scale, list_ticks
from analysis.report.moment_requests import (
    choose_requests,
    count_waiting,
    list_waits,
    select_requests,
)
from analysis.report.moments import Moment
from analysis.report.table import shorten
from analysis.report.timeline import MOST_BARS, MOST_ROWS, number_threads
from analysis.stats import formats
from records.process_ids import get_pid
from scenarios.units import Second

LONGEST_ROUTE = 34
KINDS = CULPRIT, BLOCK, WORK, FLIGHT, WAIT = ("culprit", "block", "work", "flight", "wait")
WORDS: Mapping[str, str] = {
    BLOCK: "other code blocks the event loop",
    WORK: "other code holds a {unit}",
    FLIGHT: "a request is in flight",
    WAIT: "the request waits for a {unit}",
}
"""Legends of all kinds of bars except the finding's own. unit: thread or token of the queue."""
LOOP_HEIGHT, THREAD_HEIGHT, REQUEST_HEIGHT = 18, 6, 25


@dataclass(frozen=True, slots=True)
class MomentPicture:
    """ticks: position in percent and label, counted from the start of the block or wait. band: its
    left edge and width. kinds: of bars, with their legends. requests: how many wait meanwhile;
    shown: how many of them have a row."""

    moment: Moment
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    band: tuple[float, float]
    kinds: tuple[tuple[str, str], ...]
    requests: int
    shown: int

    @property
    def title(self) -> str:
        found = self.moment.finding
        return f"{format_place(found)}, {format_route(found)}: {name_finding(found)}"

    @property
    def description(self) -> str:
        """What the picture shows, for its caption."""
        peak, shown = self.moment.peak, self.moment.shown
        length = formats.milliseconds(1000 * peak.length_s)
        many = formats.count_things(self.requests, "request")
        verb = "is" if self.requests == 1 else "are"
        said = (
            f"The event loop is blocked for {length} ms; {many} of other routes {verb} in flight "
            "meanwhile"
        )
        if self.moment.queue:
            unit = get_unit(self.moment)
            verb = "waits" if self.requests == 1 else "wait"
            said = f"{describe_wait(self.moment)}; {many} {verb} for a {unit} meanwhile"
        few = f", {self.shown} of which are shown" if self.shown < self.requests else ""
        return f"Seconds {shown.start_s:.1f} to {shown.end_s:.1f} of the audit. {said}{few}."


def draw_moment(moment: Moment, evidence: AuditEvidence) -> MomentPicture:
    scale = Scale(moment.shown)
    requests = select_requests(moment, evidence)
    shown = choose_requests(requests)
    lanes = [
        Lane(name_loop(moment, evidence), LOOP_HEIGHT, tuple(draw_loop(moment, evidence, scale))),
        draw_threads(moment, evidence, scale),
        Lane("requests", REQUEST_HEIGHT, tuple(draw_requests(shown, moment, evidence, scale))),
    ]
    lanes = [each for each in lanes if each.rows]
    present = {bar.kind for lane in lanes for row in lane.rows for bar in row.bars}
    unit = get_unit(moment)
    words = {kind: text.replace("{unit}", unit) for kind, text in WORDS.items()}
    words[CULPRIT] = describe_culprit(moment)
    left = scale.place(moment.peak.start_s)
    return MomentPicture(
        moment=moment,
        lanes=tuple(lanes),
        ticks=tuple(list_ticks(scale, moment.peak.start_s)),
        band=(left, round(scale.place(moment.peak.end_s) - left, 2)),
        kinds=tuple((each, words[each]) for each in KINDS if each in present),
        requests=count_waiting(requests, moment),
        shown=count_waiting(shown, moment),
    )


def describe_culprit(moment: Moment) -> str:
    found = moment.finding
    if not moment.queue:
        return f"{format_place(found)} blocks the event loop"
    holder = found.holders[0] if found.holders else found
    name = f"{holder.function}()" if holder.function else holder.route or "library code"
    return f"{name} holds a {get_unit(moment)}"


def describe_wait(moment: Moment) -> str:
    """Divide a wait into the part that the finding's figures count, and the rest."""
    whole_s, idle_s = moment.peak.length_s, moment.idle_s
    whole, taken = (formats.milliseconds(1000 * each) for each in (whole_s, whole_s - idle_s))
    if idle_s <= NOTED_PART * (whole_s - idle_s):
        return f"A request waits for {taken} ms"
    is_own = re.match(EXECUTORS, moment.queue)
    late = "takes the work late" if is_own else "is passed on late by the event loop"
    free = f"no {get_unit(moment)} is free for {taken} ms of it"
    return f"A request waits for {whole} ms: {free}, and for the rest a free one {late}"


def get_unit(moment: Moment) -> str:
    """Return what the queue hands out: a thread or a token."""
    found = moment.finding
    return found.queue_name.unit if isinstance(found, QueueWait) else "thread"


def name_loop(moment: Moment, evidence: AuditEvidence) -> str:
    """Add the process to the name if there are several."""
    several = evidence.count_processes() > 1
    return f"event loop of process {get_pid(moment.pid)}" if several else "event loop"


def draw_loop(moment: Moment, evidence: AuditEvidence, scale: Scale) -> Iterator[PictureRow]:
    """Draw everything that blocks the event loop in one row."""
    window, bars = moment.shown, []
    for each in evidence.stretches:
        if each.pid == moment.pid and each.began_s < window.end_s and each.ended_s > window.start_s:
            kind = CULPRIT if each.number in moment.culprits else BLOCK
            bars.append(scale.draw(kind, each.began_s, each.ended_s, each.route or "no request"))
    if bars:
        yield PictureRow(tuple(bars))


def draw_threads(moment: Moment, evidence: AuditEvidence, scale: Scale) -> Lane:
    """Draw the threads of the queue that requests wait for. If the finding has holders, the first
    one is the culprit."""
    found = moment.finding
    holder = found.holders[0] if found.holders else found
    threads = number_threads(list_uses(moment, evidence)).partition_by("place")
    rows, bars = list[PictureRow](), 0
    for mine in threads[:MOST_ROWS]:
        bars += mine.height
        if rows and bars > MOST_BARS:
            break
        uses = mine.select("route", "phase", "use_from_s", "use_until_s").iter_rows()
        rows.append(
            PictureRow(
                tuple(
                    scale.draw(
                        CULPRIT if (route, phase) == (holder.route, holder.phase) else WORK,
                        from_s, until_s, route or "no request",
                    )
                    for route, phase, from_s, until_s in uses
                )
            )
        )  # fmt: skip
    name = formats.count_things(len(threads), "thread")
    more = f", {len(rows)} of which are shown" if len(rows) < len(threads) else ""
    return Lane(name + more, THREAD_HEIGHT, tuple(rows))


def list_uses(moment: Moment, evidence: AuditEvidence) -> pl.DataFrame:
    """List the uses of the queue's threads, in order of time."""
    threads = locate_handovers(evidence).select("pid", "handover", "thread_id")
    rows = locate_uses(evidence).join(threads, on=["pid", "handover"], maintain_order="left")
    return (
        rows.drop_nulls("thread_id")
        .filter(
            pl.col("queue") == moment.queue,
            pl.col("pid") == moment.pid,
            pl.col("use_from_s") < moment.shown.end_s,
            pl.col("use_until_s") > moment.shown.start_s,
        )
        .sort("use_from_s", "handover")
    )


def draw_requests(
    rows: pl.DataFrame, moment: Moment, evidence: AuditEvidence, scale: Scale
) -> Iterator[PictureRow]:
    """Draw a row for each request, with its waits or its block in front."""
    waits = list_waits(moment, evidence).partition_by("visit", as_dict=True)
    for row in rows.iter_rows(named=True):
        bars, waits_later = (
            [scale.draw(FLIGHT, row["started_s"], row["until_s"], row["route"])],
            False,
        )
        if not moment.queue and row["is_own"]:
            peak = moment.peak
            bars += [scale.draw(CULPRIT, peak.start_s, peak.end_s, "blocks the event loop")]
        if row["visit"] is not None and (mine := waits.get((row["visit"],))) is not None:
            spans = [*mine.select("wait_from_s", "wait_until_s").iter_rows()]
            bars += [
                scale.draw(WAIT, begin_s, end_s, "waits for a thread") for begin_s, end_s in spans
            ]
            waits_later = any(end_s > row["until_s"] for _, end_s in spans)
        yield PictureRow(tuple(bars), describe_request(row["route"], row["took_s"], waits_later))


def describe_request(route: str, took_s: Second, waits_later: bool) -> str:
    """waits_later: its background work waits, after the response."""
    took = f"{formats.milliseconds(1000 * took_s)} ms"
    return f"{shorten(route, LONGEST_ROUTE)}: {f'answered after {took}' if waits_later else took}"
