"""How long a warm-up may last, and whether that can be enough to serve each user once."""

from dataclasses import dataclass

from scenarios.heartbeat import compute_blocking_s
from scenarios.model import THREADS_OF, Load, Scenario, Style
from scenarios.units import Second

WARM_UP_LIMIT_S: Second = 30.0
SHORTEST_ROUND_S: Second = 0.01
"""A user whose call is shorter may come too late for several rounds of a blocked loop, and then the
law of the rounds is no lower bound."""


@dataclass(frozen=True, slots=True)
class ServingPlaces:
    """What serves so many requests at a time, each for `held_s`: `per_worker` in each of `workers`.

    accepts_one: a loop that takes one new connection in each of its rounds.
    """

    workers: int
    per_worker: int
    held_s: Second
    accepts_one: bool = False

    def compute_turn_s(self, load: Load) -> Second:
        """The least time from the ramp's end until each user is served once more. Whatever else a
        request needs comes on top.

        All requests one after the other take users × held_s / places. Where a loop takes one
        connection a round, round k serves at least k - 1 requests, so that u users of a worker
        are all served after u (u - 1) / 2 of them, counted from the first user on.
        """
        users = load.users / self.workers
        turn_s = users * self.held_s / self.per_worker
        if not self.accepts_one or load.think_s or self.held_s < SHORTEST_ROUND_S:
            return turn_s
        return max(turn_s, self.held_s * users * (users - 1) / 2 - load.users / load.spawn_rate)

    def allows_warm_up(self, load: Load) -> bool:
        return load.is_open or self.compute_turn_s(load) <= WARM_UP_LIMIT_S


def find_serving_places(
    style: Style, workers: int, pool: int, held_s: Second, accepts_one: bool
) -> ServingPlaces | None:
    """None where a request that waits keeps no place of another, or where nobody knows how many
    there are: asyncio's executor has as many as the server's machine says."""
    if style == "async def that blocks":
        return ServingPlaces(workers, 1, held_s, accepts_one)
    if THREADS_OF.get(style) == "anyio's pool":
        return ServingPlaces(workers, pool, held_s)
    return None


def find_scenario_places(scenario: Scenario) -> ServingPlaces | None:
    """Of a resolved scenario, whose requests are all alike and answered after their wait."""
    server, endpoint, client = scenario.server, scenario.endpoint, scenario.client
    unlike = scenario.rare is not None or endpoint.answers_first or not server.is_python
    if scenario.delay_s is None or unlike:
        return None
    held_s = compute_blocking_s(scenario.delay_s, client.timeout_s if client else None)
    uvloop = server.loop == "uvloop"
    return find_serving_places(endpoint.style, server.workers, server.pool, held_s, uvloop)
