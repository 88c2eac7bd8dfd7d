"""Work after the responses of a route, and whether its backlog grows."""

import itertools
from dataclasses import dataclass
from statistics import median

import numpy as np

from analysis.findings.spans import Span
from analysis.stats.quantiles import Values
from scenarios.units import Second

LEAST_S: Second = 0.02
"""Work with a shorter median is ignored."""
FEWEST = 10
"""The fewest responses, and unfinished requests at the last of them, that make a backlog."""
FEWEST_ENDED, NOT_SHORTER, MUCH_LONGER = 3, 0.9, 2.0
"""The fewest finished jobs that show that each waits for the one before it; how long the next and
the last must take relative to the previous and the first. Clocks and work vary by less."""
PARTS = 4
"""Parts of the time in which the route is called: each must end with more unfinished work."""
SLOW_END = 0.8
"""Relative to the rate at which the work begins, in the second half."""
GROWTH = 1.25
"""Relative to the duration in the first half: the work waits for a busy resource. Work that waits
for nothing takes equally long, however much of it there is."""


@dataclass(frozen=True, slots=True)
class AfterWork:
    """Work of one route in one phase. sent_s: of the responses, sorted. returned_s: when the app
    returned; infinite if that was not recorded. queued_s, granted_s: when its calls began and
    stopped waiting for a thread."""

    sent_s: Values
    returned_s: Values
    queued_s: Values
    granted_s: Values
    until_s: Second

    @property
    def lasted_s(self) -> Values:
        """The least duration of each."""
        lasted_s: Values = np.minimum(self.returned_s, self.until_s) - self.sent_s
        return lasted_s

    @property
    def second_half(self) -> Span:
        return (self.sent_s[0] + self.sent_s[-1]) / 2, self.sent_s[-1]

    def rate_begin(self) -> float:
        return rate_events(self.sent_s, self.second_half)

    def rate_end(self) -> float:
        return rate_events(self.returned_s, self.second_half)

    def count_unfinished(self) -> int:
        return count_open(self.sent_s, self.returned_s, self.sent_s[-1])

    def is_backlog(self) -> bool:
        if len(self.sent_s) < FEWEST or self.sent_s[-1] <= self.sent_s[0]:
            return False
        return (
            median(self.lasted_s) >= LEAST_S
            and grows(self.sent_s, self.returned_s, self.sent_s)
            and self.rate_end() < SLOW_END * self.rate_begin()
            and (
                self.lasts_longer()
                or self.is_served_in_order()
                or grows(self.queued_s, self.granted_s, self.sent_s)
            )
        )

    def lasts_longer(self) -> bool:
        """Return True if most later work lasts longer than most earlier work."""
        ended = np.isfinite(self.returned_s)
        early, late = np.array_split(self.lasted_s[ended], 2)
        if len(early) < FEWEST / 2 or np.quantile(late, 0.25) < np.quantile(early, 0.75):
            return False
        return bool(median(late) >= GROWTH * median(early))

    def is_served_in_order(self) -> bool:
        """Return True if all finished work began before all unfinished work, and each took about as
        long as the one before it or longer. Work that waits for its turn does this, however little
        of it ends; in independent work, short jobs overtake long ones."""
        count = int(np.isfinite(self.returned_s).sum())
        ended_s = self.lasted_s[:count]
        if count < FEWEST_ENDED or not np.isfinite(self.returned_s[:count]).all():
            return False
        is_growing = bool((ended_s[1:] >= NOT_SHORTER * ended_s[:-1]).all())
        return is_growing and bool(ended_s[-1] >= MUCH_LONGER * ended_s[0])


def count_open(begin_s: Values, end_s: Values, at_s: Second) -> int:
    return int(np.count_nonzero((begin_s <= at_s) & (end_s > at_s)))


def grows(begin_s: Values, end_s: Values, sent_s: Values) -> bool:
    """Return True if the unfinished work grows while the route is called."""
    ends_s = np.linspace(sent_s[0], sent_s[-1], PARTS + 1)[1:]
    counts = [count_open(begin_s, end_s, each) for each in ends_s]
    return counts[-1] >= FEWEST and all(a < b for a, b in itertools.pairwise(counts))


def rate_events(times_s: Values, span: Span) -> float:
    inside = np.count_nonzero((times_s > span[0]) & (times_s <= span[1]))
    return float(inside) / (span[1] - span[0])
