"""Checks that the samples of a calibration agree well enough for a prediction."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from statistics import median

from records.prediction import CpuSample
from scenarios.errors import build_cannot_run_error

UNUSABLE = 0.5
"""Largest spread of one level's samples, as a fraction of their median: a prediction from them may
be wrong by half. Of 137 levels, most of them on a busy machine, three exceeded it, and three
quarters were below 0.25."""


def compute_spread(costs_s: Sequence[float]) -> float:
    """Return the range of the costs as a fraction of their median."""
    middle_s = median(costs_s)
    return (max(costs_s) - min(costs_s)) / middle_s if middle_s else 0.0


def reject_disagreement(samples: Iterable[CpuSample]) -> None:
    """Raise UserError for the first level with too large a spread. samples: ordered by level."""
    for in_flight, level in groupby(samples, attrgetter("in_flight")):
        costs_s = [each.cpu_s for each in level]
        if compute_spread(costs_s) > UNUSABLE:
            least_ms, most_ms = 1000 * min(costs_s), 1000 * max(costs_s)
            raise build_cannot_run_error(
                f"CPU per request was not stable during calibration ({least_ms:.2f} to "
                f"{most_ms:.2f} ms with {in_flight} in flight). Stop other programs and try again"
            )
