"""How long each request waits, and which ones fail: draws from a seed, with no clock in them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

LOGNORMAL_SIGMA = 0.5
# Far out in the tail (6.2 sigma): it bounds a wait and leaves the mean where it is.
LOGNORMAL_CAP = 20.0


def draw_lognormal(rng: Random) -> float:
    # exp(N(mu, sigma)) has the mean exp(mu + sigma²/2), which is 1 for this mu.
    mu = -(LOGNORMAL_SIGMA**2) / 2
    return min(math.exp(rng.gauss(mu, LOGNORMAL_SIGMA)), LOGNORMAL_CAP)


def draw_bimodal(rng: Random) -> float:
    """Mostly fast, now and then eleven times slower: 0.9 × 0.5 + 0.1 × 5.5 = 1."""
    return 0.5 if rng.random() < 0.9 else 5.5


# Each draws a factor with mean 1, to be multiplied with the mean that a request asks for.
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
    """Plans how long each request waits and whether it fails, in the order of arrival."""

    def __init__(self, distribution: str, seed: int, error_rate: float) -> None:
        self._factor = DISTRIBUTIONS[distribution]
        self._error_rate = error_rate
        # Two streams, so that planning errors leaves the sequence of waits as it was.
        self._waits = Random(f"waits {seed}")
        self._errors = Random(f"errors {seed}")

    def plan_response(self, mean_ms: int) -> PlannedResponse:
        return PlannedResponse(
            asked_ms=round(mean_ms * self._factor(self._waits)),
            fails=self._errors.random() < self._error_rate,
        )
