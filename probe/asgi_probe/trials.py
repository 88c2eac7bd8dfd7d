"""The change that an audit tries without editing the service. Each process makes it where the app
runs, and says in its report what became of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable

from .offload_change import OffloadChange
from .pool_sizes import ExecutorChange, PoolChange
from .routes import App, Receive, Scope, Send
from .tried_change import TriedChange, Update

TRIAL_VARIABLE = "ASGI_PROBE_TRIAL"
"""JSON: {"pool": 100}, {"executor": 64} or {"offload": "/report"}."""
CHANGES: dict[str, Callable[..., TriedChange]] = {
    "pool": PoolChange,
    "executor": ExecutorChange,
    "offload": OffloadChange,
}
log = logging.getLogger("probe")


def read_trial(update: Update) -> TriedChange | None:
    """The one that the process was asked for; None without one. A wrong one is in the report."""
    asked = os.environ.get(TRIAL_VARIABLE)
    if asked is None:
        return None
    try:
        ((name, value),) = json.loads(asked).items()
        return CHANGES[name](value, update)
    except (ValueError, TypeError, AttributeError, KeyError):
        reason = f"{TRIAL_VARIABLE} is {asked!r}, which the probe does not know"
        update(trial={"applied": False, "invalid": reason, "warnings": []})
        return None


def wrap_tried_app(app: App, trial: TriedChange) -> App:
    async def call_tried(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            trial.apply(asyncio.get_running_loop(), serves=scope["type"] != "lifespan")
        except Exception as error:  # whatever it is, the app must not notice
            note_fault(trial, error)
        try:
            await app(scope, receive, send)
        finally:
            try:
                trial.look_back(scope)
            except Exception as error:
                note_fault(trial, error)

    return call_tried


def note_fault(trial: TriedChange, error: Exception) -> None:
    trial.reject(f"the probe cannot make the change: {error!r}")
    log.error("the probe cannot make the trial's change: %r", error, exc_info=error)
