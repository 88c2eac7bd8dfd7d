"""The moment of an audit that shows a finding best: a block during which many requests of other
routes wait, or the longest wait for a thread."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.findings import AuditEvidence, AuditFinding
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.blocks.shares import sum_by_stretch
from analysis.findings.blocks.victims import locate_requests
from analysis.findings.evidence import Stretch
from analysis.findings.waits.deadlocks import find_deadlocks
from analysis.findings.waits.handover_evidence import PLACE, locate_handovers
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from analysis.findings.waits.queue_wait import QueueWait
from analysis.findings.waits.threads_pinned import ThreadsPinned
from analysis.measures.window import Window
from scenarios.units import Second

MOST_BLOCKS = 200
"""Blocks that are examined, the longest first."""
AROUND = 4.0
"""A picture shows at most this many lengths of a block before and after it."""
BEFORE_BLOCK, BEFORE_WAIT, AFTER_WAIT = 0.5, 0.2, 0.3
"""Fractions of the length of the block or the wait."""


@dataclass(frozen=True, slots=True)
class Moment:
    """shown: the picture's time span. peak: the block or the wait itself. visit: of the request
    that blocks or waits. culprits: numbers of the stretches in which the finding blocks the loop.
    queue: the queue whose threads are held; empty for a block. idle_s: part of a wait in which a
    thread was free, but not passed on; a finding's figures leave it out."""

    finding: AuditFinding
    pid: int
    shown: Window
    peak: Window
    visit: int | None = None
    culprits: frozenset[int] = frozenset()
    queue: str = ""
    idle_s: Second = 0.0


def find_moment(found: AuditFinding, evidence: AuditEvidence) -> Moment | None:
    """Return None if the finding is not about a block or a wait."""
    if isinstance(found, LoopBlocked):
        return find_block(found, evidence)
    if isinstance(found, QueueWait):
        return find_wait(found, found.queue, evidence)
    if isinstance(found, ThreadsPinned):
        return find_wait(found, found.queue, evidence)
    return find_deadlock(found, evidence) if isinstance(found, PoolDeadlock) else None


def find_block(found: LoopBlocked, evidence: AuditEvidence) -> Moment | None:
    """Find the block at this place that costs requests of other routes the most seconds."""
    place = tuple(getattr(found, each) for each in PLACE)
    sites = attribute_blocks(evidence).sites
    shares = next((sites[each] for each in sites if tuple(each.fields.values()) == place), ())
    mine = [
        stretch
        for stretch, seconds in sum_by_stretch(shares)
        if seconds > stretch.clocks.length_s / 2
    ]
    if not mine:
        return None
    others = locate_requests(evidence).filter(pl.col("route") != (found.route or ""))
    longest = sorted(mine, key=lambda each: (-each.clocks.length_s, each.key))[:MOST_BLOCKS]
    block = max(longest, key=lambda each: each.clocks.length_s * len(meet(others, each)))
    numbers = frozenset(each.number for each in mine if each.pid == block.pid)
    peak = Window(block.began_s, block.ended_s)
    shown = frame_block(peak, meet(others, block))
    return Moment(found, block.pid, shown, peak, block.visit, numbers)


def meet(requests: pl.DataFrame, block: Stretch) -> pl.DataFrame:
    """Select the requests in flight during the block."""
    return requests.filter(
        pl.col("pid") == block.pid,
        pl.col("started_s") < block.ended_s,
        pl.col("until_s") > block.began_s,
    )


def frame_block(peak: Window, victims: pl.DataFrame) -> Window:
    """Frame the block and most of a typical victim, as long as the block stays visible."""
    begin_s, end_s = peak.start_s - BEFORE_BLOCK * peak.length_s, peak.end_s + peak.length_s
    if victims.height:
        begin_s = min(begin_s, float(np.median(victims["started_s"].to_numpy())))
        end_s = max(end_s, float(np.median(victims["until_s"].to_numpy())))
    return limit_window(begin_s, end_s, peak.widen(AROUND * peak.length_s))


def limit_window(begin_s: Second, end_s: Second, widest: Window) -> Window:
    """Clip the window; an audit starts at 0."""
    return Window(max(0.0, begin_s, widest.start_s), min(end_s, widest.end_s))


def find_wait(
    found: QueueWait | ThreadsPinned, queue: str, evidence: AuditEvidence
) -> Moment | None:
    """Find the longest wait for a token: at this place or, for pinned threads, at any place."""
    waits = locate_handovers(evidence).filter(pl.col("queue") == queue, pl.col("token_s") > 0)
    if isinstance(found, QueueWait):
        is_here = (pl.col(each).eq_missing(pl.lit(getattr(found, each))) for each in PLACE)
        waits = waits.filter(*is_here)
    if waits.is_empty():
        return None
    longest = waits.sort("token_s", "asked_s", descending=[True, False]).row(0, named=True)
    peak = Window(longest["wait_from_s"], longest["wait_until_s"])
    shown = frame_wait(peak)
    idle_s = peak.length_s - float(longest["token_s"])
    return Moment(found, longest["pid"], shown, peak, longest["visit"], queue=queue, idle_s=idle_s)


def find_deadlock(found: PoolDeadlock, evidence: AuditEvidence) -> Moment | None:
    """Find the longest deadlock of the finding."""
    mine = [
        (each.lasted_s, resource.queue, each)
        for resource, deadlocks in find_deadlocks(evidence).items()
        for each in deadlocks
        if resource.waits_for == found.call and each.size == found.size
    ]
    if not mine:
        return None
    _, queue, longest = max(mine, key=lambda each: each[0])
    peak = Window(longest.began_s, longest.ended_s)
    return Moment(found, longest.stands[0].call.pid, frame_wait(peak), peak, queue=queue)


def frame_wait(peak: Window) -> Window:
    end_s = peak.end_s + AFTER_WAIT * peak.length_s
    return limit_window(peak.start_s - BEFORE_WAIT * peak.length_s, end_s, Window(0.0, end_s))
