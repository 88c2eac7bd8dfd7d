"""The effect of more of a setting, in one scenario and between two."""

from collections.abc import Sequence
from itertools import combinations

from analysis.answers.base import Statement
from analysis.answers.explanation import Explanation, explain
from analysis.answers.factors import get_pool, join_words
from analysis.answers.measured_scenario import (
    CLEAR_RATIO,
    MeasuredScenario,
    Served,
    are_of_service,
    serve_alike,
    serves_more,
)
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.sweep import Sweep
from scenarios.sweep import format_setting_value

LESS = 1 / CLEAR_RATIO
"""Share of the maximum: two runs of the same thing do not differ by as much."""
Pair = tuple[float, MeasuredScenario, MeasuredScenario]
"""A value, and two scenarios at that value."""


class SweepComparison(Statement):
    """Two scenarios of a sweep: the values where they are as fast, and where one serves more."""

    rank = 12

    names: tuple[str, str]
    setting: str
    alike: tuple[float, ...]
    better: tuple[tuple[float, Served, Served], ...]
    """Value, and the two scenarios, the one that serves more first."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(*pair, results) for pair in combinations(results.sweeps, 2))
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, one: Sweep, other: Sweep, results: Results) -> Statement | None:
        pairs = pair_points(one, other, results)
        alike = tuple(value for value, first, second in pairs if serve_alike(first, second))
        better = [
            (value, rename(more, base.scenario), rename(less, rest.scenario))
            for value, first, second in pairs
            for more, base, less, rest in (
                (first, one, second, other),
                (second, other, first, one),
            )
            if serves_more(more, less)
        ]
        if not alike and not better:
            return None
        names = (one.scenario, other.scenario)
        return cls(names=names, setting=one.setting, alike=alike, better=tuple(better))

    @property
    def message(self) -> str:
        clauses = [
            f"with --{self.setting} {format_setting_value(self.setting, value)}, {more.name} "
            f"serves {more} requests/s and {less.name} {less}"
            for value, more, less in self.better
        ]
        if self.alike:
            values = join_words([format_setting_value(self.setting, each) for each in self.alike])
            same = f"{join_words(self.names)} are equally fast with --{self.setting} {values}"
            return "; ".join((same, *clauses)) + "."
        return f"W{'; '.join(clauses)[1:]}."


def rename(case: MeasuredScenario, name: str) -> Served:
    return Served(name, case.rate, case.served.is_bound)


def pair_points(
    one: Sweep, other: Sweep, results: Results
) -> Sequence[tuple[float, MeasuredScenario, MeasuredScenario]]:
    """Pair the usable cases of both at each value that both were measured at."""
    names = {each.value: each.scenario for each in other.points}
    pairs = (
        (each.value, results.find_case(each.scenario), results.find_case(names[each.value]))
        for each in one.points
        if each.value in names
    )
    return [
        (value, first, second)
        for value, first, second in pairs
        if first is not None and second is not None and first.is_usable and second.is_usable
    ]


class SweepThroughput(Statement):
    """One scenario's throughput and limit at the first and the last value, and the value from which
    more does not help."""

    rank = 15

    name: str
    setting: str
    values: tuple[float, ...]
    rates: tuple[float, ...]
    enough: float | None
    """The value from which more does not help. None for a delay, where a value is doubted, and
    where throughput still grows at the last value."""
    first_why: Explanation | None
    """None where no resource was full."""
    last_why: Explanation | None
    has_pool: bool
    """True if the setting is the size of a pool that its requests wait for."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each, results) for each in results.sweeps)
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, sweep: Sweep, results: Results) -> Statement | None:
        """Leave out values with an error that is not the service's."""
        sound = [each for each in sweep.points if are_of_service(each.doubts)]
        points = [(each, rate) for each in sound if (rate := each.ok_rps) is not None]
        if len(points) < 2:
            return None
        first, last = (results.find_case(points[at][0].scenario) for at in (0, -1))
        is_whole = len(points) == len(sweep.points) and sweep.setting != "delay"
        pays = sweep.enough == points[-1][0].value
        return cls(
            name=sweep.scenario,
            setting=sweep.setting,
            values=tuple(each.value for each, _ in points),
            rates=tuple(rate for _, rate in points),
            enough=sweep.enough if is_whole and not pays else None,
            first_why=explain(first) if first and first.limit else None,
            last_why=explain(last) if last and last.limit else None,
            has_pool=sweep.setting == "pool" and bool(last and get_pool(last.scenario)),
        )

    @property
    def message(self) -> str:
        first = f"{self.name} serves {self.describe_point(0, 'requests/s ')}"
        last = self.describe_point(-1)
        if self.enough is None:
            return f"{first}{bracket(self.first_why)} and {last}{bracket(self.last_why)}."
        is_less = self.rates[-1] < LESS * max(self.rates)
        effect = "costs throughput" if is_less else "does not help"
        if self.enough == self.values[0]:
            return (
                f"{first}{bracket(self.first_why)}; more {effect}: {last}{bracket(self.last_why)}."
            )
        enough = self.describe_point(self.values.index(self.enough))
        return (
            f"{first}{bracket(self.first_why)} and {enough}; beyond that, more {effect}: "
            f"{last}{bracket(self.last_why)}."
        )

    def describe_point(self, place: int, unit: str = "") -> str:
        value = format_setting_value(self.setting, self.values[place])
        return f"{formats.short_number(self.rates[place])} {unit}with --{self.setting} {value}"

    @property
    def rule(self) -> str | None:
        if self.has_pool:
            return "raise-the-pool"
        return self.last_why.rule if self.last_why else None

    @property
    def change(self) -> str:
        if self.has_pool and self.enough is not None:
            threads = formats.count_things(int(self.enough), "thread")
            return f"give the pool {threads} for this load, and no more"
        return self.last_why.change if self.last_why else ""


def bracket(why: Explanation | None) -> str:
    return f" ({why.clause})" if why else ""


class SweepCollapse(Statement):
    """With more users, throughput falls because CPU per request grows."""

    rank = 25

    name: str
    peak: float
    start: float
    lost: float
    most: float
    has_client: bool

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(
            cls(
                name=each.scenario,
                peak=each.collapse.peak,
                start=each.collapse.start,
                lost=each.collapse.lost,
                most=each.points[-1].value,
                has_client=bool(last and last.scenario.client),
            )
            for each in results.sweeps
            if each.collapse is not None
            for last in [results.find_case(each.points[-1].scenario)]
        )

    @property
    def message(self) -> str:
        peak, start, most = (
            formats.count_things(int(each), "user") for each in (self.peak, self.start, self.most)
        )
        return (
            f"{self.name} has its highest throughput at {peak}; from {start} on it serves less, "
            f"because CPU per request grows: {formats.percent(self.lost)} less at {most}."
        )

    @property
    def rule(self) -> str | None:
        return "which-library" if self.has_client else None

    @property
    def change(self) -> str:
        requests = formats.count_things(int(self.peak), "request")
        return f"keep at most about {requests} in flight"
