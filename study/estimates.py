"""Estimates how long a run takes."""

from collections.abc import Sequence
from math import ceil

from scenarios.model import Client, Database, Endpoint, Scenario, Server
from scenarios.units import Second
from stress.plan import estimate_cell_s

CALIBRATION_TAKES_S: Second = 10.0
"""Including the starts of its servers."""
SHARED_FOR_S: Second = 600.0
"""How long similar scenarios share a calibration: the speed of a shared machine changes. In half an
hour, CPU per request of the same code went from 0.70 to 0.51 ms."""
SHOWN_IN_SECONDS_S: Second = 150.0
Alike = tuple[Endpoint, Server, Client | None, Database | None, str | None, int | None, bool]


def estimate_run_s(scenarios: Sequence[Scenario], trials: int = 1, predict: bool = True) -> Second:
    """Sum up the plans of the cells and the calibrations. scenarios: resolved."""
    alike = {select_calibrated(each) for each in scenarios} if predict else ()
    cells_s = trials * sum(map(estimate_cell_s, scenarios))
    rounds = min(trials, ceil(cells_s / SHARED_FOR_S))
    return cells_s + CALIBRATION_TAKES_S * len(alike) * rounds


def select_calibrated(scenario: Scenario) -> Alike:
    """Return everything that a calibration depends on; it chooses load and delay itself."""
    endpoint, server, client = scenario.endpoint, scenario.server, scenario.client
    database, url, file_mib = scenario.database, scenario.url, scenario.file_mib
    return endpoint, server, client, database, url, file_mib, scenario.load.keep_alive


def format_estimate(seconds: Second) -> str:
    """Round up to minutes, and a short estimate to ten seconds."""
    if seconds < SHOWN_IN_SECONDS_S:
        return f"{10 * ceil(seconds / 10)} seconds"
    return f"{ceil(seconds / 60)} minutes"
