"""The work after the answers of a route: whether more and more of it is unfinished."""

import itertools
from dataclasses import dataclass
from statistics import median

import numpy as np

from analysis.findings.spans import Span
from analysis.stats.quantiles import Values
from scenarios.units import Second

LEAST_S: Second = 0.02
"""Work after the answer that is shorter, at the median, is none."""
FEWEST = 10
"""Answers, and unfinished requests at the last of them, that make a backlog."""
FEWEST_ENDED, NOT_SHORTER, MUCH_LONGER = 3, 0.9, 2.0
"""Works that say that each waits for the one before it, and how long the next and the last of them
last: clocks and work differ by less."""
PARTS = 4
"""Of the time in which the route is asked: at the end of each more is unfinished than before."""
SLOW_END = 0.8
"""Of the rate at which the work begins, in the second half."""
GROWTH = 1.25
"""Of the work's duration, from the first half to the second: it waits for something that others
have. Work that waits for nothing takes as long as before, however much of it there is."""


@dataclass(frozen=True, slots=True)
class AfterWork:
    """Of one route in one phase. sent_s: of the answers, sorted. returned_s: when the app returned;
    infinite where it did not while it was recorded. queued_s, granted_s: when its calls began and
    ended to wait for a thread."""

    sent_s: Values
    returned_s: Values
    queued_s: Values
    granted_s: Values
    until_s: Second

    @property
    def lasted_s(self) -> Values:
        """At least."""
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
        """Not by chance: most of the later work lasts longer than most of the earlier."""
        ended = np.isfinite(self.returned_s)
        early, late = np.array_split(self.lasted_s[ended], 2)
        if len(early) < FEWEST / 2 or np.quantile(late, 0.25) < np.quantile(early, 0.75):
            return False
        return bool(median(late) >= GROWTH * median(early))

    def is_served_in_order(self) -> bool:
        """Whether all that has ended began before all that has not, and each lasted as long as the
        one before it or longer: so it is with work that waits for its turn, however little of it
        ends. Of work that waits for nothing, what is quick overtakes what is long."""
        count = int(np.isfinite(self.returned_s).sum())
        ended_s = self.lasted_s[:count]
        if count < FEWEST_ENDED or not np.isfinite(self.returned_s[:count]).all():
            return False
        is_growing = bool((ended_s[1:] >= NOT_SHORTER * ended_s[:-1]).all())
        return is_growing and bool(ended_s[-1] >= MUCH_LONGER * ended_s[0])


def count_open(begin_s: Values, end_s: Values, at_s: Second) -> int:
    return int(np.count_nonzero((begin_s <= at_s) & (end_s > at_s)))


def grows(begin_s: Values, end_s: Values, sent_s: Values) -> bool:
    """Whether more and more is open, while the route is asked."""
    ends_s = np.linspace(sent_s[0], sent_s[-1], PARTS + 1)[1:]
    counts = [count_open(begin_s, end_s, each) for each in ends_s]
    return counts[-1] >= FEWEST and all(a < b for a, b in itertools.pairwise(counts))


def rate_events(times_s: Values, span: Span) -> float:
    inside = np.count_nonzero((times_s > span[0]) & (times_s <= span[1]))
    return float(inside) / (span[1] - span[0])
