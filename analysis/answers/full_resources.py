"""Which resource is full where another scenario serves more."""

from collections.abc import Mapping

from analysis.answers.base import Statement
from analysis.answers.factors import describe_places, join_words, list_rates
from analysis.answers.limit_words import CHANGES, RULES
from analysis.answers.results import Results
from analysis.answers.slower import Cause, Slower, find_worst, select_caused
from analysis.stats import formats

WORDS: Mapping[Cause, str] = {
    "pool threads": "threads of the pool",
    "client connections": "connections of the client",
    "database connections": "connections to the database",
}


class FullPlaces(Statement):
    """All threads or connections are taken, and requests wait for one."""

    rank = 40

    resource: Cause
    names: tuple[str, ...]
    rates: tuple[float, ...]
    places: float
    used: float
    users: int | None
    reference: str
    reference_rps: float
    difference: str
    """What the reference has instead, in words."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(
            cls.build(cause, each) for cause in WORDS for each in select_caused(results, cause)
        )

    @classmethod
    def build(cls, cause: Cause, slower: tuple[Slower, ...]) -> Statement:
        worst = find_worst(slower)
        load, limit = worst.case.scenario.load, worst.case.limit
        assert limit is not None  # it is the cause
        return cls(
            resource=cause,
            names=tuple(each.case.name for each in slower),
            rates=tuple(each.case.rate for each in slower),
            places=limit.capacity or 0.0,
            used=limit.used or 0.0,
            users=None if load.is_open else load.users,
            reference=worst.reference.name,
            reference_rps=worst.reference.rate,
            difference=describe_places(worst.reference.scenario, cause),
        )

    @property
    def message(self) -> str:
        many = f" for {self.users} users" if self.users else ""
        return (
            f"{self.places:g} {WORDS[self.resource]}{many} leave {list_rates(self.rates)} "
            f"requests/s ({join_words(self.names)}), since {formats.short_number(self.used)} of "
            f"them are taken at a time; {self.difference} serves "
            f"{formats.short_number(self.reference_rps)} ({self.reference})."
        )

    @property
    def change(self) -> str:
        return CHANGES[self.resource]

    @property
    def rule(self) -> str | None:
        return RULES.get(self.resource)


class FullInterpreter(Statement):
    """One interpreter computes all the time, and a request costs more than elsewhere."""

    rank = 45

    names: tuple[str, ...]
    rates: tuple[float, ...]
    cpu_ms: float
    reference: str
    reference_rps: float
    reference_cpu_ms: float | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each) for each in select_caused(results, "interpreter"))
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement | None:
        worst = find_worst(slower)
        cpu_ms = worst.case.get_median("cpu_ms_per_request")
        if cpu_ms is None:
            return None
        return cls(
            names=tuple(each.case.name for each in slower),
            rates=tuple(each.case.rate for each in slower),
            cpu_ms=cpu_ms,
            reference=worst.reference.name,
            reference_rps=worst.reference.rate,
            reference_cpu_ms=worst.reference.get_median("cpu_ms_per_request"),
        )

    @property
    def message(self) -> str:
        cpu = formats.milliseconds(self.cpu_ms)
        instead = (
            ""
            if self.reference_cpu_ms is None
            else f" and {formats.milliseconds(self.reference_cpu_ms)} ms of CPU a request"
        )
        worst = self.names[self.rates.index(min(self.rates))]
        return (
            f"The interpreter computes all the time in {join_words(self.names)}: "
            f"{list_rates(self.rates)} requests/s, with {cpu} ms of CPU a request in {worst}; "
            f"{self.reference} serves {formats.short_number(self.reference_rps)}{instead}."
        )
