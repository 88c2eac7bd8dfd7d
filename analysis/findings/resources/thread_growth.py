"""Threads that requests start and that do not end."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.cures.code_sites import find_site
from analysis.findings.cures.once_cures import cure_made_thing
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import BlockPlace, build_finder
from analysis.findings.remedies import Cure
from analysis.findings.resources.things_made import ENDS, THREADS, MadeThing, Visit, group_made
from scenarios.units import Second

LEAST_REQUESTS, LEAST_SHARE = 10, 0.1
"""Fewer requests, or a smaller share of the route's, only fill a pool or start a service."""
LEAST_AGE_S = 1.0
"""A younger thread may be about to end when the load ends."""
NOTED_S = 0.3
"""The probe records an end up to 0.25 s late. A thread that ends later than this after the load was
ended by the shutdown."""
STEADY = 0.5
"""Relative to the earlier share of requests that left threads: if it is lower in the last third,
the number has stopped growing."""
GRAVE_THREADS = 100
SAME_S = 1e-6
END = "# end the thread with its request, or start one at startup for all requests"
END_REASON = "Each request leaves a thread behind, with its stack and everything it references."
CALLS = {THREADS[0]: "threading.Thread", THREADS[1]: "ThreadPoolExecutor"}


@dataclass(frozen=True, kw_only=True)
class ThreadGrowth(AuditFinding):
    """count: requests that left threads. call: what was created. severity: `error` from 100 threads
    on. confidence: `high` if each of the route's requests left one."""

    short: ClassVar[str] = "threads grow"
    clause: ClassVar[str] = "the number of threads grows"
    meaning: ClassVar[str] = "requests start threads that do not end"
    remedy: ClassVar[str] = "end each thread with its request, or share one executor"
    threads: int
    """Those still running when the load ended."""
    before: int | None = None
    after: int | None = None
    """The app's own threads in the process with the most, at the beginning and at the end."""

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        arrivals = list_arrivals(evidence)
        made = group_made(evidence, pl.col("kind").is_in([*THREADS, *ENDS]))
        found = []
        for (place, kind), started in made.items():
            ended = made.get((place, f"{kind} end"), [])
            left = [] if kind in ENDS else list_left(started, ended, evidence)
            if is_growth(left, arrivals.get(place.route or "", {})):
                found.append(cls.build(place, kind, left, arrivals[place.route or ""], evidence))
        return AuditFindings(findings=tuple(each for each in found if not each.is_contradicted()))

    @classmethod
    def build(
        cls,
        place: BlockPlace,
        kind: str,
        left: Sequence[MadeThing],
        arrivals: Mapping[Visit, Second],
        evidence: AuditEvidence,
    ) -> Self:
        visits = {each.visit for each in left}
        before, after = measure_levels(evidence, {pid for pid, _ in visits})
        return cls(
            severity="error" if len(left) >= GRAVE_THREADS else "warning",
            confidence="high" if len(visits) >= 0.9 * len(arrivals) and place.file else "medium",
            **place.fields,
            call=CALLS[kind],
            stack=build_finder(evidence).show_stack(left[0].located.stack),
            cause="threads",
            count=len(visits),
            threads=len(left),
            before=before,
            after=after,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        if self.call == CALLS[THREADS[1]]:
            cure = cure_made_thing(self.place_fields, evidence, self.call, None)
            return replace(cure, rule=None)
        site = find_site(evidence, self.file, self.line, self.function)
        comment = f"{site.indent if site else ''}{END}"
        return Cure(self.file, self.line, (), (comment,), END_REASON)

    def is_contradicted(self) -> bool:
        """Return True if the number of live threads does not grow accordingly."""
        if self.before is None or self.after is None:
            return False
        return self.after - self.before < STEADY * self.threads

    @property
    def facts(self) -> str:
        cause = "starts threads that do not end"
        if self.call == CALLS[THREADS[1]]:
            cause = "creates executors whose threads do not end"
        said = (
            f"{self.route} {cause}: {self.threads:,} threads that {self.count:,} requests "
            "started were still running when the load ended"
        )
        if self.before is not None and self.after is not None:
            said = (
                f"{said}; threads outside anyio's pool grew from {self.before:,} to {self.after:,}"
            )
        return (
            f"{said}. End each thread with its request, or share one executor created at startup."
        )


def find_load_end(evidence: AuditEvidence) -> Second:
    return max((each.ended_s for each in evidence.record.phases), default=evidence.record.ended_s)


def list_arrivals(evidence: AuditEvidence) -> Mapping[str, Mapping[Visit, Second]]:
    """Map each route to the arrivals of requests that ended early enough to judge."""
    found: dict[str, dict[Visit, Second]] = defaultdict(dict)
    rows = evidence.handlers.drop_nulls(["route", "visit", "arrived_s", "returned_s"])
    known = rows.filter(pl.col("returned_s") <= find_load_end(evidence) - LEAST_AGE_S)
    for route, pid, visit, at_s in known.select("route", "pid", "visit", "arrived_s").iter_rows():
        found[route][pid, visit] = at_s
    return found


def list_left(
    started: Sequence[MadeThing], ended: Sequence[MadeThing], evidence: AuditEvidence
) -> list[MadeThing]:
    """List threads that outlived their requests and every ended thread of this place."""
    end_s = find_load_end(evidence)
    ended = [each for each in ended if each.at_s <= end_s + NOTED_S]
    rows = evidence.handlers.drop_nulls("returned_s").select("pid", "visit")
    returned = set(rows.iter_rows())
    ends = sorted((each.visit[0], each.at_s - (each.took_s or 0.0)) for each in ended)
    longest_s = max((each.took_s or 0.0 for each in ended), default=0.0)
    until_s = end_s - max(LEAST_AGE_S, longest_s)
    return [
        each
        for each in started
        if each.at_s <= until_s and each.visit in returned and not has_ended(each, ends)
    ]


def has_ended(thread: MadeThing, ends: Sequence[tuple[int, Second]]) -> bool:
    """ends: process and start of each thread that ended, sorted."""
    pid = thread.visit[0]
    at = bisect_left(ends, (pid, thread.at_s - SAME_S))
    return at < len(ends) and ends[at][0] == pid and ends[at][1] <= thread.at_s + SAME_S


def is_growth(left: Sequence[MadeThing], arrivals: Mapping[Visit, Second]) -> bool:
    visits = {each.visit for each in left} & set(arrivals)
    if len(visits) < max(LEAST_REQUESTS, LEAST_SHARE * len(arrivals)):
        return False
    order = sorted(arrivals, key=lambda visit: arrivals[visit])
    early, late = order[: -(len(order) // 3)], order[-(len(order) // 3) :]
    return len(visits & set(late)) * len(early) >= STEADY * len(visits & set(early)) * len(late)


def measure_levels(evidence: AuditEvidence, pids: set[int]) -> tuple[int, int] | tuple[None, None]:
    """Count threads outside the loop and anyio's pool, at the first sample and at the load's last
    one, summed over these processes."""
    within = pl.col("pid").is_in(list(pids)) & (pl.col("at_s") <= find_load_end(evidence))
    rows = (
        evidence.samples.filter(within)
        .sort("at_s")
        .with_columns(own=pl.col("threads_other") + pl.col("threads_executor"))
        .drop_nulls("own")
        .group_by("pid")
        .agg(before=pl.col("own").first(), after=pl.col("own").last())
    )
    if not rows.height:
        return None, None
    return sum(rows["before"].to_list()), sum(rows["after"].to_list())
