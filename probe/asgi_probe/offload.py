"""Runs an `async def` endpoint that awaits nothing in a thread of anyio's pool, as FastAPI and
Starlette would if it were a `def`."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import NamedTuple, Protocol, cast

from .routes import Scope

Call = Callable[..., Awaitable[object]]
Given = tuple[tuple[object, ...], dict[str, object]]
MISSING = object()


class Offload(Protocol):
    """What runs the endpoint of one route in threads. `note_run` and `note_failure` are called in
    the thread."""

    def matches(self, scope: Scope) -> bool: ...

    def note_run(self, function: Call) -> None: ...

    def note_failure(self, error: BaseException) -> None: ...


offloads: list[Offload] = []
"""The one of this process, once its app is served."""


def find_offload(scope: Scope) -> Offload | None:
    return next((each for each in offloads if each.matches(scope)), None)


class EndpointOutcome(NamedTuple):
    """How a call ended in its thread, and its context before and after."""

    value: object
    error: BaseException | None
    before: Context
    after: Context


async def run_in_pool(
    offload: Offload, function: Call, /, *args: object, **named: object
) -> object:
    """What the endpoint returns or raises. What it sets in its context is set here too."""
    from anyio import to_thread

    # named as FastAPI names it: the probe sees by it that the thread runs the endpoint
    step = functools.partial(drive, offload, function=function, given=(args, named))
    outcome = cast(EndpointOutcome, await to_thread.run_sync(step))
    for variable in outcome.after:
        restore(variable, outcome)
    if outcome.error is None:
        return outcome.value
    try:
        raise outcome.error
    finally:
        del outcome  # the error's traceback has this frame


def restore(variable: ContextVar[object], outcome: EndpointOutcome) -> None:
    value = outcome.after[variable]
    if outcome.before.get(variable, MISSING) is not value:
        variable.set(value)


def drive(offload: Offload, *, function: Call, given: Given) -> EndpointOutcome:
    """Call in the thread."""
    before, value = copy_context(), None
    error: BaseException | None = None
    offload.note_run(function)
    try:
        coroutine = cast("Coroutine[object, None, object]", function(*given[0], **given[1]))
        coroutine.send(None)
        coroutine.close()
        raise RuntimeError("the endpoint waits for the event loop, in a thread")
    except StopIteration as end:
        value = end.value
    except BaseException as raised:  # the endpoint's own: the framework answers it
        offload.note_failure(raised)
        error = raised
    try:
        return EndpointOutcome(value, error, before, copy_context())
    finally:
        error = None  # its traceback has this frame
