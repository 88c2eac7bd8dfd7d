"""The phases of an audit's load and their lengths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from random import Random

from scenarios.units import Second
from stress.audit.ask import Ask

ONE_USER_SHARE, USERS_SHARE = 0.2, 0.5
"""Fractions of the duration for each route alone: 2 s and 5 s of the default 10 s."""
ALONE_SHARE = 2.0
"""Limit for all routes alone together, in durations; each gets at least LEAST_ALONE_S."""
LEAST_ALONE_S: Second = 1.4


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """has_background: one more user requests the cheapest route at intervals."""

    name: str
    users: int
    asks: tuple[Ask, ...]
    length_s: Second
    has_background: bool = False

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.name for each in self.asks))

    @property
    def is_alone(self) -> bool:
        """True if the app handles one request at a time."""
        return self.users == 1 and not self.has_background


def plan_phases(asks: Sequence[Ask], users: int, duration_s: Second) -> tuple[PlannedPhase, ...]:
    """Plan each route alone with one user and with all users, then all routes together. Many routes
    shorten the phases with one route."""
    groups = group_by_route(asks)
    share = ONE_USER_SHARE + USERS_SHARE
    each_s = min(share * duration_s, max(LEAST_ALONE_S, ALONE_SHARE * duration_s / len(groups)))
    phases = []
    for name, group in groups.items():
        lengths_s = {1: each_s * ONE_USER_SHARE / share, users: each_s * USERS_SHARE / share}
        phases += [
            PlannedPhase(f"{name}, {format_users(count)}", count, group, length_s)
            for count, length_s in lengths_s.items()
        ]
    together = PlannedPhase(
        f"all routes, {format_users(users)}", users, tuple(asks), duration_s, has_background=True
    )
    return (*sorted(phases, key=lambda each: each.users), together)


def group_by_route(asks: Sequence[Ask]) -> Mapping[str, tuple[Ask, ...]]:
    groups: dict[str, list[Ask]] = {}
    for each in asks:
        groups.setdefault(each.name, []).append(each)
    return {name: tuple(group) for name, group in groups.items()}


def format_users(users: int) -> str:
    return "1 user" if users == 1 else f"{users} users"


def parse_users(phase: str) -> int:
    """Return the users in a phase's name; 1 for a name without any."""
    found = re.search(r", (\d+) users\Z", phase)
    return int(found[1]) if found else 1


def generate_asks(asks: Sequence[Ask], user: int) -> Iterator[Ask]:
    """Yield all requests in this user's own order, repeatedly and without end."""
    order = Random(user).sample(asks, len(asks))
    return chain.from_iterable(repeat(order))
