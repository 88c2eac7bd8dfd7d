"""A scenario with all its trials: its throughput and reliability, and which of two serves more."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from analysis.stats import formats
from analysis.stats.intervals import find_direction, find_pair_rank
from analysis.summary.comparison import CONFIDENCE
from analysis.summary.limit import MeasuredLimit, find_measured_limit
from analysis.summary.load_limit import measure_load_limit_rps
from analysis.summary.model import CellSummary
from analysis.summary.predicates import APART, are_alike, has_starved_users, measure_blocking_calls
from analysis.summary.trials import collect_values
from analysis.verdicts.base import list_verdicts
from scenarios.model import Scenario

DESCRIBING, LOWERING = (
    frozenset(each.code for each in list_verdicts() if each.error_means == meaning)
    for meaning in ("as measured", "at least")
)
"""Errors that describe what the service did to its users, and errors that only cost throughput."""
CLEAR_RATIO = 1.25
"""Two runs of the same thing differ by up to a fifth where cores are shared (guidance, rule 1):
below this ratio, single trials show no difference."""
MOST_OF_THE_TIME = 0.5
"""Share of the window, or of the time for which the event loop was blocked in it."""
REACHED_SHARE = 0.95
"""Share of what the users can send: from here on the users are the limit, not the server."""
TINY_RPS = 0.05
"""Below it, one decimal would show 0.0."""


@dataclass(frozen=True, slots=True)
class Served:
    """A scenario's successful responses per second. is_bound: a lower bound, since something other
    than the service may have cost throughput."""

    name: str
    rps: float
    is_bound: bool = False

    def __str__(self) -> str:
        write = formats.lower_bound if self.is_bound else formats.short_number
        shown = f"{self.rps:.1g}" if 0.0 < self.rps < TINY_RPS else write(self.rps)
        return f"at least {shown}" if self.is_bound else shown


@dataclass(frozen=True, eq=False)
class MeasuredScenario:
    """A scenario and its completed trials; equal only to itself."""

    scenario: Scenario
    trials: tuple[CellSummary, ...]

    @property
    def name(self) -> str:
        return self.scenario.name

    @cached_property
    def clean_trials(self) -> tuple[CellSummary, ...]:
        """Trials whose errors, if any, are the service's."""
        return tuple(each for each in self.trials if not list_errors(each) - DESCRIBING)

    @cached_property
    def lowered_trials(self) -> tuple[CellSummary, ...]:
        """Trials whose throughput is a lower bound."""
        errors = ((each, list_errors(each) - DESCRIBING) for each in self.trials)
        return tuple(each for each, found in errors if found and found <= LOWERING)

    @property
    def usable_trials(self) -> tuple[CellSummary, ...]:
        return self.clean_trials or self.lowered_trials

    @property
    def is_clean(self) -> bool:
        return bool(self.clean_trials)

    @property
    def is_usable(self) -> bool:
        return bool(self.rates)

    @property
    def is_comparable(self) -> bool:
        """True if its throughput is as measured, or all that its load offers."""
        if not self.is_usable:
            return False
        most = self.most_rps
        return self.reaches_ceiling or (most is not None and most <= APART * self.rate)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it is not compared, or only as a lower bound."""
        found = sorted({code for each in self.trials for code in list_errors(each) - DESCRIBING})
        return () if self.is_clean else tuple(found)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """Successful responses per second in each trial; in an open loop, the sustained rate."""
        found = (get_rate(each) for each in self.usable_trials)
        return tuple(each for each in found if each is not None)

    @cached_property
    def rate(self) -> float:
        """The median of the trials. Raises StatisticsError where nothing is usable."""
        return median(self.rates)

    @cached_property
    def blocked_share(self) -> float | None:
        """The lowest share of time for which calls blocked the loop in a trial; None up to half."""
        scenario, limit = self.scenario, self.limit
        blocks = scenario.endpoint.blocks_the_loop or (
            scenario.rare is not None and scenario.rare.style == "async def that blocks"
        )
        if not blocks or (limit is not None and limit.resource == "interpreter"):
            return None
        share = min(map(measure_blocking_calls, self.usable_trials), default=0.0)
        return share if share > MOST_OF_THE_TIME else None

    @property
    def most_rps(self) -> float | None:
        """An upper bound of its throughput on an otherwise idle machine: as measured, or, where a
        blocking call takes most of the time, scaled up to all of it. None where unknown."""
        if self.is_clean:
            return self.rate
        if self.blocked_share is None or "UPSTREAM_LATE" in self.doubts:
            return None
        return self.rate / self.blocked_share

    @property
    def served(self) -> Served:
        return Served(self.name, self.rate, not self.is_comparable)

    @property
    def ceiling_rps(self) -> float | None:
        """The highest rate that its load can send; of random arrivals, the rate that came. None
        where only the server limits it."""
        return measure_load_limit_rps(self.scenario, self.usable_trials)

    @property
    def reaches_ceiling(self) -> bool:
        most = self.ceiling_rps
        return most is not None and most > 0 and self.rate >= REACHED_SHARE * most

    @property
    def serves_random_arrivals(self) -> bool:
        """True if it serves all that come at random: its throughput is chance."""
        return self.scenario.load.arrivals == "poisson" and self.reaches_ceiling

    @cached_property
    def limit(self) -> MeasuredLimit | None:
        """The resource that was full in most of its trials, as measured in the trial with the
        median throughput of these; None where no resource was full in most."""
        found = [(find_measured_limit(each, self.scenario), each) for each in self.usable_trials]
        if not found:
            return None
        ((resource, count),) = Counter(limit.resource for limit, _ in found).most_common(1)
        if resource == "unexplained" or 2 * count <= len(found):
            return None
        those = sorted((pair for pair in found if pair[0].resource == resource), key=rank_trial)
        return those[(len(those) - 1) // 2][0]

    @property
    def unanswered(self) -> int | None:
        """Users without any response in the window; None unless every trial had some."""
        trials = self.usable_trials
        if not trials or not all(has_starved_users(each) for each in trials):
            return None
        return min(each.users_unanswered or 0 for each in trials) or None

    @property
    def background_ms(self) -> float | None:
        """The median latency of its background requests."""
        return self.get_median("bystander.median_ms")

    @property
    def is_background_bound(self) -> bool:
        """True if background requests wait longer than was recorded."""
        return any(each.bystander.median_is_lower_bound for each in self.usable_trials)

    def get_median(self, key: str) -> float | None:
        """Return a metric's median over the usable trials; None where no trial has it."""
        found = collect_values(self.usable_trials, key)
        return median(found) if found else None


def list_errors(cell: CellSummary) -> set[str]:
    return {each.code for each in cell.verdicts if each.severity == "error"}


def are_of_service(codes: Iterable[str]) -> bool:
    """Return True if all of these errors describe what the service did to its users."""
    return set(codes) <= DESCRIBING


def rank_trial(measured: tuple[MeasuredLimit, CellSummary]) -> float:
    return get_rate(measured[1]) or 0.0


def get_rate(cell: CellSummary) -> float | None:
    return cell.ok_rps if cell.open_loop is None else cell.open_loop.sustained_rps


def serve_alike(one: MeasuredScenario, other: MeasuredScenario) -> bool:
    """Return True if their throughput is the same: within 5 %, both as measured or both all that
    their users send, and no trial far from another. Two whose requests all fail serve nothing."""
    trials = (*one.rates, *other.rates)
    if not are_alike(one.rate, other.rate) or max(trials) > CLEAR_RATIO * min(trials):
        return False
    if not one.rate:
        return False
    return (one.is_clean and other.is_clean) or (one.reaches_ceiling and other.reaches_ceiling)


def serves_more(one: MeasuredScenario, other: MeasuredScenario) -> bool:
    """Return True if the first clearly has the higher throughput. The slower one needs a known
    upper bound, the faster one may be a lower bound. Use the confidence interval where the trials
    suffice for one, else a ratio larger than between two runs of the same thing."""
    most_rps = other.most_rps
    if most_rps is None or other.serves_random_arrivals or one.rate <= APART * most_rps:
        return False
    rank, _ = find_pair_rank(len(other.rates), len(one.rates), CONFIDENCE)
    if rank and other.is_clean:
        return find_direction(other.rates, one.rates, rank) == "higher"
    return one.rate >= CLEAR_RATIO * most_rps and min(one.rates) > max(other.rates)


@dataclass(frozen=True)
class Family:
    """Cases with the same load and the same work, so that their throughputs compare."""

    cases: tuple[MeasuredScenario, ...]

    @cached_property
    def best(self) -> MeasuredScenario:
        return max(self.cases, key=lambda each: each.rate)

    @property
    def has_clear_best(self) -> bool:
        """True if every other case serves clearly less."""
        others = [each for each in self.cases if each is not self.best]
        return bool(others) and all(serves_more(self.best, each) for each in others)

    @cached_property
    def fastest(self) -> tuple[MeasuredScenario, ...]:
        """The best case and all that are as fast."""
        best = self.best
        return tuple(each for each in self.cases if each is best or serve_alike(each, best))
