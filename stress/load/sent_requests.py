"""A load process's ledger of its requests: due, sent, answered or unfinished.

Locust drops a request that it kills, without an event; this ledger drops none. It reads no clock;
times are time.monotonic() in seconds, passed by the caller.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import accumulate, count, repeat
from math import isnan, nan
from operator import attrgetter

from records.ids import RequestIds, generate_ids
from scenarios.model import Load
from scenarios.units import Second
from stress.load.protocol import LoadCounts

Row = tuple[int, int, float, float, float, int, str | None, int]
"""A row in the order of records.rows.SENT."""


@dataclass(slots=True)
class LedgerEntry:
    user: int
    request_id: int
    intended_s: float
    started_s: float
    ended_s: float = nan
    status: int = 0
    error: str | None = None
    size: int = 0


build_row = attrgetter(*(each.name for each in fields(LedgerEntry)))
"""Builds a Row, whose order is that of the fields. astuple would copy each value on a hot path."""


@dataclass(slots=True)
class UserRamp:
    """Start times of the users: evenly spaced, `spawn_rate` per second over all processes. The
    first user starts when it calls `compute_user_start_s`."""

    users: int
    spawn_rate: float
    processes: int = 1
    process: int = 0
    begin_s: float | None = None

    def compute_user_start_s(self, user: int, now_s: float) -> float:
        if self.begin_s is None:
            self.begin_s = now_s
        return self.begin_s + (user * self.processes + self.process) / self.spawn_rate

    @property
    def end_s(self) -> float:
        """When the last user has started."""
        return (self.begin_s or 0.0) + self.users / self.spawn_rate


def generate_due_times(load: Load, process: int, seed: int) -> Iterator[Second]:
    """Yield one load process's due times of an open loop, in seconds since its start, without end.

    constant: process i of n takes every n-th request, so that together they are evenly spaced.
    poisson: each process draws its own gaps; the sum of Poisson processes is a Poisson process.
    """
    assert load.arrival_rate is not None
    rate, processes = load.arrival_rate, load.processes
    if load.arrivals == "constant":
        return ((number * processes + process) / rate for number in count())
    source = random.Random(f"{seed}/{process}")
    return accumulate(source.expovariate(rate / processes) for _ in count())


def generate_pauses(load: Load, process: int, user: int, seed: int) -> Iterator[Second]:
    """Yield the think times of a closed-loop user without end: constant, or drawn from a range."""
    if load.think_spread_s == 0:
        return repeat(load.think_s)
    source = random.Random(f"{seed}/{process}/{user}")
    shortest_s, longest_s = load.think_s - load.think_spread_s, load.think_s + load.think_spread_s
    return (source.uniform(shortest_s, longest_s) for _ in count())


@dataclass(slots=True)
class RequestLedger:
    cell_number: int
    process: int = 0
    ramp_end_s: float | None = None
    open: dict[int, LedgerEntry] = field(default_factory=dict)
    _ids: RequestIds = field(init=False)
    _users: int = 0
    _finished: list[LedgerEntry] = field(default_factory=list)
    _begun: list[LedgerEntry] = field(default_factory=list)
    _warm: set[int] = field(default_factory=set)
    _completed: int = 0
    _failed: int = 0
    counted_from_s: float | None = None
    counted_until_s: float | None = None
    """When the requested number of completions was reached."""
    _to_count: int = 0

    def __post_init__(self) -> None:
        self._ids = generate_ids(self.cell_number, self.process)

    def count_completions(self, requests: int | None, now_s: float) -> None:
        """Count this many completions from now on; None counts none."""
        if requests is not None:
            self.counted_from_s, self._to_count = now_s, requests

    def add_user(self) -> int:
        self._users += 1
        return self._users - 1

    def begin(self, user: int, intended_s: float, started_s: float) -> LedgerEntry:
        request_id = next(self._ids)
        entry = self.open[request_id] = LedgerEntry(user, request_id, intended_s, started_s)
        self._begun.append(entry)
        return entry

    def finish(
        self, entry: LedgerEntry, ended_s: float, status: int, error: str | None, size: int
    ) -> None:
        entry.ended_s, entry.status, entry.error, entry.size = ended_s, status, error, size
        del self.open[entry.request_id]
        self._finished.append(entry)
        self._completed += 1
        self._failed += error is not None
        if self._to_count:
            self._to_count -= 1
            if self._to_count == 0:
                self.counted_until_s = ended_s
        after_ramp = self.ramp_end_s is not None and entry.started_s >= self.ramp_end_s
        if after_ramp and status:  # a dying worker that resets a connection serves nobody
            self._warm.add(entry.user)

    def take_new_rows(self) -> list[Row]:
        """Return the finished requests since the last call, and the new unfinished ones."""
        finished, self._finished = self._finished, []
        begun, self._begun = self._begun, []
        still_open = [entry for entry in begun if isnan(entry.ended_s)]
        return [build_row(entry) for entry in finished + still_open]

    def take_snapshot(self) -> LoadCounts:
        return LoadCounts(
            users=self._users,
            warm=len(self._warm),
            sent=self._completed + len(self.open),
            completed=self._completed,
            failed=self._failed,
            in_flight=len(self.open),
        )
