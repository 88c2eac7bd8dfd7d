"""Selects the scenarios that this machine can run; the others are left out with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from scenarios.errors import UserError
from scenarios.model import Scenario, ServerKind
from stress.extras import check_client_library, check_extra
from stress.interpreter import check_interpreter
from stress.servers import find_adapter
from study.messages import print_message

Peers = Literal["all", "built", "none"]
"""The compiled servers that take part; "built": those that are compiled already."""
NO_PEERS = "--no-peers leaves compiled servers out"
NOT_BUILT = "not built yet; a run without --quick builds the server, which takes some minutes"


@dataclass(frozen=True, slots=True)
class Selection:
    """unbuilt: names of the scenarios whose server must be built first."""

    scenarios: tuple[Scenario, ...]
    unbuilt: frozenset[str] = field(default_factory=frozenset)


def select_possible(scenarios: Sequence[Scenario], peers: Peers = "all") -> Selection:
    """Print one line for each reason to leave scenarios out. Raises UserError if none is left."""
    missing = {each.name: reason for each in scenarios if (reason := find_obstacle(each, peers))}
    left = tuple(each for each in scenarios if each.name not in missing)
    unbuilt = frozenset(each.name for each in left if not is_ready(each.server.kind))
    if peers == "built" and any(each.name not in unbuilt for each in left):
        missing |= dict.fromkeys(unbuilt, UserError(NOT_BUILT))
        left = tuple(each for each in left if each.name not in unbuilt)
        unbuilt = frozenset()
    if not left:
        raise next(iter(missing.values()))
    print_left_out(missing)
    return Selection(left, unbuilt)


def find_obstacle(scenario: Scenario, peers: Peers) -> UserError | None:
    if peers == "none" and scenario.server.is_compiled:
        return UserError(NO_PEERS)
    try:
        is_ready(scenario.server.kind)
        if scenario.server.python:
            check_interpreter(scenario.server)
        if scenario.database is not None:
            check_extra("database", "a scenario with a database")
        if scenario.client is not None and scenario.server.is_python:
            check_client_library(scenario.client.library)
    except UserError as problem:
        return problem
    return None


@cache
def is_ready(server: ServerKind) -> bool:
    """Return True if the server needs no build. Raises UserError if it cannot start at all."""
    return find_adapter(server).check_available()


def print_left_out(missing: Mapping[str, UserError]) -> None:
    for reason in dict.fromkeys(map(str, missing.values())):
        skipped = ", ".join(name for name, each in missing.items() if str(each) == reason)
        print_message(f"left out {skipped}: {reason}")
