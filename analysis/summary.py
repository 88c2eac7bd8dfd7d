"""The figures of a cell, under the names that other tools rely on (summary.json, schema 1)."""

from dataclasses import dataclass, field

from analysis.fates import Fates
from analysis.verdicts import Verdict
from scenarios.units import Second

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Bystander:
    """One /ping a second, over the window. An unanswered ping counts as a failure, and with its
    age in the quantiles: they are then lower bounds. One that was refused or reset is a failure
    and in no quantile: a quick refusal is no quick answer."""

    median_ms: float | None
    p99_ms: float | None
    failures: int
    pings: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class WholeRun:
    """As Locust counts: from the first send to the last, ramp included, survivors only."""

    requests: int
    failures: int
    rps: float
    median_ms: float | None


@dataclass(frozen=True, slots=True)
class Cycle:
    """From half a second after one worker's death to half a second after the next one's."""

    start_s: Second
    end_s: Second
    ok: int
    failures: int
    ok_rps: float


@dataclass(frozen=True, slots=True)
class ErrorCount:
    error: str
    count: int


@dataclass(frozen=True, slots=True)
class Predicted:
    ok_rps: float | None
    mean_ms: float | None
    median_ms: float | None
    ceiling_rps: float | None
    limited_by: str | None


@dataclass(frozen=True, slots=True)
class CellSummary:
    """DESIGN: windows, populations, words. Unknown is None, never 0."""

    scenario: str
    trial: int
    users: int
    duration_s: Second | None
    requests: int
    failures: int
    failure_ratio: float | None
    unfinished: int
    rps: float | None
    ok_rps: float | None
    failures_per_s: float | None
    mean_ms: float | None
    median_ms: float | None
    ok_median_ms: float | None
    median_lower_bound_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    threads_unique: int | None
    threads_spawned: int | None
    threads_active_mean: float | None
    threads_active_peak: int | None
    pool_total: int | None
    pool_waiting_peak: int | None
    loop_lag_p99_ms: float | None
    loop_lag_max_ms: float | None
    loop_blocked_share: float | None
    blocked_by: str | None
    worker_restarts: int
    cpu_percent_peak: float | None
    rss_mib_peak: float | None
    generator_cpu_percent_peak: float | None
    generator_lateness_p99_ms: float | None
    bystander: Bystander
    whole_run: WholeRun
    fates: Fates
    interrupted: str | None
    predicted: Predicted | None = None
    cycles: tuple[Cycle, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    errors: tuple[ErrorCount, ...] = field(default=())
