"""Whether the samples of a calibration agree, so that a prediction may rest on them."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from statistics import median

from records.prediction import CpuSample
from scenarios.errors import build_cannot_run_error

UNUSABLE = 0.5
"""Between the samples of one level, as a share of their median: a prediction from them may be off
by half. Of 137 levels, most of them on a machine that others kept busy, three were beyond it, and
three quarters were within 0.25."""


def compute_spread(costs_s: Sequence[float]) -> float:
    """How far they are apart, as a share of their median."""
    middle_s = median(costs_s)
    return (max(costs_s) - min(costs_s)) / middle_s if middle_s else 0.0


def reject_disagreement(samples: Iterable[CpuSample]) -> None:
    """samples: by level. Raises UserError with the first that differ too much."""
    for in_flight, level in groupby(samples, attrgetter("in_flight")):
        costs_s = [each.cpu_s for each in level]
        if compute_spread(costs_s) > UNUSABLE:
            least_ms, most_ms = 1000 * min(costs_s), 1000 * max(costs_s)
            raise build_cannot_run_error(
                f"calibration: with {in_flight} in flight a request took {least_ms:.2f} ms of CPU, "
                f"and a second later {most_ms:.2f} ms: end what else runs here, and try again"
            )
