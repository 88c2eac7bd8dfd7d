"""Clocks of other machines: the offset of each from this host's clock, and its uncertainty.

The other machine reads its clock at some moment of a message's round trip. The offset assumes the
middle, so its error is at most half the round trip (Cristian, Distributed Computing 3, 1989). The
fastest round trip gives the best estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from scenarios.units import Second

ENDS = 3
"""Keeps the fastest trip of the first and of the last third. The line through both follows a clock
that runs fast or slow."""


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One round trip to a load process: sent_s and back_s in our time, theirs_s in its own."""

    process: int
    sent_s: Second
    back_s: Second
    theirs_s: Second

    @property
    def round_trip_s(self) -> Second:
        return self.back_s - self.sent_s

    @property
    def offset_s(self) -> Second:
        return self.theirs_s - (self.sent_s + self.back_s) / 2


@dataclass(frozen=True, slots=True)
class ClockModel:
    """Offsets to subtract from a process's times, at two moments of that process's clock."""

    process: int
    first_at_s: Second
    first_offset_s: Second
    last_at_s: Second
    last_offset_s: Second
    uncertainty_s: Second
    """Maximum error of the offset, in either direction, from the first trip to the last."""
    samples: int

    def compute_drift(self) -> float:
        """Return the seconds that its clock gains on ours per second of its own."""
        lasting_s = self.last_at_s - self.first_at_s
        return (self.last_offset_s - self.first_offset_s) / lasting_s if lasting_s > 0 else 0.0

    def compute_offset_s(self, at_s: Second) -> Second:
        """Return the offset at a moment of its own clock."""
        return self.first_offset_s + (at_s - self.first_at_s) * self.compute_drift()


def estimate_clocks(samples: Sequence[ClockSample]) -> tuple[ClockModel, ...]:
    """Return one model per process, ordered by process number."""
    ordered = sorted(samples, key=lambda sample: (sample.process, sample.sent_s))
    return tuple(
        estimate_clock(process, list(own))
        for process, own in groupby(ordered, key=lambda sample: sample.process)
    )


def estimate_clock(process: int, samples: Sequence[ClockSample]) -> ClockModel:
    """Return the model of one process. samples: ordered by time, at least one."""
    third = -(-len(samples) // ENDS)
    first = min(samples[:third], key=lambda sample: sample.round_trip_s)
    last = min(reversed(samples[-third:]), key=lambda sample: sample.round_trip_s)
    clock = ClockModel(
        process=process,
        first_at_s=first.theirs_s,
        first_offset_s=first.offset_s,
        last_at_s=last.theirs_s,
        last_offset_s=last.offset_s,
        uncertainty_s=max(first.round_trip_s, last.round_trip_s) / 2,
        samples=len(samples),
    )
    known_s = clock.uncertainty_s * (1 + 2 * measure_extrapolation(clock, samples))
    return replace(clock, uncertainty_s=max(known_s, measure_contradiction_s(clock, samples)))


def measure_extrapolation(clock: ClockModel, samples: Sequence[ClockSample]) -> float:
    """Return how far the line extends beyond its two trips, in multiples of their distance.

    Both trips may be wrong by the same amount in opposite directions. Each multiple beyond a trip
    then adds twice that error.
    """
    lasting_s = clock.last_at_s - clock.first_at_s
    if lasting_s <= 0:
        return 0.0
    before_s = clock.first_at_s - samples[0].theirs_s
    after_s = samples[-1].theirs_s - clock.last_at_s
    return max(before_s, after_s, 0.0) / lasting_s


def measure_contradiction_s(clock: ClockModel, samples: Sequence[ClockSample]) -> Second:
    """Return the most by which the line leaves the range that a trip allows. It exceeds 0 for a
    clock whose rate changes, which follows no line."""
    return max(
        abs(clock.compute_offset_s(sample.theirs_s) - sample.offset_s) - sample.round_trip_s / 2
        for sample in samples
    )
