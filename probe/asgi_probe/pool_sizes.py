"""Trials with another size of anyio's thread pool, or of asyncio's default executor."""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from .tried_change import TriedChange, Update

if TYPE_CHECKING:
    from anyio import CapacityLimiter


class PoolChange(TriedChange):
    """Change of the number of tokens of anyio's default limiter, in each loop of the app."""

    def __init__(self, tokens: int, update: Update) -> None:
        super().__init__("the service does not use anyio's thread pool", update)
        self.tokens = tokens
        self._serving: WeakKeyDictionary[AbstractEventLoop, CapacityLimiter] = WeakKeyDictionary()

    def apply(self, loop: AbstractEventLoop, *, serves: bool) -> None:
        if loop in self._serving:
            if self._serving[loop].total_tokens != self.tokens:
                self.reject("the app itself changes the size of anyio's pool while it serves")
        elif "anyio" in sys.modules:
            from anyio.to_thread import current_default_thread_limiter

            limiter = current_default_thread_limiter()
            limiter.total_tokens = self.tokens
            if serves:
                self._serving[loop] = limiter
            self.note_applied()


class ExecutorChange(TriedChange):
    """Change of the number of threads of the default executor, in each loop of the app."""

    def __init__(self, threads: int, update: Update) -> None:
        super().__init__("no request reached the app", update)
        self.threads = threads
        self._executors: WeakKeyDictionary[AbstractEventLoop, ThreadPoolExecutor]
        self._executors = WeakKeyDictionary()
        self._serving: WeakSet[AbstractEventLoop] = WeakSet()

    def apply(self, loop: AbstractEventLoop, *, serves: bool) -> None:
        executor = self._executors.get(loop)
        if executor is None:
            executor = self._executors[loop] = ThreadPoolExecutor(self.threads, "asyncio")
        if loop in self._serving:
            # other loops (uvloop) hide their executor
            if getattr(loop, "_default_executor", executor) is not executor:
                self.reject("the app itself sets the loop's default executor while it serves")
            return
        loop.set_default_executor(executor)
        if serves:
            self._serving.add(loop)
        self.note_applied()
