"""The evidence of an audit as typed values: when each loop was blocked, its stack samples, the
clients' requests, and the code of each route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import polars as pl

from records.audit import AuditRecord
from records.rows import HANDOVERS, LAYERS, MADE, PROBE, THREAD_STACKS, Schema
from scenarios.units import Second

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StackFrame:
    """file: absolute, as the interpreter names it. first_line: the function's."""

    module: str
    file: str
    line: int
    function: str
    first_line: int


Stack = tuple[StackFrame, ...]
"""Innermost frame first."""


@dataclass(frozen=True, slots=True)
class StackSample:
    """visit: None if no request is known."""

    at_s: Second
    visit: int | None
    stack: Stack
    in_gc: bool = False


@dataclass(frozen=True, slots=True)
class StretchClocks:
    """How a blocked stretch was spent, in seconds; None if the system does not report it.

    length_s: wall-clock time. cpu_s, run_delay_s: of the loop's thread. unseen_s: the watchdog
    waited for the GIL. paused_s: the process or the machine was stopped. holder_cpu_s: CPU of the
    busiest other thread.
    """

    length_s: Second
    cpu_s: Second | None = None
    run_delay_s: Second | None = None
    gc_s: Second | None = None
    unseen_s: Second | None = None
    paused_s: Second | None = None
    holder_cpu_s: Second | None = None

    @property
    def are_known(self) -> bool:
        """Whether the system reports what the thread did: Linux does."""
        return self.cpu_s is not None and self.run_delay_s is not None


@dataclass(frozen=True, slots=True)
class GilHolder:
    """The other thread of the process that used the most CPU during a stretch."""

    thread: int
    visit: int | None
    route: str | None
    stack: Stack


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in which the loop's thread ran a single handle or a single visit.

    is_timed: from the handle's own clock; otherwise within ±10 ms. is_open: its end was never
    written. is_late: its request had left the app before it began, but had started a task.
    """

    pid: int
    number: int
    began_s: Second
    clocks: StretchClocks
    is_timed: bool = True
    is_open: bool = False
    is_late: bool = False
    visit: int | None = None
    route: str | None = None
    holder: GilHolder | None = None
    samples: tuple[StackSample, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        return self.pid, self.number

    @property
    def ended_s(self) -> Second:
        return self.began_s + self.clocks.length_s


@dataclass(frozen=True, slots=True)
class RouteCode:
    """The code that serves a route. protocol: http or websocket."""

    route: str
    file: str
    first_line: int
    function: str
    protocol: str


def make_empty(schema: Schema) -> Callable[[], pl.DataFrame]:
    return lambda: pl.DataFrame(schema=schema)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AuditEvidence:
    """asked: client rows. handlers: rows of the app's side. handovers, thread_stacks, made, layers,
    samples: tables of the probe (records/rows.py); `samples` is its table "probe". missing: tables
    that were not saved. rounds: client rows of each round of a trial, by its cell. texts_full: the
    probe could not keep some stacks or names of the app."""

    record: AuditRecord
    asked: pl.DataFrame
    handlers: pl.DataFrame
    stretches: tuple[Stretch, ...] = ()
    endpoints: tuple[RouteCode, ...] = ()
    missing: tuple[str, ...] = ()
    handovers: pl.DataFrame = field(default_factory=make_empty(HANDOVERS))
    thread_stacks: pl.DataFrame = field(default_factory=make_empty(THREAD_STACKS))
    made: pl.DataFrame = field(default_factory=make_empty(MADE))
    layers: pl.DataFrame = field(default_factory=make_empty(LAYERS))
    samples: pl.DataFrame = field(default_factory=make_empty(PROBE))
    rounds: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    texts_full: bool = False

    def lacks(self, table: str) -> bool:
        """Return True if a process did not record the table, or if it was not saved."""
        return table in self.missing or any(table in it.unrecorded for it in self.record.journals)

    def list_pids(self) -> set[int]:
        """List the processes with the probe that responded or that blocked before they could."""
        return {*self.handlers["pid"].drop_nulls(), *(each.pid for each in self.stretches)}

    def count_processes(self) -> int:
        """Count them, also those that only replaced another: see count_most_alive."""
        return len(self.list_pids())


def compute_once(compute: Callable[[AuditEvidence], T]) -> Callable[[AuditEvidence], T]:
    """Cache the result for each evidence while that evidence is alive: several findings need it."""
    known: WeakKeyDictionary[AuditEvidence, T] = WeakKeyDictionary()

    @wraps(compute)
    def look_up(evidence: AuditEvidence) -> T:
        if evidence not in known:
            known[evidence] = compute(evidence)
        return known[evidence]

    return look_up
