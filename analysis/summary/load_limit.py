"""The limit that the load of a scenario sets to its throughput, whatever the server does."""

from scenarios.model import Scenario


def compute_load_limit_rps(scenario: Scenario) -> float | None:
    """Requests a second. Of an open loop its arrival rate; of a closed loop users / (delay + think
    time), since no good answer comes sooner than the delay. None where nothing waits, or where the
    answer comes before the wait: then only the server sets a limit."""
    load, delay_s = scenario.load, scenario.delay_s or 0.0
    if load.arrival_rate is not None:
        return load.arrival_rate
    if scenario.endpoint.answers_first:
        delay_s = 0.0
    turn_s = delay_s + load.think_s
    return load.users / turn_s if turn_s > 0 else None
