"""Server adapters, one per file: how to start a server and how to read its log.

A module here that defines ADAPTER is a server, and the file's name is its name on the command line.
No other code needs to know it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from records.server import EndReason, ServerSettings
from scenarios.errors import UserError
from scenarios.model import Server
from stress.server_words import StartedServer

if TYPE_CHECKING:
    from stress.programs import BuildWatch

CONNECTION_KEPT_S = 600
"""Longer than any client keeps an idle connection: a server that closes one first would cause
failures that say nothing about the scenario."""


LogSigns = tuple[tuple[re.Pattern[str], EndReason], ...]
"""Patterns for the end of a worker in a server's output, with the groups `pid` and `detail`."""


@dataclass(frozen=True, slots=True)
class ServerAdapter:
    """The specifics of one kind of server.

    build_argv: its command line, given host and port; raises UserError if it is not available.
    build_environment: its own variables, in addition to those of the app.
    find_death_causes: maps the pids of killed workers to the reasons in its log.
    log_signs: the first pattern that matches a line counts. refusal_sign: matches a request that
      it refused without calling the app.
    read_settings: of a server that the user starts.
    check_available: raises UserError, before the run, if it cannot be started; returns False if it
      must be built first, which takes a while.
    build_program: builds it if needed; raises UserError, CellInterruptedError.
    """

    build_argv: Callable[[Server, str, int], tuple[str, ...]]
    build_environment: Callable[[Server], Mapping[str, str]] = lambda _: {}
    find_death_causes: Callable[[str], Mapping[int, str]] = lambda _: {}
    log_signs: LogSigns = ()
    refusal_sign: re.Pattern[str] | None = None
    read_settings: Callable[[StartedServer], ServerSettings] | None = None
    check_available: Callable[[], bool] = lambda: True
    build_program: "Callable[[BuildWatch], object]" = lambda _: None
    packages: tuple[str, ...] = ()
    """Packages whose versions the manifest lists."""
    toolchain: str | None = None
    """The tool that builds it, if it is built here."""
    variables: tuple[str, ...] = ()
    """Prefixes of variables that would change it unnoticed."""


def find_python(server: Server) -> str:
    """Return the Python's path, unresolved: a virtual environment's Python is a link."""
    return str(Path(server.python).expanduser().absolute()) if server.python else sys.executable


@cache
def load_adapters() -> Mapping[str, ServerAdapter]:
    """Return all adapters by name."""
    names = [each.name for each in iter_modules([str(Path(__file__).parent)])]
    modules = {name: import_module(f"{__name__}.{name}") for name in names if name[0] != "_"}
    return {name: module.ADAPTER for name, module in modules.items()}


def find_adapter(kind: str) -> ServerAdapter:
    """Return the adapter. Raises UserError for an unknown name."""
    found = load_adapters().get(kind)
    if found is None:
        raise UserError(
            f"--server {kind}: unknown server; choose one of {', '.join(load_adapters())}"
        )
    return found
