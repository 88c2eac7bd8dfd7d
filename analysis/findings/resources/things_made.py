"""Objects that requests created, each with its place in the user's code."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl

from analysis.findings.code_texts import parse_stack
from analysis.findings.evidence import AuditEvidence, Stack
from analysis.findings.load_evidence import to_seconds
from analysis.findings.places import BlockPlace, LocatedStack, PlaceFinder, build_finder
from scenarios.units import Second

THREADS = ("thread", "executor thread")
ENDS = tuple(f"{each} end" for each in THREADS)
TASK = "background task"
CONNECTIONS = frozenset(
    {
        "psycopg.connect",
        "psycopg.AsyncConnection.connect",
        "psycopg2.connect",
        "asyncpg.connect",
        "pymysql.connect",
    }
)
"""Kinds of rows; every other kind is a TLS context or a client."""
Visit = tuple[int, int]
"""The process, and the request's number in it."""


@dataclass(frozen=True, slots=True)
class MadeThing:
    """took_s, cpu_s: of the thread that created it; None if unknown. For a thread that has ended,
    took_s is its lifetime."""

    visit: Visit
    at_s: Second
    kind: str
    took_s: Second | None
    cpu_s: Second | None
    located: LocatedStack

    @property
    def spent_s(self) -> Second:
        """The CPU of a client, or the wait for a connection."""
        return (self.took_s if self.kind in CONNECTIONS else self.cpu_s) or 0.0

    @classmethod
    def from_row(cls, row: Mapping[str, object], finder: PlaceFinder) -> Self | None:
        """Return None if the request or its route is unknown."""
        pid, visit, route = row["pid"], row["visit"], row["route"]
        if not isinstance(pid, int) or not isinstance(visit, int) or not isinstance(route, str):
            return None
        stack = parse_stack(row["stack"] if isinstance(row["stack"], str) else None)
        return cls(
            (pid, visit),
            to_seconds(row["at_s"]) or 0.0,
            str(row["kind"]),
            to_seconds(row["took_s"]),
            to_seconds(row["cpu_s"]),
            finder.locate(stack, route, in_thread=is_in_thread(stack)),
        )


def is_in_thread(stack: Stack) -> bool:
    return any((each.module, each.function) == ("threading", "_bootstrap") for each in stack)


def group_made(
    evidence: AuditEvidence, kinds: pl.Expr
) -> Mapping[tuple[BlockPlace, str], list[MadeThing]]:
    """Group the objects by place and kind."""
    finder = build_finder(evidence)
    found: dict[tuple[BlockPlace, str], list[MadeThing]] = defaultdict(list)
    for row in evidence.made.filter(kinds).sort("at_s").iter_rows(named=True):
        thing = MadeThing.from_row(row, finder)
        if thing is not None and thing.located.place.route is not None:
            found[thing.located.place, thing.kind].append(thing)
    return found


def measure_spent_ms(things: Iterable[MadeThing]) -> list[float]:
    """Sum the time of each request that created objects."""
    found: dict[Visit, float] = defaultdict(float)
    for each in things:
        found[each.visit] += 1000 * each.spent_s
    return list(found.values())
