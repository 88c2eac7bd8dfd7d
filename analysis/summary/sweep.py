"""Results of a sweep: one setting at several values, and the value from which more is useless."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from statistics import median

from analysis.metrics import list_metrics
from analysis.summary.model import CellSummary
from analysis.summary.predicates import measure_arrivals_rps
from analysis.summary.trials import collect_values, count_error_verdicts, group_completed_trials
from scenarios.sweep import SweepStep

WORTH = 0.05
"""Share of the throughput by which two runs of the same thing differ on a shared machine."""
COLLAPSED_CPU = 1.5
"""Ratio to the CPU per request at the peak: other programs on the core add less than half."""
GENERATOR = "GENERATOR_SATURATED"
RECORDED_AS = {
    "predicted.ok_rps": "predicted_rps",
    "threads_spawned": "threads",
    "rss_mib_peak": "rss_mib",
    "cpu_ms_per_request": "cpu_ms",
}
"""Older names that summary.json keeps for these metrics."""


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """A sweep's settings from the manifest: the varied setting, and its steps' cells."""

    setting: str
    steps: tuple[SweepStep, ...]
    grows: str = ""
    """The quantity that grows with the users."""
    arrival_rate: float | None = None
    """Requests per second of an open loop whose delay is swept."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """`figures`: medians over the trials by the metrics' keys, None where unknown. `doubts`:
    verdicts that are errors, with their number of trials. `ok_rps_range`: lowest and highest
    trial. `offered_rps`: of an open loop."""

    value: float
    scenario: str
    trials: int
    figures: Mapping[str, float | None]
    doubts: Mapping[str, int]
    ok_rps_range: tuple[float, float] | None = None
    offered_rps: float | None = None

    @property
    def ok_rps(self) -> float | None:
        return self.figures["ok_rps"]


@dataclass(frozen=True, slots=True)
class Collapse:
    """Congestion collapse: with more users, throughput falls because CPU per request grows.
    Throughput is highest at `peak` users. At each value from `start` users on, it is lower by more
    than WORTH and by more than the trials differ, CPU per request is more than COLLAPSED_CPU times
    that at the peak, and the load generator is not the limit. `lost`: the share of throughput lost
    at the largest value."""

    peak: float
    start: float
    lost: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """One scenario's points by value. `enough`: the value from which (for a delay: up to which) the
    throughput is within WORTH of the highest; None where none was measured, and where shorter
    delays serve less. `collapse`: only for users; None where throughput does not fall."""

    scenario: str
    setting: str
    points: tuple[SweepPoint, ...]
    enough: float | None
    grows: str = ""
    arrival_rate: float | None = None
    collapse: Collapse | None = None

    @property
    def stops_paying(self) -> bool:
        """True unless `enough` is the last value, or the shortest delay: then nothing is known."""
        last = self.points[0 if self.setting == "delay" else -1]
        return self.enough is not None and self.enough != last.value

    def count_in_flight(self, value: float) -> float | None:
        """Compute the requests in flight if only the delay takes time (Little's law); None where
        the varied setting does not determine it."""
        if self.setting == "users":
            return value
        return None if self.arrival_rate is None else self.arrival_rate * value


def summarize_sweeps(
    cells: Sequence[CellSummary], asked: SweepSettings | None
) -> tuple[Sweep, ...]:
    """Summarize each scenario with a completed step."""
    if asked is None:
        return ()
    trials = group_completed_trials(cells)
    bases = dict.fromkeys(step.base for step in asked.steps)
    found = (summarize_sweep(base, asked, trials) for base in bases)
    return tuple(each for each in found if each.points)


def summarize_sweep(
    base: str, asked: SweepSettings, trials: Mapping[str, Sequence[CellSummary]]
) -> Sweep:
    keys = [each.key for each in list_metrics("sweep")]
    points = tuple(
        SweepPoint(
            value=step.value,
            scenario=step.scenario,
            trials=len(own),
            figures={key: take_median(collect_values(own, key)) for key in keys},
            doubts=count_error_verdicts(own),
            ok_rps_range=(min(rates), max(rates))
            if (rates := collect_values(own, "ok_rps"))
            else None,
            offered_rps=take_median([measure_arrivals_rps(each) for each in own]),
        )
        for step in asked.steps
        if step.base == base and (own := trials.get(step.scenario, ()))
    )
    return Sweep(
        base,
        asked.setting,
        points,
        None if asked.arrival_rate else find_sufficient_value(asked.setting, points),
        asked.grows,
        asked.arrival_rate,
        find_collapse(points) if asked.setting == "users" else None,
    )


def take_median(values: Sequence[float | None]) -> float | None:
    """Return the median of the known values; None without any."""
    known = [each for each in values if each is not None]
    return median(known) if known else None


def find_collapse(points: Sequence[SweepPoint]) -> Collapse | None:
    """Find a collapse in points of ascending value."""
    known = [each for each in points if each.ok_rps is not None]
    if not known:
        return None
    peak = max(known, key=lambda each: each.ok_rps or 0.0)
    after = [each for each in known if each.value > peak.value]
    lower = list(takewhile(lambda each: has_collapsed(each, peak), reversed(after)))
    if not lower or not peak.ok_rps:
        return None
    return Collapse(peak.value, lower[-1].value, 1 - (known[-1].ok_rps or 0.0) / peak.ok_rps)


def has_collapsed(point: SweepPoint, peak: SweepPoint) -> bool:
    """Return True if throughput is lower and CPU per request higher. Other programs on the machine
    make requests slower but hardly raise their CPU."""
    cpu_ms, least_ms = (each.figures["cpu_ms_per_request"] for each in (point, peak))
    if cpu_ms is None or least_ms is None or GENERATOR in point.doubts:
        return False
    return cpu_ms > COLLAPSED_CPU * least_ms and is_clearly_lower(point, peak)


def is_clearly_lower(point: SweepPoint, peak: SweepPoint) -> bool:
    """Return True if it is lower by more than WORTH and no trial reaches the peak's lowest."""
    if point.ok_rps is None or peak.ok_rps is None:
        return False
    apart = not (point.ok_rps_range and peak.ok_rps_range) or (
        point.ok_rps_range[1] < peak.ok_rps_range[0]
    )
    return apart and point.ok_rps < (1 - WORTH) * peak.ok_rps


def find_sufficient_value(setting: str, points: Sequence[SweepPoint]) -> float | None:
    """Find the smallest value (for a delay, the longest) with nearly the full throughput."""
    rates = {each.value: each.ok_rps for each in points if each.ok_rps}
    good = [value for value, rate in rates.items() if rate >= (1 - WORTH) * max(rates.values())]
    if not good:
        return None
    if setting != "delay":
        return min(good)
    shorter = [value for value in rates if value <= max(good)]
    return max(good) if set(shorter) <= set(good) else None


def export_sweeps(found: Sequence[Sweep]) -> list[dict[str, object]]:
    """Build "sweeps" of summary.json."""
    return [asdict(each) | {"points": [export_point(one) for one in each.points]} for each in found]


def export_point(point: SweepPoint) -> dict[str, object]:
    figures = {RECORDED_AS.get(key, key): value for key, value in point.figures.items()}
    content: dict[str, object] = {
        "value": point.value,
        "scenario": point.scenario,
        "trials": point.trials,
        "ok_rps_range": point.ok_rps_range,
        "offered_rps": point.offered_rps,
    }
    return {**content, **figures, "doubts": dict(point.doubts)}
