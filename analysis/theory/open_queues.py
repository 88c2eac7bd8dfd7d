"""Open queues: requests arrive whether or not others were answered.

Load is in erlangs: arrivals a second × seconds of service, the mean number of busy servers.
"""

from scenarios.units import Second


def compute_erlang_c(load: float, servers: int) -> float | None:
    """The share of Poisson arrivals that find all servers busy and wait (M/M/c).

    A. K. Erlang, 1917. By the recursion of the loss formula, which neither overflows nor
    cancels. None where there is no steady state: load >= servers.
    """
    if load >= servers:
        return None
    lost = 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    busy = load / servers
    return lost / (1 - busy * (1 - lost))


def estimate_mgc_wait_s(
    rate_per_s: float, service_mean_s: Second, service_scv: float, servers: int
) -> Second | None:
    """Mean wait for a server, service itself not included, with Poisson arrivals.

    `service_scv` is the squared coefficient of variation of the service time: variance over
    squared mean, 0 for a constant, 1 for exponential. Allen and Cunneen's approximation
    (A. O. Allen, Probability, Statistics, and Queueing Theory, 2nd ed., 1990); exact for M/M/c,
    and for M/G/1, where it is Pollaczek and Khinchine's. None where there is no steady state.
    """
    if service_mean_s == 0:
        return 0.0
    waiting = compute_erlang_c(rate_per_s * service_mean_s, servers)
    if waiting is None:
        return None
    spare_per_s = servers / service_mean_s - rate_per_s
    return waiting / spare_per_s * (1 + service_scv) / 2
