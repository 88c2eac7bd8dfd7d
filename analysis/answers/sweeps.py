"""What more of a setting brings, and which scenario it brings more to."""

from collections.abc import Sequence
from itertools import combinations

from analysis.answers.base import Statement
from analysis.answers.factors import join_words, list_rates
from analysis.answers.limit_words import CHANGES, RULES, describe_limit
from analysis.answers.results import Case, Results, are_of_service, serve_alike, serves_more
from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit
from analysis.summary.sweep import Sweep
from scenarios.sweep import format_setting_value


class SweepThroughput(Statement):
    """Of one scenario: what it serves at the first and the last value, and from which value on
    more brings nothing."""

    rank = 15

    name: str
    setting: str
    values: tuple[float, ...]
    rates: tuple[float, ...]
    enough: float | None
    """None where it is not known, or where shorter delays serve no more."""
    first_limit: MeasuredLimit | None
    last_limit: MeasuredLimit | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each, results) for each in results.sweeps)
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, sweep: Sweep, results: Results) -> Statement | None:
        points = [
            each for each in sweep.points if each.ok_rps is not None and are_of_service(each.doubts)
        ]
        if len(points) < 2:
            return None
        first, last = (results.find_case(each.scenario) for each in (points[0], points[-1]))
        return cls(
            name=sweep.scenario,
            setting=sweep.setting,
            values=tuple(each.value for each in points),
            rates=tuple(each.ok_rps or 0.0 for each in points),
            enough=sweep.enough if len(points) == len(sweep.points) else None,
            first_limit=first.limit if first else None,
            last_limit=last.limit if last else None,
        )

    @property
    def message(self) -> str:
        first, last = self.describe_value(0), self.describe_value(-1)
        limits = describe_limit(self.first_limit), describe_limit(self.last_limit)
        why = f": {limits[0]}" if limits[0] == limits[1] else ""
        changes = f" ({limits[0]})" if not why else ""
        ends = f" ({limits[1]})" if not why else ""
        return (
            f"{self.name} serves {formats.short_number(self.rates[0])} requests/s at {first}"
            f"{changes} and {formats.short_number(self.rates[-1])} at {last}{ends}{why}"
            f"{self.describe_enough()}."
        )

    def describe_value(self, place: int) -> str:
        return f"{self.setting} {format_setting_value(self.setting, self.values[place])}"

    def describe_enough(self) -> str:
        if self.enough is None or self.setting == "delay" or self.enough == self.values[-1]:
            return ""
        best = formats.short_number(max(self.rates))
        enough = format_setting_value(self.setting, self.enough)
        return f"; from {self.setting} {enough} on, more brings nothing ({best} at most)"

    @property
    def rule(self) -> str | None:
        if self.setting == "pool":
            return "raise-the-pool"
        return RULES.get(self.last_limit.resource) if self.last_limit else None

    @property
    def change(self) -> str:
        if self.setting == "pool" and self.enough is not None and self.enough < self.values[-1]:
            return f"a pool of {self.enough:g} threads is enough for this load"
        return CHANGES.get(self.last_limit.resource, "") if self.last_limit else ""


class SweepCollapse(Statement):
    """More users are served less, since each request costs more."""

    rank = 25

    name: str
    peak: float
    start: float
    lost: float
    most: float

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(
            cls(
                name=each.scenario,
                peak=each.collapse.peak,
                start=each.collapse.start,
                lost=each.collapse.lost,
                most=each.points[-1].value,
            )
            for each in results.sweeps
            if each.collapse is not None
        )

    @property
    def message(self) -> str:
        return (
            f"The throughput of {self.name} is highest at {self.peak:g} users and falls from "
            f"{self.start:g} users on; {self.most:g} users get {formats.percent(self.lost)} less."
        )

    @property
    def change(self) -> str:
        return f"let no more than about {self.peak:g} requests be under way at once"


class SweepComparison(Statement):
    """Two scenarios at the values of a sweep: where they serve the same, and where one serves
    more."""

    rank = 12

    names: tuple[str, str]
    setting: str
    alike: tuple[float, ...]
    better: tuple[tuple[float, str, float, float], ...]
    """Value, the scenario that serves more, and its rate and that of the other one."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(*pair, results) for pair in combinations(results.sweeps, 2))
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, one: Sweep, other: Sweep, results: Results) -> Statement | None:
        alike: list[float] = []
        better: list[tuple[float, str, float, float]] = []
        for value, first, second in pair_points(one, other, results):
            if serve_alike(first, second):
                alike.append(value)
            elif serves_more(first, second):
                better.append((value, one.scenario, first.rate, second.rate))
            elif serves_more(second, first):
                better.append((value, other.scenario, second.rate, first.rate))
        if not alike and not better:
            return None
        names = (one.scenario, other.scenario)
        return cls(names=names, setting=one.setting, alike=tuple(alike), better=tuple(better))

    @property
    def message(self) -> str:
        clauses = [
            f"at {self.setting} {format_setting_value(self.setting, value)} {name} serves "
            f"{list_rates((rate, less))} requests/s".replace(" and ", " and the other one ")
            for value, name, rate, less in self.better
        ]
        if self.alike:
            values = join_words([format_setting_value(self.setting, each) for each in self.alike])
            clauses.insert(0, f"{join_words(self.names)} serve the same at {self.setting} {values}")
        found = "; ".join(clauses)
        return f"{found[0].upper()}{found[1:]}." if not self.alike else f"{found}."


def pair_points(one: Sweep, other: Sweep, results: Results) -> Sequence[tuple[float, Case, Case]]:
    """The cases of both at each value that both were measured at."""
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
