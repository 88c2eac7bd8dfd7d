"""What the specimen asks of a client library: a module here for each, `<library>_client.py`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import AbstractContextManager as Context
from dataclasses import dataclass
from importlib import import_module

from app.systems.environment import SettingsError

Reply = tuple[int, bytes]
"""Status and body."""
Get = Callable[[str, dict[str, str]], Reply]
"""Of an address and headers; blocks the thread until the reply is complete."""
GetAsync = Callable[[str, dict[str, str]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout_s: of the wait for a free connection, of connecting, and of the wait for the answer,
    each. connections: the most that a client has open at once."""

    timeout_s: float
    connections: int


@dataclass(frozen=True, slots=True)
class Library:
    """The forms that a library has, None where it lacks one, and what its errors mean. A client
    lives as long as its context."""

    errors: tuple[type[Exception], ...]
    """All that it raises where the upstream is at fault, or too late."""
    is_timeout: Callable[[Exception], bool]
    open_blocking: Callable[[Limits], Context[Get]] | None = None
    open_awaiting: Callable[[Limits], AsyncContext[GetAsync]] | None = None


def load_library(name: str) -> Library:
    """Only the one that is used: the others' modules would take memory in the app under study.
    Raises SettingsError where it is not installed."""
    try:
        found: Library = import_module(f"app.systems.clients.{name}_client").LIBRARY
    except ModuleNotFoundError as error:
        raise SettingsError(f"APP_CLIENT={name!r}: {error.name} is not installed") from error
    return found
