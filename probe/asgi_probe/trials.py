"""The change that an audit tries without editing the service. Each process applies it to its app,
and writes the outcome to its report."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable

from .attach_report import TRIAL_VARIABLE
from .offload_change import OffloadChange
from .pool_sizes import ExecutorChange, PoolChange
from .routes import App, Receive, Scope, Send
from .tried_change import TriedChange, Update

CHANGES: dict[str, Callable[..., TriedChange]] = {
    "pool": PoolChange,
    "executor": ExecutorChange,
    "offload": OffloadChange,
}
"""Changes by the key in the variable's JSON, such as {"pool": 100} or {"offload": "/report"}."""
log = logging.getLogger("probe")


def try_change(app: App, update: Update) -> App:
    """Return the app with the trial's change. update: the report's; it names an invalid trial."""
    trial = read_trial(os.environ[TRIAL_VARIABLE], update)
    return app if trial is None else wrap_tried_app(app, trial)


def read_trial(asked: str, update: Update) -> TriedChange | None:
    try:
        ((name, value),) = json.loads(asked).items()
        return CHANGES[name](value, update)
    except (ValueError, TypeError, AttributeError, KeyError):
        reason = f"the probe does not know the trial in {TRIAL_VARIABLE}={asked!r}"
        update(trial={"applied": False, "invalid": reason, "warnings": []})
        return None


def wrap_tried_app(app: App, trial: TriedChange) -> App:
    async def call_tried(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            trial.apply(asyncio.get_running_loop(), serves=scope["type"] != "lifespan")
        except Exception as error:  # the app must not be affected
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
    trial.reject(f"the probe cannot apply the change: {error!r}")
    log.error("the probe cannot apply the trial's change: %r", error, exc_info=error)
