"""Workers that the server killed because their event loop was blocked, and workers that crashed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Notice
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.calls import name_call
from analysis.findings.blocks.shares import StretchShare, choose_heaviest, sum_by_stretch
from analysis.findings.cures.block_cures import cure_blocked_place
from analysis.findings.evidence import AuditEvidence, Stretch
from analysis.findings.places import BlockPlace
from analysis.findings.remedies import Cure
from analysis.findings.server.lost_requests import SEEN_S, list_lost_by_ends
from analysis.stats import formats
from records.server import EndReason, ServerSettings, WorkerEnd
from scenarios.units import Second

NO_BLOCK = "No block whose code is known explains it: check the server's log."
EXPLAINS = 0.8
"""The blocked share of the seconds without a heartbeat that explains a kill: blocks are known
within about 0.25 s."""
ENDED: Mapping[EndReason, str] = {
    "recycled": "{} reached --max-requests and {} replaced: no code is to blame.",
    "stopped": "{} shut down cleanly, because of a signal or a request limit.",
    "unknown": "{} ended during the load, and the server's output does not say why: check its log.",
}


@dataclass(frozen=True, slots=True)
class BlockBeforeKill:
    """What blocked the loop of a killed worker in the seconds before. place: that took most of
    them. blocked_s: there. longest_s: of one block there. all_s: blocked_s over all places."""

    place: BlockPlace
    call: str | None
    blocked_s: Second
    longest_s: Second
    all_s: Second = 0.0


@dataclass(frozen=True, kw_only=True)
class WorkerKilled(AuditFinding):
    """kills: workers that ended. count: requests without a response because of it, None for the
    user's own clients; seconds: that they waited. cause: timeout, killed, signal, exit;
    unexplained, if no block explains a timeout. longest_ms: of a block there. blocked_s: of the
    seconds before the kill, at most. memory_mb: of the workers when last sampled, at most."""

    short: ClassVar[str] = "worker lost"
    clause: ClassVar[str] = "workers are killed or crash"
    meaning: ClassVar[str] = "the server killed a worker, or a worker crashed"
    remedy: ClassVar[str] = "remove the blocking call; a longer timeout only stops the kills"
    kills: int
    blocked_s: Second = 0.0
    detail: str = ""
    memory_mb: float | None = None
    settings: ServerSettings

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        groups: dict[tuple[str, BlockPlace | None], list[WorkerEnd]] = defaultdict(list)
        blocks = {end.pid: block for end, block in explain_timeouts(evidence)}
        ends = evidence.record.server.ends
        for end in ends:
            place = blocks[end.pid].place if end.pid in blocks else None
            groups[f"{end.reason} {end.detail}", place].append(end)
        findings = tuple(
            cls.build(mine, [blocks[each.pid] for each in mine if each.pid in blocks], evidence)
            for mine in groups.values()
            if mine[0].reason not in ENDED
        )
        return AuditFindings(findings=findings, notices=tuple(write_notices(ends)))

    @classmethod
    def build(
        cls, ends: Sequence[WorkerEnd], blocks: Sequence[BlockBeforeKill], evidence: AuditEvidence
    ) -> Self:
        lost = list_lost_by_ends(evidence.asked, ends)
        worst = max(blocks, key=lambda each: each.blocked_s, default=None)
        place = worst.place if worst else BlockPlace(None, None)
        reason = ends[0].reason
        return cls(
            severity="error",
            confidence="high" if worst or reason != "timeout" else "medium",
            **place.fields,
            call=worst.call if worst else "a worker process",
            cause="unexplained" if reason == "timeout" and worst is None else reason,
            count=lost.height if evidence.asked.height else None,
            seconds=float((lost["ended_s"] - lost["started_s"]).sum()),
            longest_ms=1000 * max(each.longest_s for each in blocks) if blocks else None,
            kills=len(ends),
            blocked_s=worst.all_s if worst else 0.0,
            detail=ends[0].detail,
            memory_mb=measure_memory_mb(ends, evidence),
            settings=evidence.record.server.settings,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        """Propose the cure of the block that led to the kill."""
        if self.cause != "timeout":
            return NO_BLOCK
        cure = cure_blocked_place(self, evidence)
        return cure if isinstance(cure, str) else replace(cure, rule="gunicorn-timeout")

    @property
    def facts(self) -> str:
        return " ".join(
            (*self._say_what(), *([] if self.count is None else [count_lost(self.count)]))
        )

    def _say_what(self) -> Iterator[str]:
        times = "once" if self.kills == 1 else f"{self.kills:,} times"
        if self.cause == "signal":
            yield f"A worker crashed {times} ({self.detail}): check the server's log."
        elif self.cause == "exit":
            yield f"A worker exited by itself {times} (exit code {self.detail}): check its log."
        elif self.cause == "killed":
            yield (
                f"SIGKILL ended a worker {times}, not because of its heartbeat: the system may "
                "have run out of memory."
            )
            if self.memory_mb is not None:
                yield f"The worker used {self.memory_mb:,.0f} MB when last sampled."
        else:
            yield from self._say_timeout(times)

    def name_place(self) -> str:
        return f"{self.function}() ({self.file}:{self.line})" if self.file else f"{self.call}"

    def _say_timeout(self, times: str) -> Iterator[str]:
        limit_s, every_s = self.settings.timeout_s, self.settings.heartbeat_every_s
        after = "its --timeout" if limit_s is None else f"--timeout {limit_s:g} s"
        yield f"gunicorn killed a worker {times} after {after} without a heartbeat."
        if self.longest_ms is None:
            yield "No block whose code is known explains it."
        else:
            within = "" if limit_s is None else f" of the last {limit_s:g} s"
            yield (
                f"Its event loop was blocked for {self.blocked_s:,.1f} s{within}, mostly by "
                f"{self.name_place()}, whose longest block lasted {self.longest_ms / 1000:,.1f} s."
            )
        if limit_s is not None and every_s is not None:
            yield explain_heartbeat(limit_s, every_s)
        if self.longest_ms is not None:
            yield "Remove the blocking call: a longer --timeout only stops the kills."


def explain_heartbeat(limit_s: Second, every_s: Second) -> str:
    """uvicorn's worker counts ten ticks between two heartbeats, and a block delays each tick."""
    said = f"Without a block, a heartbeat comes every {every_s:g} s"
    if every_s >= limit_s:
        return f"{said}: so short a --timeout can kill a worker that is not blocked. Raise it."
    return f"{said}: a block of {limit_s - every_s:g} s can be enough, and shorter blocks add up."


def measure_memory_mb(ends: Sequence[WorkerEnd], evidence: AuditEvidence) -> float | None:
    mine = evidence.samples.filter(pl.col("pid").is_in([each.pid for each in ends]))
    last = mine.sort("at_s").group_by("pid").agg(pl.col("rss_bytes").drop_nulls().last())
    values = [each for each in last["rss_bytes"] if each is not None]
    return max(values) / 1e6 if values else None


def count_lost(requests: int) -> str:
    if not requests:
        return "No request was lost."
    return f"{formats.count_things(requests, 'request')} got no response."


def explain_timeouts(evidence: AuditEvidence) -> Iterator[tuple[WorkerEnd, BlockBeforeKill]]:
    """Yield each worker killed by a timeout that its blocks explain."""
    killed = [each for each in evidence.record.server.ends if each.reason == "timeout"]
    if not killed:
        return
    sites = attribute_blocks(evidence).sites
    settings = evidence.record.server.settings
    for end in killed:
        found = [
            measure_block(place, shares, end, settings.timeout_s) for place, shares in sites.items()
        ]
        needed_s = max(0.0, (settings.timeout_s or 0.0) - (settings.heartbeat_every_s or 0.0))
        total_s = sum(each.blocked_s for each in found)
        if total_s > 0 and total_s >= EXPLAINS * needed_s:
            yield end, replace(max(found, key=lambda each: each.blocked_s), all_s=total_s)


def measure_block(
    place: BlockPlace, shares: Sequence[StretchShare], end: WorkerEnd, timeout_s: Second | None
) -> BlockBeforeKill:
    """Measure blocks within the timeout before the kill; if the timeout is unknown, only the block
    that the kill interrupted."""
    blocked_s = longest_s = 0.0
    for stretch, seconds in sum_by_stretch(
        [each for each in shares if each.stretch.pid == end.pid]
    ):
        until_s = find_end(stretch, end)
        part = seconds / stretch.clocks.length_s if stretch.clocks.length_s else 0.0
        is_cut = until_s >= end.at_s - SEEN_S
        begin_s = stretch.began_s if timeout_s is None else end.at_s - timeout_s
        inside_s = min(until_s, end.at_s) - max(stretch.began_s, begin_s)
        if inside_s > 0 and (is_cut or timeout_s is not None):
            blocked_s += inside_s * part
            longest_s = max(longest_s, (until_s - stretch.began_s) * part)
    calls = ((name_call(each.located, each.cause), each.seconds) for each in shares)
    return BlockBeforeKill(place, choose_heaviest(calls), blocked_s, longest_s)


def find_end(stretch: Stretch, end: WorkerEnd) -> Second:
    """Return a block's end. If a kill cut it, its last record is a little earlier."""
    is_cut = stretch.is_open and 0 < end.at_s - stretch.ended_s < 2 * SEEN_S
    return end.at_s if is_cut else stretch.ended_s


def write_notices(ends: Sequence[WorkerEnd]) -> Iterator[Notice]:
    for reason, text in ENDED.items():
        count = sum(each.reason == reason for each in ends)
        if count:
            workers = ("1 worker", "was") if count == 1 else (f"{count:,} workers", "were")
            yield Notice(f"WORKER_{reason.upper()}", text.format(*workers))
