"""Replaces what a scenario leaves undecided by what the machine offers."""

from dataclasses import dataclass, replace

from scenarios.model import AS_USERS, NEVER_BINDS, Scenario


@dataclass(frozen=True, slots=True)
class MachineResources:
    """The optional software of the machine, which decides what "auto" means."""

    uvloop: bool
    httptools: bool
    go: bool


def resolve_scenario(scenario: Scenario, available: MachineResources) -> Scenario:
    """Replace every "auto" and every "as many as users" by a definite value."""
    server, client, upstream = scenario.server, scenario.client, scenario.upstream
    users = scenario.load.users
    if server.loop == "auto":
        server = replace(server, loop="uvloop" if available.uvloop else "asyncio")
    if server.http == "auto":
        server = replace(server, http="httptools" if available.httptools else "h11")
    if server.pool == AS_USERS:
        server = replace(server, pool=users)
    if client is not None and client.connections == AS_USERS:
        client = replace(client, connections=NEVER_BINDS if scenario.load.is_open else users)
    if upstream is not None and upstream.kind == "auto":
        upstream = replace(upstream, kind="go" if available.go else "python")
    return replace(scenario, server=server, client=client, upstream=upstream)
