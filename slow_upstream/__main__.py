"""`python -m slow_upstream`: opens the socket and runs the application until SIGTERM or SIGINT."""

import contextlib
import json
import os
import resource
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from errno import EADDRINUSE
from pathlib import Path
from types import FrameType

import uvicorn

from slow_upstream.app import SlowUpstream
from slow_upstream.checks import (
    CANNOT_RUN_HERE,
    Options,
    SlowUpstreamError,
    parse_options,
    quote_value,
)
from slow_upstream.delays import ResponsePlanner
from slow_upstream.ledger import RequestLog, UpstreamCounters

BACKLOG = 4096
# Longer than any client keeps an idle connection, so that the server never closes one first.
KEEP_ALIVE_S = 600


def listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SlowUpstreamError(
            f"--host: {quote_value(host, 200)} is not an address: {error}"
        ) from None
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it; asyncio and uvloop set it too.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        # With SO_REUSEADDR, two sockets may bind to one port; only listen() fails.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == EADDRINUSE:
            raise SlowUpstreamError(
                f"--port: {port} on {host} is taken; stop its owner or give another, 0 picks one",
                CANNOT_RUN_HERE,
            ) from None
        raise SlowUpstreamError(
            f"--host {quote_value(host, 200)} --port {port}: {error.strerror}"
        ) from None
    return listener


def raise_file_limit() -> None:
    """Raise the soft limit, usually 1024: thousands of waits need thousands of sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says "infinity" and then refuses more than 10240.
    wanted = max(soft, 10_240) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        print("slow-upstream: cannot raise the file descriptor limit", file=sys.stderr)


def announce(line: object) -> None:
    """Write one JSON line to stdout, unbuffered. Ignore a reader that has gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(line).encode() + b"\n")


class QuickServer(uvicorn.Server):
    """A uvicorn server that exits at once with code 0, even with requests in flight."""

    def __init__(
        self, app: SlowUpstream, counters: UpstreamCounters, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="auto",
                http="auto",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=1,
            )
        )
        self.counters = counters
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # uvicorn's handler raises the signal again at the end, which would not exit with code 0.
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        # uvicorn ticks every 0.1 s.
        self.counters.flush()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # First close the counters: a connection that is closed looks like a client that left.
        self.counters.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = parse_options(argv)
        # Before the log, so that a second start on a taken port does not empty the first log.
        listener = listen(options.host, options.port)
        log = open_log(options.log)
    except SlowUpstreamError as problem:
        print(f"slow-upstream: {problem}", file=sys.stderr)
        return problem.exit_code
    raise_file_limit()
    serve(options, listener, UpstreamCounters(log))
    return 0


def open_log(path: str | None) -> RequestLog | None:
    if path is None:
        return None
    try:
        return RequestLog(Path(path).open("wb", buffering=0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SlowUpstreamError(f"--log: cannot write {quote_value(path, 200)}: {reason}") from None


def serve(options: Options, listener: socket.socket, counters: UpstreamCounters) -> None:
    host, port = listener.getsockname()[:2]
    ready = {
        "listening": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "port": port,
        "pid": os.getpid(),
        "implementation": "python",
    }
    planner = ResponsePlanner(options.distribution, options.seed, options.error_rate)
    app = SlowUpstream(planner, counters, options.default_ms)
    QuickServer(app, counters, lambda: announce(ready)).run(sockets=[listener])
    announce({"stats": asdict(counters.take_snapshot())})


if __name__ == "__main__":
    sys.exit(main())
