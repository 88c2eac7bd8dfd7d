"""The user's own server, which is running already: not ours to start, end or settle."""

from scenarios.model import Server
from stress.servers import ServerAdapter


def build_argv(server: Server, host: str, port: int) -> tuple[str, ...]:
    raise AssertionError(f"{server.kind}: its owner has started it at {host}:{port}")


ADAPTER = ServerAdapter(build_argv)
