"""Connections that waited in the accept queue of the listening socket, or were dropped there."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Self

from analysis.findings.base import AuditFinding, AuditFindings, Notice, Severity
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.shares import sum_by_stretch
from analysis.findings.cures.block_cures import cure_blocked_place
from analysis.findings.cures.server_cures import propose_option
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import BlockPlace
from analysis.findings.process_lives import measure_lives
from analysis.findings.remedies import Cure
from analysis.findings.spans import Span, intersect, measure, meets, merge, subtract
from analysis.stats import formats
from records.server import QueueStretch, ServerRecord
from scenarios.units import Second

LONGER = "net.core.somaxconn must be at least as large."
LONG_S = 1.0
"""A shorter wait belongs to the cost of the block itself, which LOOP_BLOCKED reports."""
NEAR_S = 0.5
UNEXPLAINED = "no block whose code is known explains it; the machine may have been busy"
COVERS = 0.8
"""The share of a wait that must be blocked for the block to explain it."""


@dataclass(frozen=True, slots=True)
class BlockedWait:
    """A wait while every process was blocked. waited_s: of at least one connection. longest_s:
    without a gap. Between two blocks the queue may empty and fill again unseen: no connection is
    known to have waited for both."""

    stretch: QueueStretch
    place: BlockPlace
    waited_s: Second
    longest_s: Second


@dataclass(frozen=True, kw_only=True)
class AcceptQueue(AuditFinding):
    """count: connections that waited at once, at most; seconds: in which some waited. longest_ms:
    of one connection, at least. cause: blocked, if the loops of all processes were blocked
    meanwhile; backlog, if connections were dropped and no block explains a full queue. dropped:
    attempts to connect, including repeated ones."""

    short: ClassVar[str] = "waits to be accepted"
    clause: ClassVar[str] = "connections wait to be accepted"
    meaning: ClassVar[str] = "connections wait or are dropped before the server accepts them"
    remedy: ClassVar[str] = "remove the blocking call; if no loop is blocked, raise `--backlog`"
    dropped: int
    backlog: int | None

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        server = evidence.record.server
        long = (each for each in server.queue if each.ended_s - each.began_s >= LONG_S)
        full = [each for each in server.queue if is_full(each, server)]
        waits = list(explain_waits(list(dict.fromkeys((*long, *full))), evidence))
        filling = {each.place for each in waits if each.stretch in full}
        others = [each for each in waits if each.place not in filling]
        found = []
        if server.dropped:
            dropping = [each for each in waits if each.place in filling]
            found.append(cls.build(dropping, evidence, server.dropped))
        if any(each.longest_s >= LONG_S for each in others):
            found.append(cls.build(others, evidence, 0))
        return AuditFindings(tuple(found), tuple(write_notices(waits, evidence)))

    @classmethod
    def build(cls, waits: Sequence[BlockedWait], evidence: AuditEvidence, dropped: int) -> Self:
        server = evidence.record.server
        worst = max(waits, key=lambda each: each.longest_s, default=None)
        place = worst.place if worst else BlockPlace(None, None)
        severity: Severity = "error" if dropped else "warning"
        stretches = [each.stretch for each in waits] or server.queue
        return cls(
            severity=severity,
            confidence="high" if worst else "medium",
            **place.fields,
            call="the accept queue",
            cause="blocked" if worst else "backlog",
            count=max((each.connections for each in stretches), default=None),
            seconds=sum(each.waited_s for each in waits),
            longest_ms=1000 * worst.longest_s if worst else None,
            dropped=dropped,
            backlog=server.backlog,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        if self.cause == "blocked":
            cure = cure_blocked_place(self, evidence)
            return cure if isinstance(cure, str) else replace(cure, rule="one-blocks-all")
        if self.backlog is None:
            return "The size of the accept queue is not known."
        return propose_option(evidence, "--backlog", 2 * self.backlog, LONGER)

    @property
    def facts(self) -> str:
        return " ".join(self._say())

    def name_place(self) -> str:
        if self.file is None:
            return f"while serving {self.route}" if self.route else "by library code"
        return f"by {self.function}() ({self.file}:{self.line})"

    def _say(self) -> Iterator[str]:
        if self.longest_ms is not None:
            yield (
                "New connections waited in the accept queue, one for at least "
                f"{formats.milliseconds(self.longest_ms)} ms, because the event loop of every "
                f"process was blocked, mostly {self.name_place()}."
            )
        if self.dropped:
            size = "" if self.backlog is None else f" (backlog {self.backlog:,})"
            yield (
                f"{formats.count_things(self.dropped, 'attempt')} to connect "
                f"found the accept queue full{size}; the client retries after 1 s."
            )
        if self.longest_ms is not None:
            yield "Remove the blocking call."
        else:
            yield "Raise --backlog, and sysctl net.core.somaxconn if that limit is lower."


def is_full(stretch: QueueStretch, server: ServerRecord) -> bool:
    """Return True if the system may have dropped connections meanwhile."""
    return bool(server.dropped) and stretch.connections >= (server.backlog or inf)


def explain_waits(queue: Sequence[QueueStretch], evidence: AuditEvidence) -> Iterator[BlockedWait]:
    """Yield the waits during which every live process was blocked."""
    if not queue:
        return
    sites = attribute_blocks(evidence).sites
    blocked: dict[int, list[tuple[Span, BlockPlace]]] = defaultdict(list)
    for place, shares in sites.items():
        for stretch, _ in sum_by_stretch(shares):
            blocked[stretch.pid].append(((stretch.began_s, stretch.ended_s), place))
    lives = measure_lives(evidence)
    loops = {pid: merge(span for span, _ in spans) for pid, spans in blocked.items()}
    free = merge(
        span for pid, life in lives.items() for span in subtract([life], loops.get(pid, []))
    )
    for each in queue:
        wait = each.began_s, each.ended_s
        met = [
            (span, place)
            for spans in blocked.values()
            for span, place in spans
            if meets(span, wait)
        ]
        common = subtract(intersect(merge(span for span, _ in met), wait), free)
        if measure(common) >= COVERS * (each.ended_s - each.began_s):
            longest_s = max(end_s - begin_s for begin_s, end_s in common)
            yield BlockedWait(each, choose_place(met, wait), measure(common), longest_s)


def choose_place(blocks: Iterable[tuple[Span, BlockPlace]], wait: Span) -> BlockPlace:
    """Return the place that blocked for the longest time during the wait."""
    found: dict[BlockPlace, Second] = defaultdict(float)
    for span, place in blocks:
        found[place] += measure(intersect([span], wait))
    return max(found, key=lambda each: found[each])


def write_notices(waits: Sequence[BlockedWait], evidence: AuditEvidence) -> Iterator[Notice]:
    """Report a long wait that no block explains."""
    explained = {each.stretch for each in waits}
    left = [each for each in evidence.record.server.queue if each not in explained]
    worst = max(left, key=lambda each: each.ended_s - each.began_s, default=None)
    if worst is None or worst.ended_s - worst.began_s < LONG_S:
        return
    is_after_end = any(
        worst.began_s - NEAR_S <= each.at_s <= worst.ended_s for each in evidence.record.server.ends
    )
    why = "a worker had ended; its successor was not serving yet" if is_after_end else UNEXPLAINED
    length_s = worst.ended_s - worst.began_s
    said = f"For {length_s:,.1f} s, new connections waited in the accept queue: {why}."
    yield Notice("ACCEPT_QUEUE_WAIT", said, length_s)
