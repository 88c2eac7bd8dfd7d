"""What an open loop offered, what was served of it, and how fast the rest piled up."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from analysis.measures.window import CellRows, get_planned_window
from analysis.stats.quantiles import estimate_quantile
from records.cell import CellRecord
from scenarios.units import Second

LOOKS = 21
"""At how many are under way, over the window."""
GROWTH_LIMIT_SHARE = 0.02
GROWTH_LIMIT_DEVIATIONS = 3.0
"""Of the backlog, over the offered rate; and beyond the chance of random arrivals."""
FAILING_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Backlog:
    """offered and sustained: requests a second; growth: of what is under way."""

    offered_rps: float
    sustained_rps: float
    failed_rps: float
    growth_per_s: float
    mean_under_way: float
    random_arrivals: bool
    window_s: Second

    @property
    def is_overloaded(self) -> bool:
        return self.is_growing or self.is_failing

    @property
    def is_failing(self) -> bool:
        """Requests that fail quickly leave no backlog, and are not served."""
        lost_rps = self.offered_rps - self.sustained_rps - max(0.0, self.growth_per_s)
        return self.failed_rps > FAILING_SHARE * self.offered_rps and lost_rps > 0

    @property
    def is_growing(self) -> bool:
        """Of random arrivals the number under way varies by its square root; two looks at it differ
        by sqrt(2) of that. Of constant ones a request or two come before or after a look."""
        by_chance = sqrt(2 * self.mean_under_way) if self.random_arrivals else 1.0
        bearable_per_s = max(
            GROWTH_LIMIT_SHARE * self.offered_rps,
            GROWTH_LIMIT_DEVIATIONS * by_chance / self.window_s,
        )
        return self.growth_per_s > bearable_per_s


def compute_backlog(rows: CellRows) -> Backlog | None:
    """What is under way counts from when it was due. None without a window."""
    window, requests, completions = rows.window, rows.requests, rows.completions
    if not window.length_s:
        return None
    due = np.sort(requests["intended_s"].to_numpy())
    ended = np.sort(requests["ended_s"].drop_nulls().to_numpy())
    moments = np.linspace(window.start_s, window.end_s, LOOKS)
    under_way = np.searchsorted(due, moments) - np.searchsorted(ended, moments)
    growth = float(np.polynomial.Polynomial.fit(moments, under_way, 1).convert().coef[-1])
    offered = requests.filter(window.contains("intended_s")).height
    good = completions["error"].null_count()
    return Backlog(
        offered_rps=offered / window.length_s,
        sustained_rps=good / window.length_s,
        failed_rps=(completions.height - good) / window.length_s,
        growth_per_s=growth if np.ptp(under_way) else 0.0,
        mean_under_way=float(under_way.mean()),
        random_arrivals=rows.record.scenario.load.arrivals == "poisson",
        window_s=window.length_s,
    )


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


def summarize_open_loop(rows: CellRows, backlog: Backlog | None) -> OpenLoopSummary | None:
    load, completions = rows.record.scenario.load, rows.completions
    if load.arrival_rate is None or backlog is None:
        return None
    service_ms = 1000 * (completions["ended_s"] - completions["started_s"]).to_numpy()
    return OpenLoopSummary(
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        offered_rps=backlog.offered_rps,
        sustained_rps=backlog.sustained_rps,
        backlog_growth_per_s=backlog.growth_per_s,
        overloaded=backlog.is_overloaded,
        formula_median_ms=estimate_backlog_median_ms(rows.record, backlog)
        if backlog.is_overloaded
        else None,
        service_median_ms=estimate_quantile(service_ms, 0.5),
        service_p99_ms=estimate_quantile(service_ms, 0.99),
    )


def estimate_backlog_median_ms(record: CellRecord, backlog: Backlog) -> float | None:
    """None where requests failed, which then left the line early."""
    phases = record.phases
    if phases.ramp_end_s is None or not backlog.offered_rps or backlog.failed_rps:
        return None
    window = get_planned_window(record)
    middle_s = (window.start_s + window.end_s) / 2 - phases.ramp_end_s
    return 1000 * middle_s * (1 - backlog.sustained_rps / backlog.offered_rps)
