"""When gunicorn takes a worker with a blocked event loop for dead.

uvicorn's worker counts the ticks of its main loop, 0.1 s each. Every tenth tick it sends a
heartbeat, if half of the timeout has passed since the last one. A blocking call delays a tick, and
a loop with fewer than ten rounds per second ticks once per round.
"""

from scenarios.units import Second

TICK_S: Second = 0.1
TICKS_A_LOOK = 10


def compute_blocking_s(delay_s: Second, client_timeout_s: Second | None) -> Second:
    """Return how long one call blocks the loop: until the upstream responds or the client times
    out. A timeout of None: no client, or one without a timeout."""
    return delay_s if client_timeout_s is None else min(delay_s, client_timeout_s)


def exceeds_worker_timeout(
    users: int, workers: int, held_s: Second, worker_timeout_s: Second
) -> bool:
    """Return True if one round, one call for each user of a worker, takes longer than the timeout:
    then kills come in cycles, however short the run is. A timeout of 0 disables them."""
    return 0 < worker_timeout_s < users / workers * held_s


def delays_heartbeat(users: int, workers: int, held_s: Second, worker_timeout_s: Second) -> bool:
    """Return True if ten rounds take longer than the timeout: then a long enough run has kills. In
    some orders of events a tick takes two rounds: then half a round suffices (docs/methods.md)."""
    round_s = max(1.0, users / workers) * held_s
    return 0 < worker_timeout_s < TICKS_A_LOOK * max(TICK_S, round_s)
