"""A p99 with its interval, simulated until that is narrow enough to decide."""

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
"""Some 4 s of CPU."""
MEMORIES = 20
"""In a batch: a queue that is busy for the share b remembers about 1 / (1 - b)² requests."""
STUDENT_T = 2.093
"""Of 19 degrees of freedom, 95 % on both sides."""
MOST_ALIKE = 0.5
"""Correlation of neighbouring batches: chance alone has less than this in 99 % of 20 batches."""


@dataclass(frozen=True, slots=True)
class TailEstimate:
    """`low_s` to `high_s`: its 95 % interval, None where neighbouring stretches of the simulation
    are too much alike to have one. `least_s`: the p99 of the stretch that has the lowest."""

    p99_s: Second
    low_s: Second | None
    high_s: Second | None
    least_s: Second
    requests: int

    def is_below(self, limit_s: Second) -> bool:
        """Beyond doubt."""
        return self.high_s is not None and self.high_s <= limit_s

    def is_above(self, limit_s: Second) -> bool:
        return self.least_s > limit_s or (self.low_s is not None and self.low_s > limit_s)


def simulate_p99(
    model: ServerModel, rate: float, busy: float, limit_s: Second, seed: int = 1
) -> TailEstimate | None:
    """Of one worker, with Poisson arrivals, against a limit. `busy`: its share of the highest rate.
    None where a client gives up."""
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
    """Batch means, of the batches' own p99 (Law, Simulation Modeling and Analysis, 5th ed.,
    section 9.5.3): the first batch is left out, since the queue was empty when it began."""
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
