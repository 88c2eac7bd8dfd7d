"""Limits of a cell outside the server under study: load generator and upstream."""

from collections.abc import Iterator

from analysis.verdicts.base import Evidence, Verdict
from analysis.verdicts.machine import is_machine_busy
from scenarios.model import Load, Scenario

CPU_LIMIT_PERCENT = 90.0
"""Percent of one core: a load process is single-threaded. Locust warns at the same figure."""
LATENESS_LIMIT_MS = 20.0
LATENESS_LIMIT_SHARE = 0.05
"""Sends this late at p99 change the load; below 20 ms, a busy machine's scheduler delays them."""
LATE_LIMIT_SHARE = 0.05
"""Mean lateness over the mean requested wait: Little's law uses means."""
MOST_PROCESSES = 64
"""The option's maximum."""


def suggest_less_load(load: Load) -> str:
    """Suggest fewer users, or a lower rate for an open loop, which has none."""
    return "a lower --arrival-rate" if load.is_open else "fewer --users"


def suggest_other_loads(scenario: Scenario) -> str:
    """Suggest options that this scenario supports and did not use."""
    return " or ".join((*list_stronger_loads(scenario), suggest_less_load(scenario.load)))


def list_stronger_loads(scenario: Scenario) -> Iterator[str]:
    """A fixed number of requests needs a single process. oha needs a user in each process, and
    supports neither an open loop nor think times nor a second path."""
    load = scenario.load
    if load.requests is not None:
        return
    more = load.processes + 1
    if more <= min(MOST_PROCESSES, MOST_PROCESSES if load.is_open else load.users):
        yield f"--load-processes {more}"
    if load.engine == "locust" and not (load.is_open or load.think_s or scenario.rare):
        yield "--engine oha"


class GeneratorSaturated(Verdict):
    """The load generator was the limit, or may have been, by its CPU or by the lateness of its
    requests relative to their latency. With too few samples of the load processes in the window,
    their CPU is unknown and only the lateness counts."""

    rank = 90
    doubt = "the load generator may have been the limit"
    error_means = "at least"
    severity = "error"

    cpu_percent: float | None
    processes: int | None
    lateness_p99_ms: float | None
    options: str | None
    """Options that change the load, as typed; None if the machine was too busy for any load."""

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
            options=None
            if (busiest or 0.0) <= CPU_LIMIT_PERCENT and is_machine_busy(evidence)
            else suggest_other_loads(evidence.record.scenario),
        )

    @property
    def message(self) -> str:
        late = (
            ""
            if self.lateness_p99_ms is None
            else f"; 1 % of the requests left at least {self.lateness_p99_ms:.0f} ms late"
        )
        if self.cpu_percent is None:
            return f"the load generator's CPU is unknown: the window has too few samples{late}"
        many = self.processes != 1
        who = f"the busiest of {self.processes} load processes" if many else "the load process"
        return f"{who} used {self.cpu_percent:.0f} % of its core{late}"

    @property
    def advice(self) -> str:
        if self.options is None:
            return "measure again on an idle machine: it had no core free for the load generator"
        return f"try {self.options}: the load generator may be the limit"


class UpstreamLate(Verdict):
    """The upstream took longer than requested."""

    rank = 100
    doubt = "the upstream responded late"
    error_means = "at least"
    text = "the upstream waited {late_percent:.1f} % longer than requested"
    severity = "error"

    late_percent: float
    options: str | None
    """Options that relieve the upstream, as typed; None if the machine was too busy for any."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        share, record = evidence.instruments.upstream_late_share or 0.0, evidence.record
        if share <= LATE_LIMIT_SHARE:
            return None
        is_go = record.upstream is not None and record.upstream.implementation == "go"
        less = suggest_less_load(record.scenario.load)
        options = less if is_go else f"--upstream go or {less}"
        busy = is_machine_busy(evidence)
        return cls(late_percent=100 * share, options=None if busy else options)

    @property
    def advice(self) -> str:
        if self.options is None:
            return "measure again on an idle machine: it had no core free for the upstream"
        return (
            f"try {self.options}, so that the upstream needs less CPU: part of the latency is the "
            "upstream's"
        )
