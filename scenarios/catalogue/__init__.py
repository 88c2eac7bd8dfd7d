"""The catalogue. A new scenario is one entry in the module of its subject, and nothing else.

A module here is found by itself: its `SCENARIOS` are listed after those of every module with a
lower `RANK`.
"""

from importlib import import_module
from pkgutil import iter_modules

from scenarios.errors import UserError
from scenarios.model import Scenario

LAST_RANK = 1000
"""Of a module that has none."""


def collect_scenarios() -> tuple[Scenario, ...]:
    """Of all modules in this folder, by rank, then by name."""
    modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
    ranked = sorted(
        modules, key=lambda module: (getattr(module, "RANK", LAST_RANK), module.__name__)
    )
    return tuple(scenario for module in ranked for scenario in module.SCENARIOS)


CATALOGUE = collect_scenarios()
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(scenario.group for scenario in CATALOGUE))
DEFAULT_GROUPS = ("classic", "fair")


def select_scenarios(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The scenarios named, or of the groups named, each once, in catalogue order."""
    known = {scenario.name for scenario in CATALOGUE} | set(GROUPS)
    for name in names:
        if name not in known:
            raise UserError(
                f"no scenario or group is called {name!r}; "
                f"groups: {', '.join(GROUPS)}; `study list` shows all scenarios"
            )
    wanted = set(names or DEFAULT_GROUPS)
    return tuple(each for each in CATALOGUE if {each.name, each.group} & wanted)
