"""The limit of a warm-up, and whether it can be long enough to serve each user once."""

from dataclasses import dataclass

from scenarios.heartbeat import compute_blocking_s
from scenarios.model import THREADS_OF, Load, Scenario, Style
from scenarios.units import Second

WARM_UP_LIMIT_S: Second = 30.0
SHORTEST_ROUND_S: Second = 0.01
"""With shorter calls a user may miss several rounds of a blocked loop: the sum over rounds is then
no lower bound."""


@dataclass(frozen=True, slots=True)
class ServingPlaces:
    """Places that each serve one request at a time for `held_s`: `per_worker` in each of `workers`.

    accepts_one: the loop accepts one new connection per round.
    """

    workers: int
    per_worker: int
    held_s: Second
    accepts_one: bool = False

    def compute_turn_s(self, load: Load) -> Second:
        """Return a lower bound of the time from the end of the ramp until each user is served once
        more; everything else that a request needs comes on top.

        One request per user takes users × held_s / places. If a loop accepts one connection per
        round, round k serves at least k - 1 requests, so that all u users of a worker are served
        after u (u - 1) / 2 requests, counted from the first user.
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
    """Return None if a waiting request takes no other request's place, or if the number of places
    is unknown: the size of asyncio's executor depends on the server's machine."""
    if style == "async def that blocks":
        return ServingPlaces(workers, 1, held_s, accepts_one)
    if THREADS_OF.get(style) == "anyio's pool":
        return ServingPlaces(workers, pool, held_s)
    return None


def find_scenario_places(scenario: Scenario) -> ServingPlaces | None:
    """Return the places of a resolved scenario; None unless all its requests are alike and their
    responses come after the wait."""
    server, endpoint, client = scenario.server, scenario.endpoint, scenario.client
    unlike = scenario.rare is not None or endpoint.answers_first or not server.is_python
    if scenario.delay_s is None or unlike:
        return None
    held_s = compute_blocking_s(scenario.delay_s, client.timeout_s if client else None)
    uvloop = server.loop == "uvloop"
    return find_serving_places(endpoint.style, server.workers, server.pool, held_s, uvloop)
