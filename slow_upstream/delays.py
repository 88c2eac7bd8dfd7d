"""Random waits and failures of requests, drawn from a seed without a clock."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

LOGNORMAL_SIGMA = 0.5
# Far out in the tail (6.2 sigma): it bounds a wait without changing the mean.
LOGNORMAL_CAP = 20.0


def draw_lognormal(rng: Random) -> float:
    # exp(N(mu, sigma)) has the mean exp(mu + sigma²/2), which is 1 for this mu.
    mu = -(LOGNORMAL_SIGMA**2) / 2
    return min(math.exp(rng.gauss(mu, LOGNORMAL_SIGMA)), LOGNORMAL_CAP)


def draw_bimodal(rng: Random) -> float:
    """Draw 0.5, or with probability 0.1 an 11 times longer wait: 0.9 × 0.5 + 0.1 × 5.5 = 1."""
    return 0.5 if rng.random() < 0.9 else 5.5


# Each draws a factor with mean 1; the wait is the factor times the mean that a request asks for.
DISTRIBUTIONS: Mapping[str, Callable[[Random], float]] = {
    "constant": lambda _: 1.0,
    "uniform": lambda rng: rng.uniform(0.5, 1.5),
    "lognormal": draw_lognormal,
    "bimodal": draw_bimodal,
}


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    asked_ms: int
    fails: bool


class ResponsePlanner:
    """The plan of each request's wait and failure, drawn in order of arrival."""

    def __init__(self, distribution: str, seed: int, error_rate: float) -> None:
        self._factor = DISTRIBUTIONS[distribution]
        self._error_rate = error_rate
        # Two streams, so that the error rate does not change the sequence of waits.
        self._waits = Random(f"waits {seed}")
        self._errors = Random(f"errors {seed}")

    def plan_response(self, mean_ms: int) -> PlannedResponse:
        return PlannedResponse(
            asked_ms=round(mean_ms * self._factor(self._waits)),
            fails=self._errors.random() < self._error_rate,
        )
