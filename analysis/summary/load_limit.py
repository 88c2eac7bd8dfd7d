"""The limit that a scenario's load sets to its throughput, whatever the server does."""

from collections.abc import Iterable
from statistics import median

from analysis.summary.model import CellSummary
from analysis.summary.predicates import measure_arrivals_rps
from scenarios.model import Scenario


def compute_load_limit_rps(scenario: Scenario) -> float | None:
    """Compute it in requests per second: an open loop's arrival rate, or a closed loop's users /
    (delay + think time), since no successful response comes sooner than the delay. None where
    nothing waits, or where the response comes before the wait: then only the server sets a
    limit."""
    load, delay_s = scenario.load, scenario.delay_s or 0.0
    if load.arrival_rate is not None:
        return load.arrival_rate
    if scenario.endpoint.answers_first:
        delay_s = 0.0
    turn_s = delay_s + load.think_s
    return load.users / turn_s if turn_s > 0 else None


def measure_load_limit_rps(scenario: Scenario, trials: Iterable[CellSummary]) -> float | None:
    """As `compute_load_limit_rps`, but of random arrivals the rate that came in the trials."""
    known = [each for each in map(measure_arrivals_rps, trials) if each is not None]
    return median(known) if known else compute_load_limit_rps(scenario)
