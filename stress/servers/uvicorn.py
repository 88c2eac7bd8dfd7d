"""uvicorn with its own worker processes, which nobody watches."""

from scenarios.model import Server
from stress.servers import CONNECTION_KEPT_S, ServerAdapter, find_python


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
    """Serves any app as uvicorn does when nothing is asked of it. `main:create()` is a factory."""
    factory = ("--factory",) if target.endswith("()") else ()
    name = target.removesuffix("()")
    return python, "-m", "uvicorn", *factory, name, f"--host={host}", f"--port={port}"


ADAPTER = ServerAdapter(build_argv, packages=("uvicorn",), variables=("UVICORN_",))
