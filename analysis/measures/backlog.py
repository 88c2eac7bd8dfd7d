"""What an open loop offered, what was served of it, and how fast the rest piled up."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from analysis.measures.window import CellRows
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
