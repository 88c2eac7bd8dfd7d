"""The typed scenario model and the catalogue: pure data, no input or output.

A user's scenario file imports these names, in a clone and from a wheel.
"""

from scenarios.catalogue import select_scenarios
from scenarios.model import Client, Database, Endpoint, Load, Scenario, Server, Upstream

__all__ = [
    "Client", "Database", "Endpoint", "Load", "Scenario", "Server", "Upstream", "select_scenarios",
]  # fmt: skip
