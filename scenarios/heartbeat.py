"""When gunicorn takes a worker for dead whose event loop is only blocked.

uvicorn's worker counts the ticks of its main loop, a tenth of a second each. At every tenth it
looks whether half of the timeout has passed since its last heartbeat, and gives one only then. A
block delays a tick, and a loop that goes round more slowly than ten times a second ticks once a
round.
"""

from scenarios.units import Second

TICK_S: Second = 0.1
TICKS_A_LOOK = 10


def compute_blocking_s(delay_s: Second, client_timeout_s: Second | None) -> Second:
    """How long one blocking call holds the loop: until the upstream answers, or the client gives
    up. None is a client without a timeout, or no client at all."""
    return delay_s if client_timeout_s is None else min(delay_s, client_timeout_s)


def exceeds_worker_timeout(
    users: int, workers: int, held_s: Second, worker_timeout_s: Second
) -> bool:
    """Whether one round, in which each of a worker's users has its turn, is longer than the
    timeout: then kills come in cycles, however short the run is. A timeout of 0 kills nobody."""
    return 0 < worker_timeout_s < users / workers * held_s


def delays_heartbeat(users: int, workers: int, held_s: Second, worker_timeout_s: Second) -> bool:
    """Whether ten rounds are, so that a run that lasts long enough has kills. In some orders of
    events a tick takes two rounds, and half of that suffices (docs/methods.md has measurements)."""
    round_s = max(1.0, users / workers) * held_s
    return 0 < worker_timeout_s < TICKS_A_LOOK * max(TICK_S, round_s)
