"""Times the waits for a token of anyio's limiters, and what the pool's threads do meanwhile."""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from functools import partial
from math import inf, nan
from types import FrameType
from typing import NamedTuple

from asgi_probe.clocks import monotonic
from asgi_probe.limiters import Acquire, has_queue
from asgi_probe.pool_calls import PoolCall
from asgi_probe.request_record import RequestRecord, classify_thread, current
from asgi_probe.stacks import SeenFrame, read_stack
from asgi_probe.waits import describe_wait, is_idle

BACKEND = "anyio._backends._asyncio"
RUN_SYNC = "run_sync_in_worker_thread"
MOST_FRAMES = 100
MOST_WAITS = 1_000


class BusyThread(NamedTuple):
    """waits_for: such as "QueuePool of 10"; None if it is unknown, or the thread does not wait."""

    stack: list[SeenFrame]
    waits_for: str | None


class TokenWait:
    """call: the function that waits for a thread. busy: the pool's threads at half of the maximum;
    None before."""

    ended_s = nan
    busy: list[BusyThread] | None = None

    def __init__(self, total: float, call: str, record: RequestRecord | None) -> None:
        self.total = total
        self.call = call
        self.record = record
        self.asked_s = monotonic()

    def measure(self) -> float:
        """Return the seconds so far."""
        return (monotonic() if self.ended_s != self.ended_s else self.ended_s) - self.asked_s


class TokenWaits:
    """All waits of the process. least_s: infinite while no test asks."""

    def __init__(self) -> None:
        self.least_s = inf
        self._waiting: dict[TokenWait, None] = {}
        self._ended: deque[TokenWait] = deque(maxlen=MOST_WAITS)

    def instrument(self) -> None:
        """Wrap anyio's limiter, once per process, if the tests have imported it."""
        limiter = getattr(sys.modules.get(BACKEND), "CapacityLimiter", None)
        acquire = getattr(limiter, "acquire_on_behalf_of", None)
        if limiter is not None and acquire is not None and not hasattr(acquire, "tests_original"):
            limiter.acquire_on_behalf_of = self._wrap(acquire)

    def _wrap(self, original: Acquire) -> Acquire:
        @functools.wraps(original)
        async def acquire_on_behalf_of(limiter: object, borrower: object) -> None:
            total: float = limiter.total_tokens  # type: ignore[attr-defined]
            if self.least_s == inf or not has_queue(limiter, total):
                await original(limiter, borrower)
                return
            wait = TokenWait(total, find_call(sys._getframe()), current.get())
            self._waiting[wait] = None
            try:
                await original(limiter, borrower)
            finally:
                wait.ended_s = monotonic()
                del self._waiting[wait]
                if wait.measure() > self.least_s:
                    self._ended.append(wait)

        acquire_on_behalf_of.tests_original = original  # type: ignore[attr-defined]
        return acquire_on_behalf_of

    def take(self, max_s: float, since_s: float) -> list[TokenWait]:
        """Take the waits that began since a time and were longer than max_s, unfinished ones
        included."""
        every = [self._ended.popleft() for _ in range(len(self._ended))]
        every = [each for each in [*every, *list(self._waiting)] if each.asked_s >= since_s]
        return [each for each in every if each.measure() > max_s]

    def look(self) -> None:
        """Read the stacks of the pool's threads once a wait is long. For the sampler's thread."""
        for wait in list(self._waiting):
            if not wait.busy and wait.measure() > self.least_s / 2:
                wait.busy = list_busy_threads()


token_waits = TokenWaits()
"""One for the process, since the wrapper stays."""


def list_busy_threads() -> list[BusyThread]:
    busy = []
    for thread in threading.enumerate():
        if classify_thread(thread) == "anyio-worker" and thread.ident is not None:
            stack = read_stack(thread.ident)
            if stack and not is_idle(stack):
                busy.append(BusyThread(stack, describe_wait(thread.ident, stack)))
    return busy


def find_call(frame: FrameType | None) -> str:
    """Return "module.function" of what anyio shall run in a thread; "a token" if no call is known,
    as for `async with limiter`. frame: innermost one of the task that asks."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        if frame.f_code.co_name == RUN_SYNC:
            return name_call(frame.f_locals.get("func"))
        frame = frame.f_back
    return "a token"


def name_call(function: object) -> str:
    while isinstance(function, (partial, PoolCall)):
        if isinstance(function, PoolCall):
            function = function.function
        else:  # FastAPI passes the endpoint as `function`
            function = function.keywords.get("function", function.func)
    try:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"{getattr(function, '__module__', None)}.{name}".replace("<locals>.", "")
    except Exception:  # a proxy may do anything
        return type(function).__qualname__
