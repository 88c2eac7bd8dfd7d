"""The change that an audit tries without editing the service. Each process makes it where the app
runs, and says in its report what became of it."""

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
"""By the key of the variable's JSON, such as {"pool": 100} or {"offload": "/report"}."""
log = logging.getLogger("probe")


def try_change(app: App, update: Update) -> App:
    """The app with the change that the process is asked for. update: of its report, where a wrong
    one is named."""
    trial = read_trial(os.environ[TRIAL_VARIABLE], update)
    return app if trial is None else wrap_tried_app(app, trial)


def read_trial(asked: str, update: Update) -> TriedChange | None:
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
