"""When gunicorn takes a worker for dead whose event loop is only blocked."""

from scenarios.units import Second


def compute_blocking_s(delay_s: Second, client_timeout_s: Second | None) -> Second:
    """How long one blocking call holds the loop: until the upstream answers, or the client gives
    up. None is a client without a timeout, or no client at all."""
    return delay_s if client_timeout_s is None else min(delay_s, client_timeout_s)


def exceeds_worker_timeout(
    users: int, workers: int, held_s: Second, worker_timeout_s: Second
) -> bool:
    """The heartbeat runs on the loop, which serves a worker's users one after the other: it is
    silent until all have had their turn. A timeout of 0 kills nobody."""
    return 0 < worker_timeout_s < users / workers * held_s
