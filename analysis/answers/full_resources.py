"""The resource that is full where another scenario serves more."""

from itertools import groupby
from typing import Literal, get_args

from analysis.answers.base import Statement
from analysis.answers.explanation import PROCESSES, Explanation, count_places, explain_limit
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
PLACES: tuple[Places, ...] = get_args(Places)


class FullPlaces(Statement):
    """All threads or connections are busy, and requests wait for one."""

    rank = 40

    why: Explanation
    served: tuple[Served, ...]
    places: str
    used: float
    users: int | None
    reference: Served
    difference: str
    """What the reference has instead."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        """Build one statement for each number of places."""
        return tuple(
            cls.build(cause, tuple(each))
            for cause in PLACES
            for slower in results.select_caused(cause)
            for _, each in groupby(sorted(slower, key=rank_places), key=rank_places)
        )

    @classmethod
    def build(cls, cause: Places, slower: tuple[Slower, ...]) -> Statement:
        worst = sort_by_harm(slower)[0]
        load, limit = worst.case.scenario.load, worst.case.limit
        assert limit is not None  # it is the cause
        return cls(
            why=explain_limit(limit),
            served=tuple(each.case.served for each in slower),
            places=count_places(limit),
            used=limit.used or 0.0,
            users=None if load.is_open else load.users,
            reference=worst.reference.served,
            difference=describe_places(worst.reference.scenario, cause),
        )

    @property
    def message(self) -> str:
        many = f" for {formats.count_things(self.users, 'user')}" if self.users else ""
        busy = f"on average {formats.short_number(self.used)} of them are busy"
        if self.places.startswith("1 "):
            busy = "it is always busy"
        return (
            f"With {self.places}{many}, {list_served(self.served)}, since {busy}; "
            f"with {self.difference}, {self.reference.name} serves {self.reference}."
        )

    @property
    def rule(self) -> str | None:
        return self.why.rule

    @property
    def change(self) -> str:
        return self.why.change


def rank_places(slower: Slower) -> tuple[float, str]:
    limit = slower.case.limit
    return (limit.capacity or 0.0, count_places(limit)) if limit is not None else (0.0, "")


class FullInterpreter(Statement):
    """One interpreter is busy all the time, and CPU per request is higher than elsewhere."""

    rank = 45

    names: tuple[str, ...]
    worst: Served
    cpu_ms: float
    reference: Served
    reference_cpu_ms: float | None
    library: str
    """The reference's client library, where only the library differs."""
    has_processes: bool
    """True if the reference runs its work in processes."""

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
        worst = "the worse of the two" if len(self.names) == 2 else "the worst of them"
        who = f"{self.worst.name}, {worst}," if len(self.names) > 1 else "it"
        found = (
            f"The interpreter is busy all the time in {name_some(self.names)}: {who} serves "
            f"{self.worst} requests/s with {formats.milliseconds(self.cpu_ms)} ms of CPU per "
            f"request, while {self.reference.name} serves {self.reference}"
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
            return f"use {self.library}, or limit the client's connections"
        return PROCESSES if self.has_processes else ""
