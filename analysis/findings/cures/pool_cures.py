"""The cure for a queue for threads: a larger pool, if its threads wait and do not compute."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from operator import itemgetter

import polars as pl

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import find_site
from analysis.findings.cures.edits import list_calls, quote, replace_text
from analysis.findings.cures.find_numbers import (
    FindNumber,
    find_argument,
    find_number,
    find_pool_size,
)
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.source_code import get_last_name
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.findings.waits.queue_names import (
    ASGIREF,
    DEFAULT_EXECUTOR,
    POOL,
    PROCESSES,
    QueueName,
)
from analysis.stats import formats
from analysis.stats.step_function import StepFunction
from scenarios.units import Second

STEP = 10
"""Sizes are rounded up to tens: the number of concurrent calls is not exact."""
MOST_THREADS = 500
"""No measurement showed a gain from more."""
COMPUTES = 0.5
"""Share of the time in threads: code that computes for longer holds the GIL."""
MINE = "This is the app's own limit: raise it only if what it protects can serve more at once."
MOST_TIME = 0.5
NO_HOLDER = (None, None, None), 0.0
SENSITIVE = "Correct only if the code may run in several threads at once."
POOL_LINE = "anyio.to_thread.current_default_thread_limiter().total_tokens = {size}"
EXECUTOR_LINE = "asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor({size}))"
AT_STARTUP = "# in the app's lifespan, before requests arrive:"


@dataclass(frozen=True, slots=True)
class AskedQueue:
    """queue: as the probe names it. capacity: None if unknown."""

    queue: str
    named: QueueName
    capacity: float | None


def cure_queue(finding: AuditFinding, evidence: AuditEvidence, queue: AskedQueue) -> Cure | str:
    named = queue.named
    rows = locate_handovers(evidence).filter(pl.col("queue") == queue.queue)
    computed = measure_computed(rows)
    if computed >= COMPUTES:
        return (
            f"The code in its threads computes for {formats.percent(computed)} of the time: more "
            "threads would not make it faster."
        )
    if named == PROCESSES:
        return named.cure
    if named == ASGIREF:
        return cure_sensitive_call(finding, evidence)
    demand = measure_demand(rows)
    size = math.ceil(demand / STEP) * STEP
    if size > MOST_THREADS:
        return f"{demand:,} calls used it or waited for it at once: no pool is meant for that many."
    reason = (
        f"Up to {demand:,} calls at once used a {named.unit} or waited for one. A larger size "
        "helps only if what they call can serve that many at once."
        f"{advise_holder(finding)}"
    )
    if named == POOL:
        return propose_pool(evidence, size, reason)
    if named == DEFAULT_EXECUTOR:
        after = (AT_STARTUP, EXECUTOR_LINE.format(size=size))
        return Cure(None, None, (), after, reason, "second-pool", f"executor={size}")
    return cure_own_limit(finding, evidence, queue, size)


def advise_holder(finding: AuditFinding) -> str:
    """Name the function that holds the threads for most of the time; else return an empty text."""
    kept_s = defaultdict[tuple[str | None, int | None, str | None], Second](float)
    for each in finding.holders or ():
        kept_s[each.file, each.line, each.function] += each.seconds
    (file, line, function), most_s = max(kept_s.items(), key=itemgetter(1), default=NO_HOLDER)
    if not function or not file or most_s <= MOST_TIME * sum(kept_s.values()):
        return ""
    return f" Better: make {function}() ({file}:{line}) faster or asynchronous."


def cure_deadlock(
    finding: AuditFinding, evidence: AuditEvidence, pool: str, is_nested: bool
) -> Cure | str:
    """Propose more threads than concurrent calls, so that the awaited call gets one."""
    if pool != POOL.name:
        return "No size of this pool is known to be enough."
    demand = measure_demand(locate_handovers(evidence).filter(pl.col("queue") == "anyio"))
    size = math.ceil((demand + 1) / STEP) * STEP
    if size > MOST_THREADS:
        return f"{demand:,} calls needed a thread at once: no pool is meant for that many."
    better = (
        "Better: do the inner work in the same thread."
        if is_nested
        else f"Better: release the {finding.call} before the request needs another thread."
    )
    reason = f"Up to {demand:,} calls at once used a thread or waited for one. {better}"
    return propose_pool(evidence, size, reason)


def propose_pool(evidence: AuditEvidence, size: int, reason: str) -> Cure:
    """Edit the line that sets the pool's size, if there is one."""
    found = find_number(evidence, None, None, find_pool_size)
    edit = found.replace(size) if found else None
    cure = Cure(
        None, None, (), (AT_STARTUP, POOL_LINE.format(size=size)), reason, "raise-the-pool",
        f"pool={size}",
    )  # fmt: skip
    if found is None or edit is None:
        return cure
    return replace(cure, file=found.file, line=edit.line, before=edit.before, after=edit.after)


def cure_own_limit(
    finding: AuditFinding, evidence: AuditEvidence, queue: AskedQueue, size: int
) -> Cure | str:
    found = find_number(evidence, finding.file, queue.capacity, choose_number(queue.queue))
    edit = found.replace(size) if found else None
    if found is None or edit is None:
        return MINE
    rule: CureRule = "second-pool" if queue.queue.startswith("executor") else "small-pool"
    return Cure(found.file, edit.line, edit.before, edit.after, MINE, rule)


def choose_number(queue: str) -> FindNumber:
    """Match the number that sets the queue's limit."""
    if queue.startswith("executor"):
        return find_argument("ThreadPoolExecutor", "max_workers")
    limiter, bound = (
        find_argument("CapacityLimiter", "total_tokens"),
        find_argument("Depends", "max_concurrency", None),
    )
    return lambda node, source: limiter(node, source) or bound(node, source)


def cure_sensitive_call(finding: AuditFinding, evidence: AuditEvidence) -> Cure | str:
    """All thread-sensitive code shares one thread."""
    site = find_site(evidence, finding.file, finding.line, finding.function)
    calls = [] if site is None else list(list_calls(site))
    made = [each for each in calls if get_last_name(each.func) == "sync_to_async"]
    if site is None or len(made) != 1:
        return "The audit does not know which call needs the thread."
    (call,) = made
    if any(each.arg == "thread_sensitive" for each in call.keywords) or len(call.args) != 1:
        return SENSITIVE
    function, argument = (quote(site.source, each) for each in (call.func, call.args[0]))
    text = f"{function}({argument}, thread_sensitive=False)"
    edit = replace_text(site.source, call, text)
    if edit is None:
        return SENSITIVE
    return Cure(site.file, edit.line, edit.before, edit.after, SENSITIVE, "second-pool")


def measure_computed(rows: pl.DataFrame) -> float:
    """Measure the CPU share of the time that threads were in use, for calls with both values."""
    known = rows.drop_nulls(["cpu_s", "use_from_s", "use_until_s"]).filter(
        pl.col("cpu_s").is_finite()
    )
    used_s = float((known["use_until_s"] - known["use_from_s"]).sum())
    return float(known["cpu_s"].sum()) / used_s if used_s > 0 else 0.0


def measure_demand(rows: pl.DataFrame) -> int:
    """Return the most concurrent calls of a process that use a token or wait for one."""
    spans = rows.select(
        "pid",
        begin=pl.coalesce("wait_from_s", "use_from_s"),
        end=pl.coalesce("use_until_s", "wait_until_s"),
    ).drop_nulls()
    most = 0.0
    for process in spans.partition_by("pid"):
        level = StepFunction.count(process["begin"].to_numpy(), process["end"].to_numpy())
        most = max(most, float(level.levels.max(initial=0.0)))
    return int(most)
