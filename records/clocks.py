"""Clocks of other machines: how far each is from ours, and how well that is known.

A message goes there and back; the other side's clock was read somewhere in between. Its offset is
taken from the middle, and half the round trip is what that may be wrong (Cristian, Distributed
Computing 3, 1989). The quickest round trip tells the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from scenarios.units import Second

ENDS = 3
"""The quickest trips of the first and of the last third are kept: in between, a clock that runs
fast or slow is followed on the line that joins them."""


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One round trip to a load process, by our clock: sent_s, back_s; theirs_s by its own."""

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
    """What to take off a process's times to have ours, at two moments of its own clock."""

    process: int
    first_at_s: Second
    first_offset_s: Second
    last_at_s: Second
    last_offset_s: Second
    uncertainty_s: Second
    """What the offset may be wrong, either way, at any moment from the first trip to the last."""
    samples: int

    def compute_drift(self) -> float:
        """Seconds that its clock gains on ours in each second of its own."""
        lasting_s = self.last_at_s - self.first_at_s
        return (self.last_offset_s - self.first_offset_s) / lasting_s if lasting_s > 0 else 0.0

    def compute_offset_s(self, at_s: Second) -> Second:
        """At a moment of its own clock."""
        return self.first_offset_s + (at_s - self.first_at_s) * self.compute_drift()


def estimate_clocks(samples: Sequence[ClockSample]) -> tuple[ClockModel, ...]:
    """One for each process, in the order of their numbers."""
    ordered = sorted(samples, key=lambda sample: (sample.process, sample.sent_s))
    return tuple(
        estimate_clock(process, list(own))
        for process, own in groupby(ordered, key=lambda sample: sample.process)
    )


def estimate_clock(process: int, samples: Sequence[ClockSample]) -> ClockModel:
    """`samples` in the order of time, at least one."""
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
    """How far the line is drawn on beyond the two trips that hold it, in lengths between them.

    Both ends of a line may be wrong by as much and in opposite ways; for each of its lengths
    beyond an end it is then wrong by twice as much more.
    """
    lasting_s = clock.last_at_s - clock.first_at_s
    if lasting_s <= 0:
        return 0.0
    before_s = clock.first_at_s - samples[0].theirs_s
    after_s = samples[-1].theirs_s - clock.last_at_s
    return max(before_s, after_s, 0.0) / lasting_s


def measure_contradiction_s(clock: ClockModel, samples: Sequence[ClockSample]) -> Second:
    """By how much the line misses what some trip leaves possible: a clock whose rate changes in
    between follows no line."""
    return max(
        abs(clock.compute_offset_s(sample.theirs_s) - sample.offset_s) - sample.round_trip_s / 2
        for sample in samples
    )
