"""The change of an audited service when a finding is fixed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from analysis.findings.base import AuditFinding
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.shares import sum_by_stretch
from analysis.findings.evidence import AuditEvidence
from analysis.findings.layers.answer_delayed import measure_delays
from analysis.findings.places import BlockPlace, CodePlace
from analysis.findings.resources.things_made import group_made
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.findings.waits.queue_wait import QueueWait
from analysis.findings.waits.trivial_def import CODE
from analysis.findings.waits.wait_sites import SITE, locate_uses
from analysis.theory.audit.demands import list_lone_visits
from analysis.theory.audit.edits import (
    ELSEWHERE,
    AwaitedEdit,
    BlockEdit,
    CallEdit,
    Edit,
    MakingEdit,
    NoEdit,
    await_block,
    compute_elsewhere,
    hand_over,
)
from analysis.theory.audit.load import MeasuredService
from analysis.theory.audit.parts import Key
from scenarios.units import Second

NOT_MET = "its cost is unknown: no request that ran alone was affected"
NO_CURE = "no code change is known that removes it"
UNKNOWN = "the model does not know what replaces this code"
UNKNOWN_TO_THE_MODEL: Mapping[str, str] = {
    "ACCEPT_QUEUE": "the model has no connections that the server does not accept",
    "BACKGROUND_BACKLOG": "the model does not know which work would be left out",
    "GIL_REENABLED": "the model only covers services with a GIL",
    "LIMITER_SIZE": "the model does not know the purpose of a limit of that size",
    "MIDDLEWARE_COST": "the CPU of another middleware is unknown",
    "POOL_DEADLOCK": "the model has no deadlocks",
    "REFUSED_REQUESTS": "the model has no requests that the server refuses",
    "THREAD_GROWTH": "the model does not know the cost of a thread that stays",
    "WORKER_KILLED": "the model has no workers that are killed",
}
IN_PART = (
    "its cost is unknown: it takes about as long as the shortest block that the audit records, so "
    "some requests that ran alone do not show it"
)
CLEAR_MS = 40.0
"""Twice the shortest block: if the usual request takes this long, the audit records every one."""
ALWAYS_SHARE = 0.9
LATER = "the end of the response comes no earlier, only its first part does"
PROTECTED = "the limit belongs to the app, and the model does not know what it protects"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """edit: of requests. capacities: of queues that change. reason: why the change is unknown."""

    edit: Edit = field(default_factory=NoEdit)
    capacities: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None

    def apply(self, service: MeasuredService) -> MeasuredService:
        demands = {
            route: tuple(map(self.edit.apply, each)) for route, each in service.demands.items()
        }
        capacities = {**service.limits.capacities, **self.capacities}
        return MeasuredService(demands, replace(service.limits, capacities=capacities))


FindChange = Callable[[AuditFinding, AuditEvidence, int], ServiceChange]


def find_change(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Find the change that fixes a finding. cores: of the machine."""
    if finding.code in UNKNOWN_TO_THE_MODEL:
        return ServiceChange(reason=UNKNOWN_TO_THE_MODEL[finding.code])
    find = CHANGES.get(finding.code)
    return find(finding, evidence, cores) if find else ServiceChange(reason=UNKNOWN)


def unblock_loop(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Apply the cure: objects made once take no time in requests, and neither does avoided garbage
    collection; a thread is one of anyio's; processes have all cores except the loop's."""
    seconds = list_stretches(finding, evidence)
    if finding.phase == "startup":
        return ServiceChange(reason="no request waits during startup")
    if finding.cause == "gc":
        return ServiceChange(BlockEdit(seconds, None))
    if is_seen_in_part(finding, seconds, evidence):
        return ServiceChange(reason=IN_PART)
    if finding.cure is None:
        return ServiceChange(reason=NO_CURE)
    if finding.cure.rule == "client-life":
        return ServiceChange(BlockEdit(seconds, None))
    if finding.cure.rule == "one-blocks-all":
        return ServiceChange(BlockEdit(seconds, await_block))
    if finding.cure.rule == "offload" and finding.cause != "gil":
        return ServiceChange(BlockEdit(seconds, hand_over))
    if (finding.cure.trial or "").startswith("workers="):
        processes = {ELSEWHERE: float(max(1, cores - 1))}
        return ServiceChange(BlockEdit(seconds, compute_elsewhere), processes)
    return ServiceChange(reason=UNKNOWN)


def is_seen_in_part(
    finding: AuditFinding, seconds: Mapping[Key, Second], evidence: AuditEvidence
) -> bool:
    """Return True if some requests that ran alone do the same work in less time than the shortest
    block. seconds: of the finding's stretches."""
    if (finding.median_ms or 0.0) >= CLEAR_MS:
        return False
    met = {(each.pid, each.visit) for each in evidence.stretches if each.key in seconds}
    alone = list_lone_visits(evidence).filter(pl.col("route") == finding.route)
    visits = alone.select("pid", "visit").rows()
    return sum(each in met for each in visits) < ALWAYS_SHARE * len(visits)


def list_stretches(finding: AuditFinding, evidence: AuditEvidence) -> Mapping[Key, Second]:
    """Map the stretches in which its site blocked the loop to their seconds."""
    if finding.code != "LOOP_BLOCKED":
        return {}
    place = BlockPlace(**{name: getattr(finding, name) for name in BlockPlace.__slots__})
    shares = attribute_blocks(evidence).sites.get(place, ())
    return {stretch.key: seconds for stretch, seconds in sum_by_stretch(shares)}


def widen_queue(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Widen it to the size of its cure's trial, else without limit."""
    del evidence, cores
    assert isinstance(finding, QueueWait)
    if finding.cause == "limiter":
        return ServiceChange(reason=PROTECTED)
    return ServiceChange(capacities={finding.queue: read_trial_size(finding) or math.inf})


def read_trial_size(finding: AuditFinding) -> float | None:
    """Read N of pool=N or executor=N."""
    trial = (finding.cure and finding.cure.trial) or ""
    kind, _, size = trial.partition("=")
    return float(size) if kind in ("pool", "executor") and size.isdigit() else None


def free_threads(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Await what holds threads for long, without a thread."""
    del cores
    mine = [pl.col(name).eq_missing(pl.lit(getattr(finding, name))) for name in SITE]
    return ServiceChange(CallEdit(list_calls(locate_uses(evidence).filter(*mine))))


def declare_async(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    del cores
    values = finding.file, finding.line, finding.function
    mine = [pl.col(name).eq_missing(pl.lit(each)) for name, each in zip(CODE, values, strict=True)]
    calls = locate_handovers(evidence).filter("is_own", *mine)
    return ServiceChange(CallEdit(list_calls(calls), computing=True))


def list_calls(rows: pl.DataFrame) -> frozenset[Key]:
    return frozenset(rows.select("pid", "handover").iter_rows())


def pass_on(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Remove the middleware's wait."""
    del cores
    if finding.cause == "buffer":
        return ServiceChange(reason=LATER)
    seconds: dict[Key, Second] = {}
    for row in measure_delays(evidence).iter_rows(named=True):
        place = CodePlace.parse(row["layer"], evidence.record.folder)
        is_its = (finding.file, finding.line, finding.function) == place
        if is_its and (finding.route, finding.cause) == (row["route"], row["cause"]):
            key = row["pid"], row["visit"]
            seconds[key] = seconds.get(key, 0.0) + row["delay_s"]
    return ServiceChange(AwaitedEdit(seconds))


def share_client(finding: AuditFinding, evidence: AuditEvidence, cores: int) -> ServiceChange:
    """Remove the creation of these objects from requests."""
    del cores
    place = BlockPlace(**{name: getattr(finding, name) for name in BlockPlace.__slots__})
    made = group_made(evidence, pl.col("kind") == finding.call).get((place, finding.call or ""), ())
    seconds: dict[Key, Second] = {}
    for each in made:
        seconds[each.visit] = seconds.get(each.visit, 0.0) + (each.cpu_s or 0.0)
    return ServiceChange(MakingEdit(seconds))


CHANGES: Mapping[str, FindChange] = {
    "ANSWER_DELAYED": pass_on,
    "CLIENT_PER_REQUEST": share_client,
    "EXECUTOR_WAIT": widen_queue,
    "LOOP_BLOCKED": unblock_loop,
    "POOL_WAIT": widen_queue,
    "THREADS_PINNED": free_threads,
    "TRIVIAL_DEF": declare_async,
}
