"""The interface of a client library; each one has a module here, `<library>_client.py`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import AbstractContextManager as Context
from dataclasses import dataclass
from importlib import import_module

from app.systems.environment import SettingsError

Reply = tuple[int, bytes]
"""Status and body."""
Get = Callable[[str, dict[str, str]], Reply]
"""Takes a URL and headers; blocks the thread until the response is complete."""
GetAsync = Callable[[str, dict[str, str]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a client. timeout_s: applies separately to the wait for a free connection, to
    connecting, and to the wait for the response. connections: the maximum open at once."""

    timeout_s: float
    connections: int


@dataclass(frozen=True, slots=True)
class Library:
    """A library's functions that open a blocking or an awaiting client (None: it has no such
    client), and the meaning of its errors. A client lives as long as its context."""

    errors: tuple[type[Exception], ...]
    """All errors that it raises when the upstream fails or times out."""
    is_timeout: Callable[[Exception], bool]
    open_blocking: Callable[[Limits], Context[Get]] | None = None
    open_awaiting: Callable[[Limits], AsyncContext[GetAsync]] | None = None


def load_library(name: str) -> Library:
    """Import only the library in use: the others would take memory in the app under study.
    Raises SettingsError if it is not installed."""
    try:
        found: Library = import_module(f"app.systems.clients.{name}_client").LIBRARY
    except ModuleNotFoundError as error:
        raise SettingsError(f"APP_CLIENT={name!r}: {error.name} is not installed") from error
    return found
