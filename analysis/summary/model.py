"""The figures of a cell under their stable names (summary.json, schema 2)."""

from dataclasses import dataclass
from types import NoneType
from typing import get_args, get_type_hints

from pydantic import TypeAdapter

from analysis.measures.cpu_profile import CpuGrowth
from analysis.measures.instruments import InstrumentSummary
from analysis.measures.latency import ArrivalDelay, LatencySummary
from analysis.measures.littles_law import UserSummary
from analysis.measures.probe_metrics import ProbeMetrics
from analysis.measures.request_accounting import RequestAccounting
from analysis.measures.resource_usage import ServerUsage
from analysis.measures.steadiness import SteadinessSummary
from analysis.measures.thread_calls import PoolUse
from analysis.measures.threads import ThreadSummary
from analysis.measures.throughput import OpenLoopSummary, RampGrowth, Throughput
from analysis.verdicts.base import VerdictRecord
from records.prediction import Prediction
from scenarios.units import Second

SCHEMA = 2
READABLE_SCHEMAS = (1, 2)
"""Schema 1 has the text `blocked_by` where 2 has `blocking_sites`."""


@dataclass(frozen=True, slots=True)
class BystanderLatency:
    """Latency of the background requests in the window. An unanswered one counts as a failure, and
    with its age in the quantiles, which then are lower bounds. A refused or reset one is a failure
    and in no quantile: a quick refusal is not a quick response."""

    median_ms: float | None
    p99_ms: float | None
    failures: int
    pings: int
    unanswered: int
    path: str = "/ping"
    lacks_path: bool = False
    """True if every response was 404: then every other field is 0 or None."""

    @property
    def median_is_lower_bound(self) -> bool:
        return 0 < self.pings <= 2 * self.unanswered


@dataclass(frozen=True, slots=True)
class WholeRun:
    """As Locust counts: from the first to the last request, with the ramp, completed ones only."""

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


@dataclass(frozen=True, kw_only=True)
class CellIdentity:
    scenario: str
    trial: int
    users: int | None
    """None in an open loop."""


@dataclass(frozen=True, kw_only=True)
class CellSummary(
    ArrivalDelay,
    InstrumentSummary,
    ServerUsage,
    ProbeMetrics,
    PoolUse,
    ThreadSummary,
    SteadinessSummary,
    UserSummary,
    LatencySummary,
    Throughput,
    CellIdentity,
):
    """Each base declares the metrics that its module measures. The bases are in reverse order: a
    dataclass takes the fields of its last base first. Unknown is None, never 0; fields with a
    default were added after the first version."""

    open_loop: OpenLoopSummary | None
    growth: RampGrowth | None
    """None where the ramp was too fast to measure."""
    bystander: BystanderLatency
    whole_run: WholeRun
    fates: RequestAccounting
    interrupted: str | None
    predicted: Prediction | None = None
    cycles: tuple[Cycle, ...] = ()
    verdicts: tuple[VerdictRecord, ...] = ()
    errors: tuple[ErrorCount, ...] = ()
    cpu_growth: CpuGrowth | None = None
    """None where the window was as predicted, or there was nothing to explain."""


def parse_cells(content: object) -> list[CellSummary]:
    """Parse a summary.json's cells; metrics missing in an old one are None. Raises ValueError."""
    hints = get_type_hints(CellSummary).items()
    unknown = {name: None for name, hint in hints if NoneType in get_args(hint)}
    if isinstance(content, list):
        content = [unknown | each if isinstance(each, dict) else each for each in content]
    return TypeAdapter(list[CellSummary]).validate_python(content)
