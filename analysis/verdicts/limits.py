"""Resources that a cell exhausted: file descriptors, cores, one interpreter."""

from collections.abc import Mapping

from analysis.measures.cpu_attribution import REST
from analysis.measures.resource_usage import OURS
from analysis.stats import formats
from analysis.verdicts.base import Data, Evidence, Severity, Verdict
from analysis.verdicts.instruments import suggest_less_load
from records.cpu_profile import FULL_INTERPRETER
from scenarios.model import THREADS_OF, Style

NEAR_SHARE = 0.95
FULL_SHARE = 0.95
"""Share of all cores: the kernel uses the last few percent, on behalf of no process."""
NAMED_CORES = 0.05
"""Below this, the kernel's CPU accounting in steps of 10 ms is too coarse."""
OTHERS = "other programs"
PART_NAMES: Mapping[str, str] = {"runner": "the study itself", "live": "the live page"}
HELPERS: Style = "async def with processes"
"""Its CPU is used by processes that are not workers."""
THREADED_SHARE = 1.15
"""Threads that release the GIL can use more than one core together. From here on, Python's share of
the CPU is unknown."""

ONE_INTERPRETER = "one interpreter can use about 1 (more only in code that releases the GIL)"


class Descriptors(Verdict):
    """File descriptors ran out, or nearly so."""

    rank = 30
    doubt = "file descriptors ran out"
    limit: int
    peak: int
    faults: int
    less: str
    """An option that needs fewer of them."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        limit, peak = evidence.record.descriptors_limit, evidence.instruments.descriptors_peak or 0
        faults = evidence.instruments.descriptor_errors + len(evidence.record.log_faults)
        if not faults and peak < NEAR_SHARE * limit:
            return None
        less = suggest_less_load(evidence.record.scenario.load)
        return cls(limit=limit, peak=peak, faults=faults, less=less)

    @property
    def severity(self) -> Severity:
        return "error" if self.faults else "warning"

    @property
    def message(self) -> str:
        """A failed request and a line of a log may report the same error."""
        used = f"{self.peak} of {self.limit} file descriptors were in use at the peak"
        if not self.faults:
            return used
        errors = formats.count_things(self.faults, "error")
        return f"{used}; requests and logs show {errors} because none were left"

    @property
    def advice(self) -> str:
        return f"raise the limit (ulimit -n), or try {self.less}"


class CoresFull(Verdict):
    """All cores were busy: no single part is the limit, and each may be faster on more cores.
    parts: cores that each part used, the largest first, without negligible ones."""

    rank = 120
    severity = "warning"

    used: float
    cores: int
    parts: Mapping[str, float]

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        by_role, cores = evidence.instruments.cores_by_role, evidence.record.cores
        used = by_role.get("machine")
        if used is None or cores is None or used <= FULL_SHARE * cores:
            return None
        other = evidence.instruments.other_load_cores or 0.0
        parts = {PART_NAMES.get(role, role): by_role.get(role, 0.0) for role in OURS}
        named = {
            name: each for name, each in (parts | {OTHERS: other}).items() if each > NAMED_CORES
        }
        by_size = sorted(named.items(), key=lambda each: -each[1])
        return cls(used=min(used, float(cores)), cores=cores, parts=dict(by_size))

    @property
    def data(self) -> Data:
        return {"used": self.used, "cores": self.cores, **self.parts}

    @property
    def message(self) -> str:
        parts = ", ".join(f"{name} {each:.2f}" for name, each in self.parts.items())
        were = "core was" if self.cores == 1 else "cores were"
        return f"{self.used:.2f} of {self.cores} {were} busy: {parts}"

    @property
    def advice(self) -> str:
        if next(iter(self.parts), None) == OTHERS:
            return (
                "stop the other programs: they used more CPU than the server or the load generator"
            )
        return "compare only cells of this machine: with more cores, throughput may be higher"


class InterpreterFull(Verdict):
    """Each worker's Python used a whole core, the maximum for one interpreter: it was the limit
    whatever else the machine did. Beyond one core, Python's share is unknown. With code in several
    threads and no core left, it is unknown too: C code without the GIL may have used the core."""

    rank = 125
    advice = "reduce the CPU per request, or start more workers (--workers) if cores are idle"

    cores: float
    workers: int
    whose: str | None
    """The code that used most of its CPU, where sampled."""
    whose_percent: float | None
    is_predicted: bool
    keeps_up: bool = False
    """True if all that was offered is served: then it limits nothing yet."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        server, style = evidence.record.scenario.server, evidence.record.scenario.endpoint.style
        busiest = evidence.instruments.server_cores[: server.workers]
        if not server.is_python or len(busiest) < server.workers or style == HELPERS:
            return None
        if busiest[-1] < FULL_INTERPRETER:
            return None
        if busiest[0] > THREADED_SHARE or (style in THREADS_OF and CoresFull.check(evidence)):
            return None  # C code in its own threads, also of an awaited file or client
        if style in THREADS_OF and not all(each.gil for each in evidence.record.processes):
            return None  # without the GIL, threads run Python in parallel
        theory, growth = evidence.prediction, evidence.cpu_growth
        most = growth.dominant if growth is not None else None
        if most is not None and most.library == REST:
            most = None  # not Python code
        return cls(
            cores=busiest[-1],
            workers=server.workers,
            whose=(most.function or most.library) if most else None,
            whose_percent=100 * most.share.estimate if most else None,
            is_predicted=theory is not None
            and theory.limited_by == "interpreter"
            and not (growth is not None and growth.has_grown),
            keeps_up=evidence.backlog is not None and not evidence.is_overloaded,
        )

    @property
    def severity(self) -> Severity:
        return "info" if self.is_predicted else "warning"

    @property
    def message(self) -> str:
        each = "the worker" if self.workers == 1 else f"each of {self.workers} workers"
        whose = (
            "" if self.whose is None else f"; {self.whose_percent:.0f} % of the CPU is {self.whose}"
        )
        limits = "this limits the throughput"
        if self.keeps_up:
            limits = "it keeps up with the arrivals but could hardly serve more"
        return f"{each} used {self.cores:.2f} cores; {ONE_INTERPRETER}: {limits}{whose}"
