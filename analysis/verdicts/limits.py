"""What limited a cell other than the server under study: generator, upstream, machine."""

from analysis.measures.cpu_attribution import REST
from analysis.verdicts.base import Evidence, Severity, Verdict
from records.cpu_profile import FULL_INTERPRETER
from scenarios.model import THREADS_OF, Style

NEAR_SHARE = 0.95
CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
LATENESS_LIMIT_MS = 20.0
LATENESS_LIMIT_SHARE = 0.05
"""Sends this late at p99 change the load; below 20 ms it is the scheduler of a busy machine."""
LATE_LIMIT_SHARE = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""
OTHER_LOAD_LIMIT_CORES = 0.15
STOLEN_LIMIT_CORES = 0.05
"""Cells of an idle machine showed others using up to 0.03 cores and nothing stolen."""
SPOILT_CORES = 0.5
"""Beyond, the figures are of a machine that nobody knows."""
FULL_SHARE = 0.95
"""Of all cores: what is left is the kernel's, which belongs to no process."""
HELPERS: Style = "async def with processes"
"""Its CPU is that of processes which are no workers."""
THREADED_SHARE = 1.15
"""Threads that let go of the GIL may use more than one core together. From here on it is unknown
how much of it is Python."""


class Descriptors(Verdict):
    """File descriptors ran out, or nearly."""

    rank = 30
    text = "file descriptors: {faults} failure(s), {peak} of {limit} in use at the peak"
    advice = "raise the limit (ulimit -n) or use fewer users"

    limit: int
    peak: int
    faults: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        limit, peak = evidence.record.descriptors_limit, evidence.instruments.descriptors_peak or 0
        faults = evidence.instruments.descriptor_errors + len(evidence.record.log_faults)
        if not faults and peak < NEAR_SHARE * limit:
            return None
        return cls(limit=limit, peak=peak, faults=faults)

    @property
    def severity(self) -> Severity:
        return "error" if self.faults else "warning"


class GeneratorSaturated(Verdict):
    """The load generator was the limit, or may have been. By its CPU, or by how late its requests
    left, measured against how long they took. Where the window has too few samples of
    the load processes their CPU is unknown, and the lateness alone counts."""

    rank = 90
    advice = "the rps may be the generator's; --load-processes 2, --engine oha or fewer users"
    severity = "error"

    cpu_percent: float | None
    processes: int | None
    lateness_p99_ms: float | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        own = evidence.instruments
        busiest = max(own.generator_cpu_percent, default=None)
        late_ms = own.generator_lateness_p99_ms
        bearable_ms = max(LATENESS_LIMIT_MS, LATENESS_LIMIT_SHARE * (own.typical_ms or 0.0))
        if (busiest or 0.0) <= CPU_LIMIT_PERCENT and (late_ms or 0.0) <= bearable_ms:
            return None
        processes = len(own.generator_cpu_percent) or None
        return cls(cpu_percent=busiest, processes=processes, lateness_p99_ms=late_ms)

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


class UpstreamLate(Verdict):
    """The upstream took longer than it was asked to."""

    rank = 100
    text = "the upstream waited {late_percent:.1f} % longer than it was asked to"
    advice = "the latency is partly the upstream's; try --upstream go or fewer users"
    severity = "error"

    late_percent: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        share = evidence.instruments.upstream_late_share or 0.0
        return cls(late_percent=100 * share) if share > LATE_LIMIT_SHARE else None


class MachineBusy(Verdict):
    """Work that is no part of the cell took CPU from it. Other processes of this machine, or time
    that the hypervisor gave to other machines."""

    rank = 110
    text = (
        "others kept {other_cores:.2f} cores of this machine busy meanwhile, and "
        "{stolen_cores:.2f} were taken from it"
    )
    advice = "end what else runs here, or take the figures as those of a smaller machine"

    other_cores: float
    stolen_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        other = evidence.instruments.other_load_cores or 0.0
        stolen = evidence.instruments.stolen_cores or 0.0
        if other <= OTHER_LOAD_LIMIT_CORES and stolen <= STOLEN_LIMIT_CORES:
            return None
        return cls(other_cores=other, stolen_cores=stolen)

    @property
    def severity(self) -> Severity:
        return "error" if self.other_cores + self.stolen_cores > SPOILT_CORES else "warning"


class CpuThrottled(Verdict):
    """A CPU quota stopped the processes of this container: server, load or both."""

    rank = 115
    text = (
        "the CPU quota of this container stopped its processes: {throttled_cores:.2f} cores stood "
        "still on average"
    )
    advice = "raise the quota, or read the figures as those of a smaller machine"
    severity = "error"

    throttled_cores: float

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        throttled = evidence.instruments.throttled_cores or 0.0
        return cls(throttled_cores=throttled) if throttled > STOLEN_LIMIT_CORES else None


class CoresFull(Verdict):
    """Server, database and load together used all cores. No part is then the limit by itself, and
    on more cores each would be faster."""

    rank = 120
    text = (
        "all together used {used:.2f} of {cores} cores: server, database and load took each "
        "other's turns"
    )
    advice = "on more cores it would be faster; read ratios, not rates"
    severity = "warning"

    used: float
    cores: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        used, cores = evidence.instruments.cores_used, evidence.record.cores
        if used is None or cores is None or used <= FULL_SHARE * cores:
            return None
        return cls(used=used, cores=cores)


class InterpreterFull(Verdict):
    """Each worker's Python used a whole core, which is all that one interpreter can use: it was the
    limit, whatever else the machine did. Of code in several threads that is known only where cores
    were left over: C code without the GIL would have used them."""

    rank = 125
    advice = "make its code do less, or start more workers (--workers) where cores are left"

    cores: float
    workers: int
    whose: str | None
    """The code that most of its CPU went to, where it was sampled."""
    whose_percent: float | None
    is_predicted: bool

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        server, style = evidence.record.scenario.server, evidence.record.scenario.endpoint.style
        busiest = evidence.instruments.server_cores[: server.workers]
        if not server.is_python or len(busiest) < server.workers or style == HELPERS:
            return None
        if busiest[-1] < FULL_INTERPRETER:
            return None
        if style in THREADS_OF and (busiest[0] > THREADED_SHARE or CoresFull.check(evidence)):
            return None
        theory, growth = evidence.prediction, evidence.cpu_growth
        most = growth.dominant if growth is not None else None
        if most is not None and most.library == REST:
            most = None  # it is not Python's
        return cls(
            cores=busiest[-1],
            workers=server.workers,
            whose=(most.function or most.library) if most else None,
            whose_percent=100 * most.share.estimate if most else None,
            is_predicted=theory is not None
            and theory.limited_by == "interpreter"
            and not (growth is not None and growth.has_grown),
        )

    @property
    def severity(self) -> Severity:
        return "info" if self.is_predicted else "warning"

    @property
    def message(self) -> str:
        whose = "" if self.whose is None else f"; {self.whose_percent:.0f} % of it is {self.whose}"
        return (
            f"each of {self.workers} worker(s) used {self.cores:.2f} cores, all that one "
            f"interpreter can: Python's own speed limits the throughput{whose}"
        )
