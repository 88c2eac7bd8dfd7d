"""uvicorn with its own worker processes, whose event loops it does not monitor."""

import re

from records.server import ServerSettings
from scenarios.model import Server
from stress.server_words import StartedServer, read_options
from stress.servers import CONNECTION_KEPT_S, LogSigns, ServerAdapter, find_python

COLOUR = r"(?:\x1b\[\d+m)?"
LOG_SIGNS: LogSigns = ((re.compile(rf"Finished server process \[{COLOUR}(?P<pid>\d+)"), "stopped"),)
REFUSED = re.compile(r"Exceeded concurrency limit\.")
OPTIONS = {"limit": ("--limit-concurrency",), "backlog": ("--backlog",)}
VARIABLES = {"UVICORN_LIMIT_CONCURRENCY": "limit", "UVICORN_BACKLOG": "backlog"}
DEFAULT_BACKLOG = 2048


def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
    return (
        find_python(server), "-m", "uvicorn", "asgi_probe.entry:app",
        f"--host={host}",
        f"--port={port}",
        f"--workers={server.workers}",
        f"--loop={server.loop}",
        f"--http={server.http}",
        f"--timeout-keep-alive={CONNECTION_KEPT_S}",
        "--timeout-graceful-shutdown=1",
        "--backlog=2048",
        "--no-access-log" if server.access_log == "off" else "--access-log",
    )  # fmt: skip


def build_app_argv(python: str, target: str, host: str, port: int) -> tuple[str, ...]:
    """Build uvicorn's command for any app, with default settings. `main:create()` is a factory."""
    factory = ("--factory",) if target.endswith("()") else ()
    name = target.removesuffix("()")
    return python, "-m", "uvicorn", *factory, name, f"--host={host}", f"--port={port}"


def read_settings(started: StartedServer) -> ServerSettings:
    """Read the settings. The command overrides the variables."""
    found = {
        name: started.environment[variable]
        for variable, name in VARIABLES.items()
        if variable in started.environment
    } | read_options(started.words, OPTIONS)
    values = {name: int(text) for name, text in found.items() if text.isdecimal()}
    return ServerSettings(
        limit_concurrency=values.get("limit"), backlog=values.get("backlog", DEFAULT_BACKLOG)
    )


ADAPTER = ServerAdapter(
    build_argv,
    log_signs=LOG_SIGNS,
    refusal_sign=REFUSED,
    read_settings=read_settings,
    packages=("uvicorn",),
    variables=("UVICORN_",),
)
