"""Which resource is full where another scenario serves more."""

from collections.abc import Mapping
from itertools import groupby
from typing import Literal

from analysis.answers.base import Statement
from analysis.answers.explanation import KNOWN
from analysis.answers.factors import (
    LIBRARY,
    STYLE,
    describe_places,
    list_served,
    name_some,
)
from analysis.answers.measured_scenario import Served
from analysis.answers.results import Results
from analysis.answers.slower import Slower, sort_by_harm
from analysis.stats import formats

Places = Literal["pool threads", "client connections", "database connections"]
WORDS: Mapping[Places, tuple[str, str]] = {
    "pool threads": ("thread", "of the pool"),
    "client connections": ("connection", "of the client"),
    "database connections": ("connection", "to the database"),
}


class FullPlaces(Statement):
    """All threads or connections are taken, and requests wait for one."""

    rank = 40

    resource: Places
    served: tuple[Served, ...]
    places: int
    used: float
    users: int | None
    reference: Served
    difference: str
    """What the reference has instead, in words."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        """One for each number of places."""
        return tuple(
            cls.build(cause, tuple(each))
            for cause in WORDS
            for slower in results.select_caused(cause)
            for _, each in groupby(sorted(slower, key=count_places), key=count_places)
        )

    @classmethod
    def build(cls, cause: Places, slower: tuple[Slower, ...]) -> Statement:
        worst = sort_by_harm(slower)[0]
        load, limit = worst.case.scenario.load, worst.case.limit
        assert limit is not None  # it is the cause
        return cls(
            resource=cause,
            served=tuple(each.case.served for each in slower),
            places=count_places(worst),
            used=limit.used or 0.0,
            users=None if load.is_open else load.users,
            reference=worst.reference.served,
            difference=describe_places(worst.reference.scenario, cause),
        )

    @property
    def message(self) -> str:
        many = f" for {formats.count_things(self.users, 'user')}" if self.users else ""
        noun, of = WORDS[self.resource]
        leave, taken = "leave", f"{formats.short_number(self.used)} of them are taken at a time"
        if self.places == 1:
            leave, taken = "leaves", "it is taken all the time"
        return (
            f"{formats.count_things(self.places, noun)} {of}{many} {leave} "
            f"{list_served(self.served)}, since {taken}; with {self.difference}, "
            f"{self.reference.name} serves {self.reference}."
        )

    @property
    def rule(self) -> str | None:
        return KNOWN[self.resource].rule

    @property
    def change(self) -> str:
        return KNOWN[self.resource].change


def count_places(slower: Slower) -> int:
    limit = slower.case.limit
    return round(limit.capacity or 0.0) if limit is not None else 0


class FullInterpreter(Statement):
    """One interpreter computes all the time, and a request costs more than elsewhere."""

    rank = 45

    names: tuple[str, ...]
    worst: Served
    cpu_ms: float
    reference: Served
    reference_cpu_ms: float | None
    library: str
    """Of the reference's client, where the library is all that differs."""
    has_processes: bool
    """Whether the reference hands its work to processes."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = (cls.build(each) for each in results.select_caused("interpreter"))
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement | None:
        worst = sort_by_harm(slower)[0]
        cpu_ms = worst.case.get_median("cpu_ms_per_request")
        if cpu_ms is None:
            return None
        other, names = worst.reference.scenario, {each.name for each in worst.differences}
        return cls(
            names=tuple(each.case.name for each in slower),
            worst=worst.case.served,
            cpu_ms=cpu_ms,
            reference=worst.reference.served,
            reference_cpu_ms=worst.reference.get_median("cpu_ms_per_request"),
            library=other.client.library if names == {LIBRARY} and other.client else "",
            has_processes=names == {STYLE} and other.endpoint.style == "async def with processes",
        )

    @property
    def message(self) -> str:
        some = f", in {self.worst.name} worst of all" if len(self.names) > 1 else ""
        found = (
            f"The interpreter computes all the time in {name_some(self.names)}{some}: {self.worst} "
            f"requests/s with {formats.milliseconds(self.cpu_ms)} ms of CPU each, where "
            f"{self.reference.name} serves {self.reference}"
        )
        if self.reference_cpu_ms is None:
            return f"{found}."
        return f"{found} with {formats.milliseconds(self.reference_cpu_ms)} ms."

    @property
    def rule(self) -> str | None:
        if self.library:
            return "which-library"
        return "cpu" if self.has_processes else None

    @property
    def change(self) -> str:
        if self.library:
            return f"call with {self.library}, or bound the connections of the client"
        return "hand the work to a process pool" if self.has_processes else ""
