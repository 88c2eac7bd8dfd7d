"""A `def` endpoint or dependency that does almost nothing, but uses a thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.blocks.loop_delays import LoopDelays
from analysis.findings.cures.def_cures import cure_trivial_def
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, CureRule
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.findings.waits.wait_sites import LEAST_S
from analysis.stats import formats
from scenarios.units import Second

MIN_CALLS = 20
TRIVIAL_CPU_S, TRIVIAL_S = 50e-6, 300e-6
"""Of the median call. Moving a call to a thread costs about as much."""
SLOW_S, SLOW_SHARE = 0.002, 0.05
"""If more than one call in twenty takes this long, it does occasional work, such as a cache miss,
that would block the event loop."""
NOTED_S: Second = 0.01
"""A longest call from this time on is mentioned."""
WAITED_S: Second = 0.1
NOTED_WAIT_S: Second = 0.05
"""A smaller value would be shown as zero."""
MOST_US = 1000.0
"""Longer times are shown in milliseconds."""
CODE = ("work_file", "work_line", "work_function")


@dataclass(frozen=True, kw_only=True)
class TrivialDef(AuditFinding):
    """route: None if several use it. count: calls. median_ms: of the move to the thread, without
    the wait for a token and for a late event loop; seconds: of all calls at that rate.

    severity: `warning` if its calls waited 0.1 s for tokens in total, else `info`.

    work_us: median CPU. longest_work_ms: of its calls, also those after the response. waited_s: for
    tokens.
    """

    short: ClassVar[str] = "needs no thread"
    clause: ClassVar[str] = "`def` code needs no thread"
    meaning: ClassVar[str] = "a `def` that does almost nothing uses a thread"
    remedy: ClassVar[str] = (
        "write it as `async def`, unless it waits for a file, a lock or the network"
    )
    work_us: float
    longest_work_ms: float
    waited_s: Second

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        calls = locate_handovers(evidence).filter(
            pl.col("phase").is_in(["endpoint", "dependency", "teardown"]),
            (pl.col("queue") == "anyio") | (pl.col("phase") == "teardown"),  # FastAPI: own limiter
            ~pl.col("failed").fill_null(value=False),
            "is_own",
        )
        calls = calls.drop_nulls(["began_s", "ended_s", "cpu_s"]).with_columns(
            worked_s=pl.col("ended_s") - pl.col("began_s")
        )
        calls = calls.with_columns(longest_s=pl.col("worked_s").max().over(CODE))
        by_code = take_off_late_loop(calls, evidence).partition_by(CODE, maintain_order=True)
        trivial = (each for each in map(choose_trivial, by_code) if each is not None)
        return AuditFindings(findings=tuple(map(cls.build, trivial)))

    @classmethod
    def build(cls, calls: pl.DataFrame) -> Self:
        first = calls.row(0, named=True)
        routes = calls["route"].unique()
        way_s = float(np.median(calls["loop_s"].to_numpy()))
        waits_s = calls.filter(pl.col("token_s") >= LEAST_S)["token_s"].to_numpy()
        waited_s = float(waits_s.sum())
        return cls(
            severity="warning" if waited_s >= WAITED_S else "info",
            confidence="high",
            route=routes[0] if len(routes) == 1 else None,
            phase=first["phase"],
            file=first["work_file"],
            line=first["work_line"],
            function=first["work_function"],
            cause="hop",
            count=calls.height,
            seconds=calls.height * way_s,
            median_ms=1000 * way_s,
            work_us=1e6 * float(np.median(calls["cpu_s"].to_numpy())),
            longest_work_ms=1000 * first["longest_s"],
            waited_s=waited_s,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        rule: CureRule = "depends" if self.phase == "dependency" else "health"
        return cure_trivial_def(self, evidence, rule)

    @property
    def facts(self) -> str:
        kind = "dependency" if self.phase == "dependency" else "endpoint"
        said = (
            f"The {kind} {self.function}() uses {format_short(self.work_us)} of CPU in a thread "
            "(median); moving the call to the thread takes "
            f"{format_short(1000 * (self.median_ms or 0.0))}, not counting blocks of the event "
            "loop."
        )
        if self.waited_s >= NOTED_WAIT_S:
            said = f"{said} Its calls waited {self.waited_s:,.1f} s for a thread in total."
        if self.longest_work_ms < 1000 * NOTED_S:
            return said
        longest = formats.milliseconds(self.longest_work_ms)
        return f"{said} Its longest call took {longest} ms: first make sure that it never waits."

    @property
    def advice(self) -> Mapping[str, str]:
        if (self.function or "").endswith("__init__"):
            return {"object": "Create the object in an `async def` dependency, on the event loop."}
        return {
            "def": "Declare it `async def`, so that it runs on the event loop, unless it waits for "
            "a file, a lock or the network."
        }


def take_off_late_loop(calls: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Subtract the time in which other code blocks the event loop."""
    moments = (calls[name].to_numpy() for name in ("pid", "asked_s", "began_s"))
    late_s = pl.Series(LoopDelays(evidence).measure_overlap(*moments))
    return calls.with_columns(loop_s=(pl.col("loop_s") - late_s).clip(lower_bound=0.0))


def choose_trivial(calls: pl.DataFrame) -> pl.DataFrame | None:
    """Return the first calls of the code: a dependency with `yield` is called again after the
    response. Return None if either call does more than almost nothing."""
    is_teardown = calls["phase"] == "teardown"
    first, again = calls.filter(~is_teardown), calls.filter(is_teardown)
    return first if is_trivial(first) and (again.is_empty() or is_trivial(again)) else None


def is_trivial(calls: pl.DataFrame) -> bool:
    """calls: of the same code."""
    if calls.height < MIN_CALLS:
        return False
    work_s, cpu_s = calls["worked_s"].to_numpy(), calls["cpu_s"].to_numpy()
    is_short = np.median(cpu_s) < TRIVIAL_CPU_S and np.median(work_s) < TRIVIAL_S
    return bool(is_short and np.mean(work_s >= SLOW_S) <= SLOW_SHARE)


def format_short(time_us: float) -> str:
    if time_us < MOST_US:
        return f"{formats.short_number(time_us)} µs"
    return f"{formats.milliseconds(time_us / 1000)} ms"
