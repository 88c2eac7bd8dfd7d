"""gunicorn with uvicorn workers. It kills a worker without a heartbeat after --timeout."""

import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path

from records.cell import BY_GUNICORN
from records.server import ServerSettings
from scenarios.heartbeat import TICK_S, TICKS_A_LOOK
from scenarios.model import Server
from stress.server_words import StartedServer, read_assignments, read_options, read_words
from stress.servers import CONNECTION_KEPT_S, LogSigns, ServerAdapter, find_python

TIMED_OUT = re.compile(r"WORKER TIMEOUT \(pid:\s*(?P<pid>\d+)\)")
WORKER = r"Worker (?:\(pid:\s*|with pid )(?P<pid>\d+)\)? (?:was sent|was terminated due to) "
LOG_SIGNS: LogSigns = (
    (TIMED_OUT, "timeout"),
    (re.compile(rf"{WORKER}(?:SIGKILL\b|signal 9\b)"), "killed"),
    (re.compile(rf"{WORKER}(?:SIG(?:TERM|INT|QUIT|HUP)\b|signal (?:1|2|3|15)\b)"), "stopped"),
    (re.compile(rf"{WORKER}(?P<detail>SIG\w+|signal \d+)"), "signal"),
    (re.compile(r"Worker \(pid:\s*(?P<pid>\d+)\) exited with code (?P<detail>\d+)"), "exit"),
    (
        re.compile(r"\[(?P<pid>\d+)\] \[\w+\] (?:Maximum request limit of|Autorestarting worker)"),
        "recycled",
    ),
)
"""Messages of gunicorn 20 to 27, of its own worker and of the uvicorn worker."""
OPTIONS = {"timeout": ("-t", "--timeout"), "backlog": ("--backlog",), "config": ("-c", "--config")}
CONFIG_FILE = "gunicorn.conf.py"
DEFAULTS: Mapping[str, int | None] = {"timeout": 30, "backlog": 2048}
LOOK_S = TICKS_A_LOOK * TICK_S
"""Heartbeat interval of uvicorn's worker. gunicorn's own worker sends one per second."""


def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
    return (
        find_python(server), "-m", "gunicorn", "asgi_probe.entry:app",
        f"--config={Path(__file__).with_name('_gunicorn_conf.py')}",
        f"--bind={host}:{port}",
        f"--workers={server.workers}",
        f"--timeout={server.worker_timeout_s:.0f}",
        "--graceful-timeout=1",
        f"--keep-alive={CONNECTION_KEPT_S}",
        "--backlog=2048",
        *(() if server.access_log == "off" else ("--access-logfile=-",)),
    )  # fmt: skip


def build_environment(server: Server) -> Mapping[str, str]:
    return {"SERVER_LOOP": server.loop, "SERVER_HTTP": server.http}


def find_death_causes(log: str) -> Mapping[int, str]:
    return {int(pid): BY_GUNICORN for pid in TIMED_OUT.findall(log)}


def read_settings(started: StartedServer) -> ServerSettings:
    """Read the settings. The command overrides the variable, and the variable overrides the file. A
    value that is not a plain number in the file, or that a module of the app's gives, is unknown.
    """
    found = read_options(read_words(started.environment.get("GUNICORN_CMD_ARGS", "")), OPTIONS)
    found |= read_options(started.words, OPTIONS)
    config = found.pop("config", CONFIG_FILE)
    values: dict[str, int | None] = dict.fromkeys(DEFAULTS)
    if not config.startswith("python:"):
        file = started.folder / config.removeprefix("file:")
        values = dict(DEFAULTS) | read_assignments(file, DEFAULTS)
    values |= {name: int(text) for name, text in found.items() if text.isdecimal()}
    timeout_s = values["timeout"]
    return ServerSettings(
        timeout_s=timeout_s,
        heartbeat_every_s=measure_heartbeat_s(timeout_s, "with uvicorn" in started.served_by),
        backlog=values["backlog"],
    )


def measure_heartbeat_s(timeout_s: int | None, is_uvicorn: bool) -> float | None:
    """Return the heartbeat interval of a worker whose event loop is not blocked."""
    if not is_uvicorn or timeout_s is None:
        return None if is_uvicorn else LOOK_S
    return LOOK_S * max(1, ceil(timeout_s / 2 / LOOK_S))


ADAPTER = ServerAdapter(
    build_argv,
    build_environment,
    find_death_causes,
    log_signs=LOG_SIGNS,
    read_settings=read_settings,
    packages=("gunicorn", "uvicorn-worker"),
    variables=("GUNICORN_", "SERVER_"),
)
