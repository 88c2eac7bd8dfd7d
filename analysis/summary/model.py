"""The figures of a cell, under the names that other tools rely on (summary.json, schema 1)."""

from dataclasses import dataclass, field

from analysis.measures.ramp import RampGrowth
from analysis.measures.request_accounting import RequestAccounting
from analysis.verdicts.base import VerdictRecord
from records.prediction import Prediction
from scenarios.units import Second

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class BystanderLatency:
    """What somebody else saw, who asked now and then, over the window. An unanswered ping counts as
    a failure, and with its age in the quantiles: they are then lower bounds. One that was refused
    or reset is a failure and in no quantile: a quick refusal is no quick answer."""

    median_ms: float | None
    p99_ms: float | None
    failures: int
    pings: int
    unanswered: int
    path: str = "/ping"

    @property
    def median_is_lower_bound(self) -> bool:
        return 2 * self.unanswered >= self.pings


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
class OpenLoopSummary:
    """Of a cell whose requests left on schedule. Its latencies count from when they were due;
    service_…: from when they left. Offered is what was due in the window, requests a second."""

    arrival_rate: float
    arrivals: str
    offered_rps: float
    sustained_rps: float
    backlog_growth_per_s: float
    overloaded: bool
    service_median_ms: float | None
    service_p99_ms: float | None
    formula_median_ms: float | None = None
    """Of an overloaded one, from rates and times alone: what is answered t after the schedule's
    begin waited t (1 - sustained / offered), and half of the window's answers come before its
    middle."""


@dataclass(frozen=True, slots=True)
class CellSummary:
    """DESIGN: windows, populations, words. Unknown is None, never 0."""

    scenario: str
    trial: int
    users: int | None
    """None in an open loop."""
    duration_s: Second | None
    requests: int
    failures: int
    failure_ratio: float | None
    unfinished: int
    rps: float | None
    ok_rps: float | None
    failures_per_s: float | None
    success_ratio: float | None
    mean_ms: float | None
    min_ms: float | None
    median_ms: float | None
    ok_median_ms: float | None
    median_lower_bound_ms: float | None
    median_censored_ms: float | None
    """Kaplan–Meier, with the requests that nobody answered; None where it is beyond them all."""
    p99_lower_bound_ms: float | None
    p99_censored_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    users_seen: float | None
    """Throughput × (response + think): Little's law has as many users as there are."""
    users_unanswered: int | None
    """Users without an answer in the whole window: starved, or the window is shorter than a
    response."""
    users_longest_wait_median_ms: float | None
    """Half of the users waited at least so long for one of their answers."""
    warm_up_cut_s: float
    """What the warm-up took of the window, by MSER-5."""
    response_drift: float | None
    """Change over the window as a share of the mean; so too for the throughput."""
    throughput_drift: float | None
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
    cpu_ms_per_request: float | None
    """Of the server with all its processes, over the window; the probe's own share is in it."""
    rss_mib_peak: float | None
    live_cpu_percent_peak: float | None
    """Of the page of `--live`; None without one."""
    generator_cpu_percent_peak: float | None
    generator_cpu_percent: tuple[float, ...]
    """The peak of each load process, busiest first."""
    generator_lateness_median_ms: float | None
    generator_lateness_p99_ms: float | None
    upstream_late_share: float | None
    other_load_cores: float | None
    """What was no part of the cell kept so many cores busy."""
    stolen_cores: float | None
    arrival_delay_median_ms: float | None
    """From the send to when the app saw it; None where two clocks are not known well enough."""
    arrival_delay_p99_ms: float | None
    clock_uncertainty_ms: float | None
    """Of load processes on other machines."""
    open_loop: OpenLoopSummary | None
    growth: RampGrowth | None
    """Where the ramp was slow enough to tell."""
    bystander: BystanderLatency
    whole_run: WholeRun
    fates: RequestAccounting
    interrupted: str | None
    predicted: Prediction | None = None
    cycles: tuple[Cycle, ...] = ()
    verdicts: tuple[VerdictRecord, ...] = ()
    errors: tuple[ErrorCount, ...] = field(default=())
