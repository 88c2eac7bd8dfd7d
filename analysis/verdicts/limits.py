"""What a cell ran out of: file descriptors, cores, what one interpreter can do."""

from collections.abc import Mapping

from analysis.measures.cpu_attribution import REST
from analysis.measures.resource_usage import OURS
from analysis.verdicts.base import Data, Evidence, Severity, Verdict
from analysis.verdicts.instruments import suggest_less_load
from records.cpu_profile import FULL_INTERPRETER
from scenarios.model import THREADS_OF, Style

NEAR_SHARE = 0.95
FULL_SHARE = 0.95
"""Of all cores: what is left is the kernel's, which belongs to no process."""
NAMED_CORES = 0.05
"""Of a part that used less, the kernel's counting of CPU in steps of 10 ms says little."""
OTHERS = "other programs"
PART_NAMES: Mapping[str, str] = {"runner": "the study itself", "live": "the live page"}
HELPERS: Style = "async def with processes"
"""Its CPU is that of processes which are no workers."""
THREADED_SHARE = 1.15
"""Threads that let go of the GIL may use more than one core together. From here on it is unknown
how much of it is Python."""


class Descriptors(Verdict):
    """File descriptors ran out, or nearly."""

    rank = 30
    doubt = "file descriptors ran out"
    limit: int
    peak: int
    faults: int
    less: str
    """What would need fewer of them."""

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
        """A failed request and a line of a log may be about the same lack."""
        used = f"{self.peak} of {self.limit} file descriptors were in use at the peak"
        if not self.faults:
            return used
        return f"{used}, and {self.faults} error(s) of requests and logs are about a lack of them"

    @property
    def advice(self) -> str:
        return f"raise the limit (ulimit -n), or try {self.less}"


class CoresFull(Verdict):
    """All cores were busy. No part is then the limit by itself, and on more cores each may be
    faster. parts: cores that each used, the largest first, where it is enough to matter."""

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
        return f"{self.used:.2f} of {self.cores} cores were busy: {parts}"

    @property
    def advice(self) -> str:
        if next(iter(self.parts), None) == OTHERS:
            return "end what else runs here: it had more of the cores than server or load"
        return "on more cores it may be faster: compare cells of this machine, not rates of others"


class InterpreterFull(Verdict):
    """Each worker's Python used a whole core, which is all that one interpreter can use: it was the
    limit, whatever else the machine did. Of more than that it is unknown how much is Python. Of
    code in several threads it is so too where no cores were left over: C code without the GIL would
    have used them."""

    rank = 125
    advice = "make its code do less, or start more workers (--workers) where cores are left"

    cores: float
    workers: int
    whose: str | None
    """The code that most of its CPU went to, where it was sampled."""
    whose_percent: float | None
    is_predicted: bool
    keeps_up: bool = False
    """Whether all that was offered is served: then it limits nothing yet."""

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        server, style = evidence.record.scenario.server, evidence.record.scenario.endpoint.style
        busiest = evidence.instruments.server_cores[: server.workers]
        if not server.is_python or len(busiest) < server.workers or style == HELPERS:
            return None
        if busiest[-1] < FULL_INTERPRETER:
            return None
        if busiest[0] > THREADED_SHARE or (style in THREADS_OF and CoresFull.check(evidence)):
            return None  # C code in threads of its own, an awaited file's or client's too
        if style in THREADS_OF and not all(each.gil for each in evidence.record.processes):
            return None  # one thread after the other is not all that it can
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
            keeps_up=evidence.backlog is not None and not evidence.is_overloaded,
        )

    @property
    def severity(self) -> Severity:
        return "info" if self.is_predicted else "warning"

    @property
    def message(self) -> str:
        each = "the worker" if self.workers == 1 else f"each of {self.workers} workers"
        whose = "" if self.whose is None else f"; {self.whose_percent:.0f} % of it is {self.whose}"
        limits = "Python's own speed limits the throughput"
        if self.keeps_up:
            limits = "what arrives is served, and hardly more could be"
        return f"{each} used {self.cores:.2f} cores, all that one interpreter can: {limits}{whose}"
