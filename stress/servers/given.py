"""The user's own running server, which the run neither starts, stops nor configures."""

from scenarios.model import Server
from stress.servers import ServerAdapter


def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
    raise AssertionError(f"{server.kind}: the user starts it, at {host}:{port}")


ADAPTER = ServerAdapter(build_argv)
