"""A p99 with its interval, simulated until the interval is narrow enough to decide."""

from dataclasses import dataclass
from itertools import islice

import numpy as np

from analysis.stats.quantiles import estimate_quantile
from analysis.theory.model import ServerModel
from analysis.theory.networks import Numbers
from analysis.theory.ordered import GivesUpError, OrderedWorker
from scenarios.model import Load
from scenarios.units import Second

BATCHES = 20
FEWEST_REQUESTS = 42_000
MOST_REQUESTS = 1_050_000
"""Takes about 4 s of CPU."""
MEMORIES = 20
"""Correlation lengths per batch: at utilization b, one is about 1 / (1 - b)² requests."""
STUDENT_T = 2.093
"""Student's t for 19 degrees of freedom, 95 % two-sided."""
MOST_ALIKE = 0.5
"""Correlation of neighbouring batches: by chance it is lower in 99 % of cases with 20 batches."""


@dataclass(frozen=True, slots=True)
class TailEstimate:
    """`low_s` to `high_s`: the 95 % interval, None where neighbouring batches of the simulation are
    too correlated. `least_s`: the lowest p99 of a batch."""

    p99_s: Second
    low_s: Second | None
    high_s: Second | None
    least_s: Second
    requests: int

    def is_below(self, limit_s: Second) -> bool:
        """Return True if it surely meets the limit."""
        return self.high_s is not None and self.high_s <= limit_s

    def is_above(self, limit_s: Second) -> bool:
        return self.least_s > limit_s or (self.low_s is not None and self.low_s > limit_s)


def simulate_p99(
    model: ServerModel, rate: float, busy: float, limit_s: Second, seed: int = 1
) -> TailEstimate | None:
    """Simulate one worker with Poisson arrivals until the limit is decided; None where a client
    gives up. `busy`: its utilization."""
    load = Load(arrival_rate=rate, arrivals="poisson")
    answers = OrderedWorker(model, load, [0.0], seed).answer_requests()
    responses_s = np.empty(0)
    more = round((BATCHES + 1) * MEMORIES / (1 - busy) ** 2)
    more = min(max(FEWEST_REQUESTS, more), MOST_REQUESTS)
    while True:
        try:
            found = [answered_s - sent_s for sent_s, answered_s in islice(answers, more)]
        except GivesUpError:
            return None
        responses_s = np.concatenate([responses_s, found])
        tail = estimate_p99(responses_s)
        decided = tail.is_below(limit_s) or tail.is_above(limit_s)
        more = min(responses_s.size, MOST_REQUESTS - responses_s.size)
        if decided or more == 0:
            return tail


def estimate_p99(responses_s: Numbers) -> TailEstimate:
    """Estimate by batch means of each batch's p99 (Law, Simulation Modeling and Analysis, 5th ed.,
    section 9.5.3), without the first batch, which began with an empty queue."""
    size = responses_s.size // (BATCHES + 1)
    batches = responses_s[-size * BATCHES :].reshape(BATCHES, size)
    p99_s = estimate_quantile(batches.ravel(), 0.99)
    assert p99_s is not None
    each_s = np.quantile(batches, 0.99, axis=1, method="inverted_cdf")
    deviation_s, least_s = float(each_s.std(ddof=1)), float(each_s.min())
    if deviation_s > 0 and np.corrcoef(each_s[1:], each_s[:-1])[0, 1] > MOST_ALIKE:
        return TailEstimate(p99_s, None, None, least_s, responses_s.size)
    half_s = STUDENT_T * deviation_s / BATCHES**0.5
    return TailEstimate(p99_s, p99_s - half_s, p99_s + half_s, least_s, responses_s.size)
