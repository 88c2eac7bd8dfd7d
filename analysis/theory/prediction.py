"""What theory says of a scenario, from the scenario and the cost of one request alone.

Throughput and mean come from mean-value analysis, medians and tails from simulation. A loop that
its endpoint blocks has no formula: it is far from any steady state, or its worker is killed again
and again. There all of it comes from simulation.
"""

from analysis.summary import Predicted
from analysis.theory.formulas import stations_of
from analysis.theory.open_queues import mgc_wait_s
from analysis.theory.simulation import ClosedLoad, OpenLoad, simulate
from analysis.theory.stations import highest_rps
from analysis.theory.sweep import POOLED, curve
from analysis.theory.worker import System
from scenarios.model import Load, Scenario
from scenarios.units import Second

PATIENCE_S: Second = 29.3
"""Of the warm-up, after the last user's first request: the runner gives it 30 s from when Locust
has begun, which takes 0.7 s."""
CYCLES_S: Second = 93.0
"""Three of a worker that is killed every 31 s."""
TURNS = 1.5
"""Everybody is served once: the runner opens the window then."""


def system_of(scenario: Scenario, cpu_s: Second, cores: int | None = None) -> System:
    """A resolved scenario as theory sees it. `cpu_s`: of one request alone, on a core of its own.

    More workers than cores get turns on them. CPU times are drawn at random around their mean,
    as the formulas assume.
    """
    server, client = scenario.server, scenario.client
    shared = client is not None and client.life == "shared"
    crowding = max(1.0, server.workers / cores) if cores else 1.0
    return System(
        style=scenario.endpoint.style,
        workers=server.workers,
        pool=server.pool,
        connections=client.connections if client is not None and shared else None,
        delay_s=scenario.delay_s or 0.0,
        loop_cpu_s=cpu_s * crowding,
        cpu_jitter="exponential",
        worker_timeout_s=server.worker_timeout_s if server.kind == "gunicorn" else 0.0,
        client_timeout_s=client.timeout_s if client is not None else None,
        accepts="one" if server.loop == "uvloop" else "all",
    )


def predicted(system: System, load: Load) -> Predicted:
    if load.arrival_rate is not None:
        return of_an_open_loop(system, load, load.arrival_rate)
    if system.style == "async def that blocks":
        return of_a_blocked_loop(system, load)
    found = curve(system, [load.users], load.think_s)
    (point,) = found.points
    turn_s = load.users / point.ok_rps
    shown = simulate(
        system,
        ClosedLoad(load.users, load.think_s, load.spawn_rate),
        warm_up_s=min(PATIENCE_S, TURNS * turn_s),
        window_s=load.duration_s,
    )
    return Predicted(
        ok_rps=point.ok_rps,
        mean_ms=1000 * point.mean_s,
        median_ms=in_ms(shown.median_s),
        p99_ms=in_ms(shown.p99_s),
        ceiling_rps=found.highest_rps,
        limited_by=limit(system, load, point.limited_by),
        starved=shown.starved,
        cpu_ms=1000 * system.loop_cpu_s,
    )


def limit(system: System, load: Load, fullest: str) -> str:
    """A pool with a thread for each user is full and keeps nobody waiting."""
    roomy = fullest == "pool" and system.pool * system.workers >= load.users
    return "users" if roomy else fullest


def of_a_blocked_loop(system: System, load: Load) -> Predicted:
    """Simulated from the first user on, with the phases of a real run."""
    ramp_s = load.users / load.spawn_rate
    killed = 0 < system.worker_timeout_s < load.users / system.workers * system.delay_s
    shown = simulate(
        system,
        ClosedLoad(load.users, load.think_s, load.spawn_rate),
        warm_up_s=PATIENCE_S if not killed else max(0.0, system.worker_timeout_s - ramp_s),
        window_s=load.duration_s if not killed else CYCLES_S,
    )
    highest = system.workers * min(map(highest_rps, stations_of(system)))
    few = load.users / system.workers <= 1
    return Predicted(
        ok_rps=shown.ok_rps,
        mean_ms=in_ms(shown.mean_s),
        median_ms=in_ms(shown.median_s),
        p99_ms=in_ms(shown.p99_s),
        ceiling_rps=highest,
        limited_by="users" if few else "worker kills" if killed else "blocked loop",
        cpu_ms=1000 * system.loop_cpu_s,
    )


def of_an_open_loop(system: System, load: Load, rate: float) -> Predicted:
    """Below capacity the rate is served, and waits are those of M/G/c queues, one after the
    other. Beyond it the latencies have no steady state, and none is given."""
    stations = stations_of(system)
    tightest = min(stations, key=highest_rps)
    ceiling = system.workers * highest_rps(tightest)
    sustained = min(rate, ceiling)
    below = rate < ceiling
    shown = simulate(
        system,
        OpenLoad(rate, load.arrivals),
        warm_up_s=3 * system.delay_s + 2,
        window_s=load.duration_s,
    )
    mean_s = open_mean_s(system, rate / system.workers) if below else None
    return Predicted(
        ok_rps=sustained,
        mean_ms=in_ms(mean_s),
        median_ms=in_ms(shown.median_s) if below else None,
        p99_ms=in_ms(shown.p99_s) if below else None,
        ceiling_rps=ceiling if ceiling != float("inf") else None,
        limited_by="arrivals" if below else tightest.name,
        cpu_ms=1000 * system.loop_cpu_s,
    )


def open_mean_s(system: System, rate: float) -> Second | None:
    """Of one worker: CPU and delay, and the waits for the interpreter and for a pool's token."""
    cpu_s, delay_s = system.loop_cpu_s, system.delay_s
    if system.style == "async def that blocks":
        held_s = cpu_s + delay_s
        wait_s = mgc_wait_s(rate, held_s, cpu_scv(cpu_s, held_s), 1)
        return None if wait_s is None else wait_s + held_s
    wait_s = mgc_wait_s(rate, cpu_s, 1.0, 1)
    if wait_s is None:
        return None
    inside_s = wait_s + cpu_s + delay_s
    if system.style not in POOLED:
        return inside_s
    token_wait_s = mgc_wait_s(rate, inside_s, cpu_scv(cpu_s, inside_s), system.pool)
    return None if token_wait_s is None else token_wait_s + inside_s


def cpu_scv(cpu_s: Second, whole_s: Second) -> float:
    """Squared coefficient of variation of a time of which only the CPU's part varies: two random
    halves have half of one exponential's variance."""
    return cpu_s**2 / 2 / whole_s**2 if whole_s > 0 else 0.0


def in_ms(value_s: Second | None) -> float | None:
    return None if value_s is None else 1000 * value_s
