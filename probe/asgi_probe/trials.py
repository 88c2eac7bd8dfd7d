"""Changes that an audit tries without editing the service: the size of anyio's pool and that of
asyncio's default executor. Each process says in its report what became of them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from .routes import App, Receive, Scope, Send

if TYPE_CHECKING:
    from anyio import CapacityLimiter

TRIAL_VARIABLE = "ASGI_PROBE_TRIAL"
"""JSON: {"pool": 100} or {"executor": 64}."""
Update = Callable[..., None]
log = logging.getLogger("probe")


class Trial(ABC):
    """One change. `applied`: it was made. `invalid`: why it says nothing, or would if it was not
    made; a sentence for people. `warnings`: likewise, what may go wrong though it measures well."""

    def __init__(self, unused: str, update: Update) -> None:
        """unused: why it says nothing as long as it is not made. update: of the process's report;
        its `trial` is what became of it."""
        self.applied = False
        self.invalid: str | None = unused
        self.warnings: list[str] = []
        self._update = update
        self.write()

    @abstractmethod
    def apply(self, loop: asyncio.AbstractEventLoop, *, serves: bool) -> None:
        """Call on the loop for each scope. serves: it is a request, so the app's startup is over:
        what the app has set then gives way to the trial, what it sets later makes it invalid."""

    def note_applied(self) -> None:
        if not self.applied:
            self.applied, self.invalid = True, None
            self.write()

    def reject(self, reason: str) -> None:
        """The first reason stays."""
        if not self.applied or self.invalid is None:
            self.applied, self.invalid = True, reason
            self.write()

    def write(self) -> None:
        self._update(
            trial={"applied": self.applied, "invalid": self.invalid, "warnings": self.warnings}
        )


class PoolTrial(Trial):
    """anyio's default limiter has another number of tokens, in each loop that the app runs on."""

    def __init__(self, tokens: int, update: Update) -> None:
        super().__init__("The service does not use anyio's pool of threads.", update)
        self.tokens = tokens
        self._serving: WeakKeyDictionary[asyncio.AbstractEventLoop, CapacityLimiter] = (
            WeakKeyDictionary()
        )

    def apply(self, loop: asyncio.AbstractEventLoop, *, serves: bool) -> None:
        if loop in self._serving:
            if self._serving[loop].total_tokens != self.tokens:
                self.reject("The app sets the size of anyio's pool while it serves.")
        elif "anyio" in sys.modules:
            from anyio.to_thread import current_default_thread_limiter

            limiter = current_default_thread_limiter()
            limiter.total_tokens = self.tokens
            if serves:
                self._serving[loop] = limiter
            self.note_applied()


class ExecutorTrial(Trial):
    """The default executor of each loop that the app runs on has another number of threads."""

    def __init__(self, threads: int, update: Update) -> None:
        super().__init__("No request reached the app.", update)
        self.threads = threads
        self._executors: WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadPoolExecutor] = (
            WeakKeyDictionary()
        )
        self._serving: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def apply(self, loop: asyncio.AbstractEventLoop, *, serves: bool) -> None:
        executor = self._executors.get(loop)
        if executor is None:
            executor = self._executors[loop] = ThreadPoolExecutor(self.threads, "asyncio")
        if loop in self._serving:
            # a loop of another make (uvloop) keeps its executor to itself
            if getattr(loop, "_default_executor", executor) is not executor:
                self.reject("The app sets the loop's default executor while it serves.")
            return
        loop.set_default_executor(executor)
        if serves:
            self._serving.add(loop)
        self.note_applied()


def read_trial(update: Update) -> Trial | None:
    """The one that the process was asked for; None without one. A wrong one is in the report."""
    asked = os.environ.get(TRIAL_VARIABLE)
    if asked is None:
        return None
    try:
        ((name, value),) = json.loads(asked).items()
        return TRIALS[name](value, update)
    except (ValueError, TypeError, AttributeError, KeyError):
        reason = f"{TRIAL_VARIABLE} is {asked!r}, which the probe does not know."
        update(trial={"applied": False, "invalid": reason, "warnings": []})
        return None


TRIALS: dict[str, Callable[..., Trial]] = {"pool": PoolTrial, "executor": ExecutorTrial}


def wrap_tried_app(app: App, trial: Trial) -> App:
    def call_tried(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            trial.apply(asyncio.get_running_loop(), serves=scope["type"] != "lifespan")
        except Exception as error:  # whatever it is, the app must not notice
            trial.reject(f"The probe cannot make the change: {error!r}.")
            log.error("the probe cannot make the trial's change: %r", error, exc_info=error)
        return app(scope, receive, send)

    return call_tried
