"""gunicorn, whose workers are uvicorn's: it ends one whose loop was silent too long."""

import re
from collections.abc import Mapping
from pathlib import Path

from scenarios.model import Server
from stress.servers import CONNECTION_KEPT_S, ServerAdapter, find_python

TIMED_OUT = re.compile(r"WORKER TIMEOUT \(pid:\s*(\d+)\)")


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
    cause = "killed by gunicorn: its loop was silent too long"
    return {int(pid): cause for pid in TIMED_OUT.findall(log)}


ADAPTER = ServerAdapter(
    build_argv,
    build_environment,
    find_death_causes,
    packages=("gunicorn", "uvicorn-worker"),
    variables=("GUNICORN_", "SERVER_"),
)
