"""Collects measurements where they arise, at the cost of one append, and passes them to a metrics
library on the watchdog's thread."""

from __future__ import annotations

import logging
import re
from asyncio import AbstractEventLoop, all_tasks
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import isnan, nan
from typing import NamedTuple
from weakref import WeakValueDictionary, ref

from .causes import Clocks, split_by_cause
from .metrics import (
    BACKGROUND,
    EXECUTOR_WAITING,
    HEARTBEAT_AGE,
    IN_FLIGHT,
    LOOP_BLOCKED,
    LOOP_LAG,
    LOOP_TASKS,
    NO_REQUEST,
    OTHER_ROUTE,
    POOL_BORROWED,
    POOL_TOKENS,
    POOL_WAITING,
    THREAD_WAIT,
    UNKNOWN_ROUTE,
    UP,
    Instrument,
    Labels,
    Metrics,
)
from .request_record import RequestRecord
from .routes import find_whole_pattern
from .settings import read_beat_s

MOST_NOTED = 10_000
"""Maximum of measurements that wait for the watchdog, which takes them four times per second."""
MOST_MISSED = 6_000
"""Maximum of values for one late heartbeat: one minute's. A longer block counts as one minute."""
MOST_ROUTES = 200
"""Maximum of routes with a label of their own, such as those of an app that creates routes."""
CONVERTOR = re.compile(r"{(\w+):\w+}")
"""A parameter with its type. Starlette and FastAPI send `http.route` without it."""
Gauges = dict[tuple[Instrument, Labels], float]
log = logging.getLogger("probe")


WaitLabels = tuple[str, str]
"""Stage and pool."""
IN_EXECUTOR: WaitLabels = ("other", "executor")


class LoopSample(NamedTuple):
    """heartbeat_age_s: in seconds. pool_...: of anyio's default limiter; NaN without anyio."""

    heartbeat_age_s: float
    tasks: float
    pool_tokens: float
    pool_borrowed: float
    pool_waiting: float


class MetricsFeed:
    """Measurements of the probes and loops of this process that share a metrics library. `note_...`
    are called where they arise, on any thread; `write` on the watchdog's thread."""

    def __init__(self, metrics: Metrics, beat_s: float) -> None:
        self._metrics = metrics
        self._is_off = False
        self._beat_s = beat_s
        self._routes: dict[str, str] = {}
        self._gauges: Gauges = {}
        self._start_empty(MOST_NOTED)

    def _start_empty(self, most_noted: int) -> None:
        self._lags: deque[float] = deque(maxlen=most_noted)
        self._waits: deque[tuple[RequestRecord, WaitLabels, float]] = deque(maxlen=most_noted)
        self._blocks: deque[tuple[RequestRecord | None, Clocks]] = deque(maxlen=most_noted)
        self._executors: dict[int, tuple[ref[ThreadPoolExecutor], str]] = {}

    def forget_parent(self) -> None:
        """Start anew in a forked child, and set each gauge again: the library may not share the
        parent's values."""
        self._start_empty(MOST_NOTED)
        self._gauges = dict.fromkeys(self._gauges, nan)
        self._is_off = False

    def note_lag(self, lag_s: float) -> None:
        """Record a heartbeat's delay."""
        self._lags.append(lag_s)

    def note_wait(self, record: RequestRecord, labels: WaitLabels, wait_s: float) -> None:
        """Record the wait of an offloaded call."""
        self._waits.append((record, labels, wait_s))

    def note_block(self, record: RequestRecord | None, clocks: Clocks) -> None:
        """Record a block of the loop. record: None without a request."""
        self._blocks.append((record, clocks))

    def note_executor(self, executor: ThreadPoolExecutor, *, is_default: bool) -> None:
        """Include an executor in the number of waiting calls. is_default: it is known to be the
        loop's default executor; asyncio's own loop names the threads of that."""
        key = id(executor)
        if key not in self._executors:
            prefix = getattr(executor, "_thread_name_prefix", "")
            name = "default" if is_default or prefix == "asyncio" else "other"
            self._executors[key] = ref(executor, lambda _: self._executors.pop(key, None)), name

    def write(self, in_flight: Sequence[RequestRecord], samples: Iterable[LoopSample]) -> None:
        """Pass on what was recorded, and set the gauges. samples: of the loops that run. Without
        any, or after an error, gauges become 0: one that keeps its last value would look like a
        measurement."""
        if self._is_off:
            self._end_gauges()
            return
        try:
            self._write_lags()
            self._write_waits()
            self._write_blocks()
            found = add_up(list(samples))
            if found:
                found.update({**self._count_requests(in_flight), **self._count_waiting()})
            self._set_gauges(found)
        except Exception as error:  # of the metrics library: the probe goes on without it
            self._is_off = True
            self._start_empty(0)
            self._gauges = {(UP, ()): nan, **self._gauges}
            self._end_gauges()
            log.error("the probe's metrics are switched off: %r", error, exc_info=error)

    def _end_gauges(self) -> None:
        """Set the gauges to 0, those that the library refuses at the next call."""
        for key in list(self._gauges):
            with suppress(Exception):  # the one that switched metrics off is logged
                self._metrics.record(*key, 0.0)
                del self._gauges[key]

    def _write_lags(self) -> None:
        """A late heartbeat stands for those that it delayed, which would have been late as well."""
        for _ in range(len(self._lags)):
            lag_s = self._lags.popleft()
            for _ in range(MOST_MISSED):  # one at least
                self._metrics.record(LOOP_LAG, (), max(lag_s, 0.0))
                lag_s -= self._beat_s
                if lag_s <= 0:
                    break

    def _write_waits(self) -> None:
        for _ in range(len(self._waits)):
            record, labels, wait_s = self._waits.popleft()
            self._metrics.record(THREAD_WAIT, (self._find_route(record), *labels), wait_s)

    def _write_blocks(self) -> None:
        for _ in range(len(self._blocks)):
            record, clocks = self._blocks.popleft()
            route = NO_REQUEST if record is None else self._find_route(record)
            for cause, seconds in split_by_cause(clocks).items():
                if seconds > 0:
                    self._metrics.record(LOOP_BLOCKED, (route, cause), seconds)

    def _find_route(self, record: RequestRecord) -> str:
        route = find_whole_pattern(record.scope)
        if route is None:
            return UNKNOWN_ROUTE
        label = self._routes.get(route)
        if label is None:
            if len(self._routes) >= MOST_ROUTES:
                return OTHER_ROUTE
            label = self._routes[route] = CONVERTOR.sub(r"{\1}", route)
        return label

    def _count_requests(self, in_flight: Sequence[RequestRecord]) -> Gauges:
        """Count requests by route. One whose last part is sent is in its background tasks."""
        found: Gauges = {}
        for record in in_flight:
            kind = IN_FLIGHT if isnan(record.sent_s) else BACKGROUND
            key = kind, (self._find_route(record),)
            found[key] = found.get(key, 0.0) + 1.0
        return found

    def _count_waiting(self) -> Gauges:
        """Count the calls in the queues of executors that requests have used."""
        found: Gauges = {}
        for executor, name in list(self._executors.values()):
            queue = getattr(executor(), "_work_queue", None)
            if queue is not None:
                key = EXECUTOR_WAITING, (name,)
                found[key] = found.get(key, 0.0) + queue.qsize()
        return found

    def _set_gauges(self, found: Gauges) -> None:
        """Set the gauges that have changed; those without a value are 0."""
        for key in {**self._gauges, **found}:
            value = found.get(key, 0.0)
            if self._gauges.get(key) != value:
                self._gauges[key] = value
                self._metrics.record(*key, value)


feeds: WeakValueDictionary[int, MetricsFeed] = WeakValueDictionary()
"""By the id of its metrics library, which the feed keeps."""


def find_feed(metrics: Metrics) -> MetricsFeed:
    """Return the feed that all probes with these metrics share: each gauge has one writer."""
    feed = feeds.get(id(metrics))
    if feed is None:
        feed = feeds[id(metrics)] = MetricsFeed(metrics, read_beat_s())
    return feed


def count_tasks(loop: AbstractEventLoop) -> float:
    """Count a loop's tasks, from another thread; NaN if it creates them too fast to be counted."""
    try:
        return len(all_tasks(loop))
    except RuntimeError:
        return nan


def add_up(samples: Sequence[LoopSample]) -> Gauges:
    """Return the gauges of some loops: the oldest heartbeat, and sums of all others."""
    if not samples:
        return {}
    ages_s, tasks, *_ = zip(*samples)
    found: Gauges = {(UP, ()): 1.0, (HEARTBEAT_AGE, ()): max(ages_s), (LOOP_TASKS, ()): sum(tasks)}
    for each in samples:
        if not isnan(each.pool_tokens):
            for instrument, value in zip((POOL_TOKENS, POOL_BORROWED, POOL_WAITING), each[2:]):
                found[instrument, ()] = found.get((instrument, ()), 0.0) + value
    return found
