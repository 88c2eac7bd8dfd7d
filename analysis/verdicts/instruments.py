"""What limited a cell other than the server under study: load program and upstream."""

from collections.abc import Iterator

from analysis.verdicts.base import Evidence, Verdict
from scenarios.model import Load, Scenario

CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
LATENESS_LIMIT_MS = 20.0
LATENESS_LIMIT_SHARE = 0.05
"""Sends this late at p99 change the load; below 20 ms it is the scheduler of a busy machine."""
LATE_LIMIT_SHARE = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""
MOST_PROCESSES = 64
"""Of the load: what the option takes."""


def suggest_less_load(load: Load) -> str:
    """An open loop has no users."""
    return "a lower --arrival-rate" if load.is_open else "fewer --users"


def suggest_other_loads(scenario: Scenario) -> str:
    """Options that this scenario takes, and that it did not have."""
    return " or ".join((*list_stronger_loads(scenario), suggest_less_load(scenario.load)))


def list_stronger_loads(scenario: Scenario) -> Iterator[str]:
    """Requests are counted by one process, oha has a user in each process at least, and it knows
    neither an open loop nor pauses nor a second path."""
    load = scenario.load
    if load.requests is not None:
        return
    more = load.processes + 1
    if more <= min(MOST_PROCESSES, MOST_PROCESSES if load.is_open else load.users):
        yield f"--load-processes {more}"
    if load.engine == "locust" and not (load.is_open or load.think_s or scenario.rare):
        yield "--engine oha"


class GeneratorSaturated(Verdict):
    """The load generator was the limit, or may have been. By its CPU, or by how late its requests
    left, measured against how long they took. Where the window has too few samples of
    the load processes their CPU is unknown, and the lateness alone counts."""

    rank = 90
    doubt = "the load generator may have been the limit"
    error_means = "at least"
    severity = "error"

    cpu_percent: float | None
    processes: int | None
    lateness_p99_ms: float | None
    options: str
    """What makes another load, as it is typed."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        own = evidence.instruments
        busiest = max(own.generator_cpu_percent, default=None)
        late_ms = own.generator_lateness_p99_ms
        bearable_ms = max(LATENESS_LIMIT_MS, LATENESS_LIMIT_SHARE * (own.typical_ms or 0.0))
        if (busiest or 0.0) <= CPU_LIMIT_PERCENT and (late_ms or 0.0) <= bearable_ms:
            return None
        return cls(
            cpu_percent=busiest,
            processes=len(own.generator_cpu_percent) or None,
            lateness_p99_ms=late_ms,
            options=suggest_other_loads(evidence.record.scenario),
        )

    @property
    def message(self) -> str:
        late = (
            ""
            if self.lateness_p99_ms is None
            else f"; 1 % of the requests left {self.lateness_p99_ms:.0f} ms late or more"
        )
        if self.cpu_percent is None:
            return f"the CPU of the load is unknown: the window has too few samples of it{late}"
        return (
            f"of {self.processes} load process(es) the busiest used "
            f"{self.cpu_percent:.0f} % of its core{late}"
        )

    @property
    def advice(self) -> str:
        return f"the load program may be what limits: try {self.options}"


class UpstreamLate(Verdict):
    """The upstream took longer than it was asked to."""

    rank = 100
    doubt = "the upstream answered late"
    error_means = "at least"
    text = "the upstream waited {late_percent:.1f} % longer than it was asked to"
    severity = "error"

    late_percent: float
    options: str
    """What gives the upstream less to do, as it is typed."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        share, record = evidence.instruments.upstream_late_share or 0.0, evidence.record
        if share <= LATE_LIMIT_SHARE:
            return None
        is_go = record.upstream is not None and record.upstream.implementation == "go"
        less = suggest_less_load(record.scenario.load)
        return cls(late_percent=100 * share, options=less if is_go else f"--upstream go or {less}")

    @property
    def advice(self) -> str:
        return f"a part of the latency is the upstream's: try {self.options}"
