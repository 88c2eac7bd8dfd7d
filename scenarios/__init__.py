"""What is asked: the typed scenario model and the catalogue. Pure data, no input or output.

These names are what a scenario file of a user's imports, in a clone and from a wheel.
"""

from scenarios.catalogue import select_scenarios
from scenarios.model import Client, Database, Endpoint, Load, Scenario, Server, Upstream

__all__ = [
    "Client", "Database", "Endpoint", "Load", "Scenario", "Server", "Upstream", "select_scenarios",
]  # fmt: skip
