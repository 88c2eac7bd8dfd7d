"""How each kind of server is started, and what it says of its workers: an adapter a file.

A module here that defines ADAPTER is a server; its file's name is the name that is typed. Nothing
else has to know it.
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
"""Servers keep idle connections longer than any client does: a server that closes first makes
failures that are nobody's finding."""


LogSigns = tuple[tuple[re.Pattern[str], EndReason], ...]
"""What a line of a server's output says of the end of a worker: groups `pid`, and `detail`."""


@dataclass(frozen=True, slots=True)
class ServerAdapter:
    """What is particular to one kind of server.

    build_argv: its command line, given host and port; raises UserError where it can't be had.
    build_environment: its own variables, beside those of the app.
    find_death_causes: from its log, by the pid of a worker, why it has ended that worker.
    log_signs: the first that a line shows counts. refusal_sign: of a request that it refused
      without calling the app.
    read_settings: of a server that the user starts.
    check_available: raises UserError, before anything runs, where it can't be started; False where
      it must be built first, which takes a while.
    build_program: builds it when its turn has come, where it must be; raises UserError,
      CellInterruptedError.
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
    """Whose versions belong into the manifest."""
    toolchain: str | None = None
    """What builds it, where it is built here."""
    variables: tuple[str, ...] = ()
    """How the names of the variables begin that would change it behind our back."""


def find_python(server: Server) -> str:
    """A virtual environment's is a link that must stay as it is."""
    return str(Path(server.python).expanduser().absolute()) if server.python else sys.executable


@cache
def load_adapters() -> Mapping[str, ServerAdapter]:
    """All that there are, by name."""
    names = [each.name for each in iter_modules([str(Path(__file__).parent)])]
    modules = {name: import_module(f"{__name__}.{name}") for name in names if name[0] != "_"}
    return {name: module.ADAPTER for name, module in modules.items()}


def find_adapter(kind: str) -> ServerAdapter:
    """Raises UserError for a name that no adapter has."""
    found = load_adapters().get(kind)
    if found is None:
        raise UserError(f"--server {kind}: no such server; there is {', '.join(load_adapters())}")
    return found
