"""Clocks of other machines: how far each is from ours, and how well that is known.

A message goes there and back; the other side's clock was read somewhere in between. Its offset is
taken from the middle, and half the round trip is what that may be wrong (Cristian, Distributed
Computing 3, 1989). The quickest round trip tells the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
class Clock:
    """What to take off a process's times to have ours, at two moments of its own clock."""

    process: int
    first_at_s: Second
    first_offset_s: Second
    last_at_s: Second
    last_offset_s: Second
    uncertainty_s: Second
    samples: int

    def drift(self) -> float:
        """Seconds that its clock gains on ours in each second of its own."""
        lasting_s = self.last_at_s - self.first_at_s
        return (self.last_offset_s - self.first_offset_s) / lasting_s if lasting_s > 0 else 0.0


def clocks(samples: Sequence[ClockSample]) -> tuple[Clock, ...]:
    """One for each process, in the order of their numbers."""
    ordered = sorted(samples, key=lambda sample: (sample.process, sample.sent_s))
    return tuple(
        estimated(process, list(own))
        for process, own in groupby(ordered, key=lambda sample: sample.process)
    )


def estimated(process: int, samples: Sequence[ClockSample]) -> Clock:
    """`samples` in the order of time, at least one."""
    third = -(-len(samples) // ENDS)
    first = min(samples[:third], key=lambda sample: sample.round_trip_s)
    last = min(samples[-third:], key=lambda sample: sample.round_trip_s)
    return Clock(
        process=process,
        first_at_s=first.theirs_s,
        first_offset_s=first.offset_s,
        last_at_s=last.theirs_s,
        last_offset_s=last.offset_s,
        uncertainty_s=max(first.round_trip_s, last.round_trip_s) / 2,
        samples=len(samples),
    )
