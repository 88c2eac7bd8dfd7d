"""Stands in for nest_asyncio: a loop that runs inside one of its own handles. Needs only the
standard library, so that an inner run of pytest can import a copy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from heapq import heappop
from selectors import BaseSelector
from typing import Any, TypeVar

T = TypeVar("T")


class ReentrantLoop(asyncio.SelectorEventLoop):
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _selector: BaseSelector
    _stopping: bool
    _process_events: Callable[[object], None]

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        if not self.is_running():
            return super().run_until_complete(future)
        assert not isinstance(future, Generator)
        outer, inner = asyncio.current_task(self), asyncio.ensure_future(future, loop=self)
        assert outer is not None
        asyncio.tasks._leave_task(self, outer)
        try:
            while not inner.done():
                self._run_once()
        finally:
            asyncio.tasks._enter_task(self, outer)
        return inner.result()

    def _run_once(self) -> None:
        """As in asyncio, but an inner run may leave nothing ready."""
        timers, wait_s = self._scheduled, None
        if self._ready or self._stopping:
            wait_s = 0.0
        elif timers:
            wait_s = max(0.0, timers[0].when() - self.time())
        self._process_events(self._selector.select(wait_s))
        while timers and timers[0].when() <= self.time():
            self._ready.append(heappop(timers))
        for _ in range(len(self._ready)):
            handle = self._ready.popleft() if self._ready else None
            if handle is not None and not handle.cancelled():
                handle._run()
