"""Predictions for requests that arrive whether or not others were answered."""

import math
from dataclasses import replace

from analysis.theory.combine import FormulaPrediction, combine_predictions
from analysis.theory.formulas import build_stations
from analysis.theory.open_queues import estimate_mgc_wait_s
from analysis.theory.simulation import MOST_REQUESTS, OpenLoad, SimulationResult, simulate
from analysis.theory.stations import compute_highest_rps
from analysis.theory.worker import System
from records.prediction import Prediction
from scenarios.model import Load
from scenarios.units import Second


def predict_open_loop(system: System, load: Load, rate: float) -> Prediction:
    """Below capacity the rate is served. Beyond it the latencies have no steady state, and none
    is given, unless clients that give up bound them.

    Random arrivals: the mean of queues in a row, each as if by itself. Constant ones have no
    such formula (what leaves one queue is no longer constant when it comes to the next, and not
    random either): the simulation's mean.
    """
    tightest = min(build_stations(system), key=compute_highest_rps)
    ceiling = system.workers * compute_highest_rps(tightest)
    below = rate < ceiling
    random = load.arrivals == "poisson" and system.rare is None and not system.answers_first
    formula = FormulaPrediction(
        ok_rps=min(rate, ceiling),
        mean_s=estimate_poisson_mean_s(system, rate / system.workers) if below and random else None,
        ceiling_rps=ceiling if math.isfinite(ceiling) else None,
        limited_by="arrivals" if below else tightest.name,
    )
    shown = simulate_open_loop(system, load, rate)
    found = combine_predictions(formula, shown)
    if below or shown.failures > 0:
        return found
    return replace(found, mean_ms=None, median_ms=None, p99_ms=None)


def simulate_open_loop(system: System, load: Load, rate: float) -> SimulationResult:
    """With the phases of a real run, the warm-up cut where it would take more than half of what
    may be simulated."""
    return simulate(
        system,
        OpenLoad(rate, load.arrivals),
        warm_up_s=min(3 * system.delay_s + 2, MOST_REQUESTS / 2 / rate),
        window_s=load.duration_s,
    )


def estimate_poisson_mean_s(system: System, rate: float) -> Second | None:
    """Of one worker: CPU and delay, and the waits for the interpreter, for a connection and for a
    pool's token. None beyond capacity.

    Arrivals dealt out to workers at random stay random, and so do those that leave a queue with
    random service (P. J. Burke, Operations Research 4, 1956).
    """
    cpu_s, held_s = system.loop_cpu_s, system.loop_cpu_s + system.delay_s
    if system.style == "async def that blocks":
        wait_s = estimate_mgc_wait_s(rate, held_s, compute_cpu_scv(cpu_s, held_s), 1)
        return None if wait_s is None else wait_s + held_s
    cpu_wait_s, connection_wait_s = (
        estimate_mgc_wait_s(rate, cpu_s, 1.0, 1),
        estimate_connection_wait_s(system, rate),
    )
    if cpu_wait_s is None or connection_wait_s is None:
        return None
    inside_s = cpu_wait_s + connection_wait_s + held_s
    if not system.needs_tokens:
        return inside_s
    token_wait_s = estimate_mgc_wait_s(
        rate, inside_s, compute_cpu_scv(cpu_s, inside_s), system.pool
    )
    return None if token_wait_s is None else token_wait_s + inside_s


def estimate_connection_wait_s(system: System, rate: float) -> Second | None:
    """The wait for one."""
    if system.connections is None:
        return 0.0
    return estimate_mgc_wait_s(rate, system.delay_s, 0.0, system.connections)


def compute_cpu_scv(cpu_s: Second, whole_s: Second) -> float:
    """Squared coefficient of variation of a time of which only the CPU's part varies: two random
    halves have half of one exponential's variance."""
    return cpu_s**2 / 2 / whole_s**2 if whole_s > 0 else 0.0
