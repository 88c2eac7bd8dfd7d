"""A scenario with all its trials: what it serves, how far that may be believed, and which of two
serves more."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from analysis.stats import formats
from analysis.stats.intervals import find_direction, find_pair_rank
from analysis.summary.comparison import CONFIDENCE
from analysis.summary.limit import MeasuredLimit, find_measured_limit
from analysis.summary.load_limit import compute_load_limit_rps
from analysis.summary.model import CellSummary
from analysis.summary.predicates import APART, are_alike, computes_on_loop, has_starved_users
from analysis.summary.trials import collect_values
from analysis.verdicts.base import list_verdicts
from scenarios.model import Scenario

DESCRIBING, LOWERING = (
    frozenset(each.code for each in list_verdicts() if each.error_means == meaning)
    for meaning in ("as measured", "at least")
)
"""Errors that say what became of the service's users, and those that can only cost throughput."""
CLEAR_RATIO = 1.25
"""Two runs of the same thing differ by up to a fifth where cores are shared (guidance, rule 1):
nearer than this, single trials tell no difference."""
MOST_OF_THE_TIME = 0.5
"""Of the window, or of what blocked the event loop in it."""
REACHED_SHARE = 0.95
"""Of what the users can ask for: from here on they are what limits, and not the server."""

TINY_RPS = 0.05
"""Below it one decimal shows nothing."""


@dataclass(frozen=True, slots=True)
class Served:
    """Good answers a second of a scenario. is_bound: it may be more, since something that is not
    the service may have cost throughput."""

    name: str
    rps: float
    is_bound: bool = False

    def __str__(self) -> str:
        least = "at least " if self.is_bound else ""
        tiny = 0.0 < self.rps < TINY_RPS
        return f"{least}{f'{self.rps:.1g}' if tiny else formats.short_number(self.rps)}"


@dataclass(frozen=True, eq=False)
class MeasuredScenario:
    """A scenario and its completed trials; the same only as itself."""

    scenario: Scenario
    trials: tuple[CellSummary, ...]

    @property
    def name(self) -> str:
        return self.scenario.name

    @cached_property
    def clean_trials(self) -> tuple[CellSummary, ...]:
        """Those whose errors, if any, are the service's own."""
        return tuple(each for each in self.trials if not list_errors(each) - DESCRIBING)

    @cached_property
    def lowered_trials(self) -> tuple[CellSummary, ...]:
        """Those whose throughput is a lower bound."""
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
        """Whether its throughput is as measured, or all that its load asks for."""
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
        """Good answers a second in each trial; of an open loop what the service sustains."""
        found = (get_rate(each) for each in self.usable_trials)
        return tuple(each for each in found if each is not None)

    @cached_property
    def rate(self) -> float:
        """The median of the trials. Raises StatisticsError where nothing is usable."""
        return median(self.rates)

    @cached_property
    def blocked_share(self) -> float | None:
        """Of the time, in the trial with the least, for which a blocking call of the scenario
        blocked the event loop; None where that is not most of it, and where it computed instead."""
        scenario, limit = self.scenario, self.limit
        blocks = scenario.endpoint.blocks_the_loop or (
            scenario.rare is not None and scenario.rare.style == "async def that blocks"
        )
        if not blocks or (limit is not None and limit.resource == "interpreter"):
            return None
        if any(map(computes_on_loop, self.usable_trials)):
            return None
        share = min((each.loop_blocked_share or 0.0 for each in self.usable_trials), default=0.0)
        return share if share > MOST_OF_THE_TIME else None

    @property
    def most_rps(self) -> float | None:
        """What it serves at most, also on a machine that does nothing else: as measured, or, where
        a blocking call takes most of the time, as much more as would fill all of it. None where
        that is not known."""
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
        """What its users can ask for at most; None where only the server decides it."""
        return compute_load_limit_rps(self.scenario)

    @property
    def reaches_ceiling(self) -> bool:
        most = self.ceiling_rps
        return most is not None and self.rate >= REACHED_SHARE * most

    @cached_property
    def limit(self) -> MeasuredLimit | None:
        """The resource that was full in most of its trials, as measured in the one with the median
        throughput of these; None where no resource was full in most."""
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
        """Users without any answer in the window; None where not every trial had some."""
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
        """Whether background requests wait longer than was seen."""
        return any(each.bystander.median_is_lower_bound for each in self.usable_trials)

    def get_median(self, key: str) -> float | None:
        """A metric over the usable trials; None where no trial has it."""
        found = collect_values(self.usable_trials, key)
        return median(found) if found else None


def list_errors(cell: CellSummary) -> set[str]:
    return {each.code for each in cell.verdicts if each.severity == "error"}


def are_of_service(codes: Iterable[str]) -> bool:
    """Whether errors with these codes say what became of the service's users, and nothing else."""
    return set(codes) <= DESCRIBING


def rank_trial(measured: tuple[MeasuredLimit, CellSummary]) -> float:
    return get_rate(measured[1]) or 0.0


def get_rate(cell: CellSummary) -> float | None:
    return cell.ok_rps if cell.open_loop is None else cell.open_loop.sustained_rps


def serve_alike(one: MeasuredScenario, other: MeasuredScenario) -> bool:
    """Whether their throughput is the same: within 5 %, both as measured, or both all that their
    users ask for, and no trial far from any other. Two whose answers all fail serve nothing."""
    trials = (*one.rates, *other.rates)
    if not are_alike(one.rate, other.rate) or max(trials) > CLEAR_RATIO * min(trials):
        return False
    if not one.rate:
        return False
    return (one.is_clean and other.is_clean) or (one.reaches_ceiling and other.reaches_ceiling)


def serves_more(one: MeasuredScenario, other: MeasuredScenario) -> bool:
    """Whether the first clearly has the higher throughput. The most that the slower one serves must
    be known, the faster one may be a lower bound. By the interval over trials where they are enough
    for one, by more than what two runs of the same thing differ by where they are not."""
    most_rps = other.most_rps
    if most_rps is None or one.rate <= APART * most_rps:
        return False
    rank, _ = find_pair_rank(len(other.rates), len(one.rates), CONFIDENCE)
    if rank and other.is_clean:
        return find_direction(other.rates, one.rates, rank) == "higher"
    return one.rate >= CLEAR_RATIO * most_rps and min(one.rates) > max(other.rates)


@dataclass(frozen=True)
class Family:
    """Cases that the same load asks for the same work, so that their throughput compares."""

    cases: tuple[MeasuredScenario, ...]

    @cached_property
    def best(self) -> MeasuredScenario:
        return max(self.cases, key=lambda each: each.rate)

    @property
    def has_clear_best(self) -> bool:
        """Whether each of the others serves clearly less."""
        others = [each for each in self.cases if each is not self.best]
        return bool(others) and all(serves_more(self.best, each) for each in others)

    @cached_property
    def fastest(self) -> tuple[MeasuredScenario, ...]:
        """Those that serve as much as the best one, which is among them."""
        best = self.best
        return tuple(each for each in self.cases if each is best or serve_alike(each, best))
