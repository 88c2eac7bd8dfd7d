"""Predictions for requests that arrive whether or not others were answered."""

import math
from dataclasses import replace

from analysis.theory.combine import FormulaPrediction, combine_predictions
from analysis.theory.formulas import find_bottleneck
from analysis.theory.model import ServerModel
from analysis.theory.networks import compute_highest_rps
from analysis.theory.simulation import MOST_REQUESTS, simulate
from analysis.theory.users import OpenLoad
from records.prediction import Prediction
from scenarios.model import Load
from scenarios.units import Second


def predict_open_loop(model: ServerModel, load: Load, rate: float) -> Prediction:
    """Below capacity the rate is served. Beyond it the latencies have no steady state, and none
    is given, unless clients that give up bound them.

    Random arrivals: the mean of queues in a row, each as if by itself. Constant ones have no
    such formula (what leaves one queue is no longer constant when it comes to the next, and not
    random either): the simulation's mean.

    Simulated with the phases of a real run, the warm-up cut where it would take more than half of
    what may be simulated.
    """
    tightest = find_bottleneck(model)
    ceiling = model.workers * compute_highest_rps(tightest)
    below = rate < ceiling
    random = load.arrivals == "poisson" and model.rare is None and not model.answers_first
    formula = FormulaPrediction(
        ok_rps=min(rate, ceiling),
        mean_s=estimate_poisson_mean_s(model, rate / model.workers) if below and random else None,
        ceiling_rps=ceiling if math.isfinite(ceiling) else None,
        limited_by="arrivals" if below else tightest.name,
    )
    warm_up_s = min(3 * model.delay_s + 2, MOST_REQUESTS / 2 / rate)
    shown = simulate(model, OpenLoad(rate, load.arrivals), warm_up_s, load.duration_s)
    found = combine_predictions(formula, shown)
    if below or shown.failures > 0:
        return found
    return replace(found, mean_ms=None, median_ms=None, p99_ms=None)


def estimate_poisson_mean_s(model: ServerModel, rate: float) -> Second | None:
    """Of one worker: CPU and delay, and the waits for the interpreter, for a connection and for a
    pool's token. None beyond capacity.

    Arrivals dealt out to workers at random stay random, and so do those that leave a queue with
    random service (P. J. Burke, Operations Research 4, 1956).
    """
    cpu_s, held_s = model.loop_cpu_s, model.undisturbed_s
    if model.blocks:
        return add_queue_wait_s(rate, held_s, cpu_s, 1)
    cpu_wait_s = estimate_mgc_wait_s(rate, cpu_s, 1.0, 1)
    connection_wait_s = (
        0.0
        if model.connections is None
        else estimate_mgc_wait_s(rate, model.delay_s, 0.0, model.connections)
    )
    if cpu_wait_s is None or connection_wait_s is None:
        return None
    inside_s = cpu_wait_s + connection_wait_s + held_s
    return add_queue_wait_s(rate, inside_s, cpu_s, model.pool) if model.needs_tokens else inside_s


def add_queue_wait_s(rate: float, service_s: Second, cpu_s: Second, servers: int) -> Second | None:
    """Service, and the wait for one of its servers. Of the service only the CPU's part varies: its
    two random halves have half of one exponential's variance."""
    scv = cpu_s**2 / 2 / service_s**2 if service_s > 0 else 0.0
    wait_s = estimate_mgc_wait_s(rate, service_s, scv, servers)
    return None if wait_s is None else wait_s + service_s


def compute_erlang_c(load: float, servers: int) -> float | None:
    """The share of Poisson arrivals that find all servers busy and wait (M/M/c). `load` is in
    erlangs: arrivals a second × seconds of service, the mean number of busy servers.

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
