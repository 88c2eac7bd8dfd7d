"""Records when tokens are requested, granted and released: those of anyio's limiters, and of
FastAPI's limits per dependency. In audits only."""

from __future__ import annotations

import functools
import sys
from asyncio import current_task
from collections.abc import Awaitable, Callable
from math import isnan
from weakref import WeakKeyDictionary

from .clocks import monotonic
from .handovers import Handover, log
from .limiter_names import find_limiter_name
from .queues import Queues
from .request_record import current

Acquire = Callable[..., Awaitable[None]]
Release = Callable[..., None]
Key = tuple[int, object]

limiters = Queues("limiter")
asking: dict[object, Handover] = {}
"""Maps a task to its offloaded call that requests a limiter's token next."""
waiting: dict[Key, Handover] = {}
"""Calls that wait for a token, by the limiter's id and the borrower."""
taken: dict[Key, list[Handover]] = {}
"""Tokens taken without a thread and not yet released. A task may hold several of one semaphore."""
limits: WeakKeyDictionary[object, int] = WeakKeyDictionary()
"""The number of tokens of each of FastAPI's semaphores."""


def instrument_limiters() -> None:
    """Wrap anyio's limiters, once per process, if the app uses anyio and its classes are known."""
    backend = sys.modules.get("anyio._backends._asyncio")
    limiter = getattr(backend, "CapacityLimiter", None)
    acquire = getattr(limiter, "acquire_on_behalf_of", None)
    release = getattr(limiter, "release_on_behalf_of", None)
    if limiter is None or acquire is None or release is None or hasattr(acquire, "probe_original"):
        return
    limiter.acquire_on_behalf_of = wrap_acquire(acquire)
    limiter.release_on_behalf_of = wrap_release(release)
    instrument_limits(getattr(backend, "Semaphore", None))


def instrument_limits(semaphore: type | None) -> None:
    """Wrap FastAPI's limits per dependency, if it has them as anyio semaphores."""
    limit = getattr(sys.modules.get("fastapi.concurrency"), "_DependencyConcurrency", None)
    get = getattr(limit, "get_semaphore", None)
    acquire, release = getattr(semaphore, "acquire", None), getattr(semaphore, "release", None)
    if limit is None or get is None or semaphore is None or acquire is None or release is None:
        return
    limit.get_semaphore = wrap_get_semaphore(get)
    semaphore.acquire = wrap_acquire_semaphore(acquire)  # type: ignore[attr-defined]
    semaphore.release = wrap_release_semaphore(release)  # type: ignore[attr-defined]


def name_queue(limiter: object, asker: str | None) -> str:
    """Name a limiter's queue; the default limiter of another loop has a queue of its own."""
    if limiter is log.default_limiter:
        return "anyio"
    queue = limiters.find(limiter)
    if queue is None:
        queue = limiters.add(limiter, asker, 0.0, lambda: find_limiter_name(limiter))
    return queue.name


def expect_token(handover: Handover) -> object:
    """Register a call whose token the running task requests next. Return the task, its key in
    `asking`."""
    task = find_task()
    asking[task] = handover
    return task


def find_task() -> object:
    try:
        return current_task()
    except RuntimeError:  # no asyncio loop runs in this thread
        return None


def ask_for_token(giver: object, capacity: float) -> Handover | None:
    """Record the request for a token without a thread; None outside an audit."""
    handover = log.ask(current.get(), "", depth=2)
    if handover is not None:
        handover.queue = name_queue(giver, handover.asker)
        handover.capacity = capacity
    return handover


def wrap_acquire(original: Acquire) -> Acquire:
    @functools.wraps(original)
    async def acquire_on_behalf_of(limiter: object, borrower: object) -> None:
        handover = asking.pop(borrower, None)
        total = limiter.total_tokens  # type: ignore[attr-defined]
        if handover is None:
            token = None if log.journal is None else ask_for_token(limiter, total)
            waits = token is not None and has_queue(limiter, total)
            key = (id(limiter), borrower)
            await take_token(token, key, original(limiter, borrower), waits=waits)
            return
        handover.capacity = total
        handover.queue = name_queue(limiter, handover.asker)
        if has_queue(limiter, total):
            await await_token(handover, (id(limiter), borrower), original(limiter, borrower))
            return
        await original(limiter, borrower)
        handover.granted_s = monotonic()

    acquire_on_behalf_of.probe_original = original  # type: ignore[attr-defined]
    return acquire_on_behalf_of


def has_queue(limiter: object, total: float) -> bool:
    """Return True if another borrower must wait."""
    return limiter.borrowed_tokens >= total or bool(getattr(limiter, "_wait_queue", None))  # type: ignore[attr-defined]


async def await_token(handover: Handover, key: Key, given: Awaitable[None]) -> None:
    handover.queued_s = monotonic()
    waiting[key] = handover
    try:
        await given
    finally:
        waiting.pop(key, None)  # the same borrower may wait twice
    if isnan(handover.granted_s):
        handover.granted_s = monotonic()


async def take_token(
    handover: Handover | None, key: Key, given: Awaitable[None], *, waits: bool
) -> None:
    """Take a token without a thread."""
    if handover is None:
        await given
        return
    try:
        if waits:
            await await_token(handover, key, given)
        else:
            await given
            handover.granted_s = monotonic()
    except BaseException:
        log.give_up(handover)
        raise
    taken.setdefault(key, []).append(handover)


def wrap_release(original: Release) -> Release:
    @functools.wraps(original)
    def release_on_behalf_of(limiter: object, borrower: object) -> None:
        waiters = getattr(limiter, "_wait_queue", None)
        first = next(iter(waiters), None) if waiters else None
        original(limiter, borrower)
        if taken:
            note_release((id(limiter), borrower))
        if waiters is not None and first is not None and first not in waiters:
            note_grant(waiting.get((id(limiter), first)))

    return release_on_behalf_of


def note_grant(handover: Handover | None) -> None:
    """Record when a waiter's token is granted; the loop may resume its task only later."""
    if handover is not None and isnan(handover.granted_s):
        handover.granted_s = monotonic()


def note_release(key: Key) -> None:
    handovers = taken.get(key)
    if handovers:
        log.close(handovers.pop())
        if not handovers:
            del taken[key]


def wrap_get_semaphore(original: Callable[[object], object]) -> Callable[[object], object]:
    @functools.wraps(original)
    def get_semaphore(limit: object) -> object:
        semaphore = original(limit)
        if log.journal is not None:
            limits[semaphore] = limit.max_concurrency  # type: ignore[attr-defined]
        return semaphore

    return get_semaphore


def wrap_acquire_semaphore(original: Acquire) -> Acquire:
    @functools.wraps(original)
    async def acquire(semaphore: object) -> None:
        total = limits.get(semaphore) if limits else None
        token = None if total is None else ask_for_token(semaphore, total)
        waits = semaphore.value <= 0  # type: ignore[attr-defined]
        key = (id(semaphore), find_task())
        await take_token(token, key, original(semaphore), waits=waits)

    return acquire


def wrap_release_semaphore(original: Release) -> Release:
    @functools.wraps(original)
    def release(semaphore: object) -> None:
        original(semaphore)
        if taken:
            note_release((id(semaphore), find_task()))

    return release
