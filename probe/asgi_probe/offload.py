"""Runs an `async def` endpoint without an await in a thread of anyio's pool, as FastAPI and
Starlette run a `def`."""

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
    """A change that runs one route's endpoint in threads. `note_run` and `note_failure` are called
    in the thread."""

    def matches(self, scope: Scope) -> bool: ...

    def note_run(self, function: Call) -> None: ...

    def note_failure(self, error: BaseException) -> None: ...


offloads: list[Offload] = []
"""The offload of this process, once its app serves requests."""


def find_offload(scope: Scope) -> Offload | None:
    return next((each for each in offloads if each.matches(scope)), None)


class EndpointOutcome(NamedTuple):
    """The result of a call in its thread, and its context before and after."""

    value: object
    error: BaseException | None
    before: Context
    after: Context


async def run_in_pool(
    offload: Offload, function: Call, /, *args: object, **named: object
) -> object:
    """Return or raise what the endpoint does, and copy the context variables that it sets."""
    from anyio import to_thread

    # FastAPI's keyword `function`: is_endpoint_call recognizes the endpoint by it
    step = functools.partial(drive, offload, function=function, given=(args, named))
    outcome = cast(EndpointOutcome, await to_thread.run_sync(step))
    for variable in outcome.after:
        restore(variable, outcome)
    if outcome.error is None:
        return outcome.value
    try:
        raise outcome.error
    finally:
        del outcome  # breaks a cycle: the error's traceback refers to this frame


def restore(variable: ContextVar[object], outcome: EndpointOutcome) -> None:
    value = outcome.after[variable]
    if outcome.before.get(variable, MISSING) is not value:
        variable.set(value)


def drive(offload: Offload, *, function: Call, given: Given) -> EndpointOutcome:
    """Run the endpoint's coroutine to its end. Call in the thread."""
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
    except BaseException as raised:  # the endpoint's own error: the framework handles it
        offload.note_failure(raised)
        error = raised
    try:
        return EndpointOutcome(value, error, before, copy_context())
    finally:
        error = None  # breaks a cycle: its traceback refers to this frame
