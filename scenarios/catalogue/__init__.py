"""The catalogue. To add a scenario, add one entry to the module of its subject.

Every module in this folder is loaded: its `SCENARIOS` are listed after those of every module with a
lower `RANK`, and its `QUESTIONS` give the question of each of its groups.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from scenarios.errors import UserError, suggest_name
from scenarios.model import Scenario

LAST_RANK = 1000
"""Rank of a module without one."""


def collect_scenarios() -> tuple[Scenario, ...]:
    """Collect the scenarios of all modules, by rank, then by module name."""
    ranked = sorted(
        iterate_modules(), key=lambda module: (getattr(module, "RANK", LAST_RANK), module.__name__)
    )
    return tuple(scenario for module in ranked for scenario in module.SCENARIOS)


def collect_questions() -> Mapping[str, str]:
    """Map each group to its question."""
    modules = iterate_modules()
    return {name: text for each in modules for name, text in getattr(each, "QUESTIONS", {}).items()}


def iterate_modules() -> Iterator[ModuleType]:
    """Import each module of this folder."""
    for each in iter_modules(__path__):
        yield import_module(f"{__name__}.{each.name}")


CATALOGUE = collect_scenarios()
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(scenario.group for scenario in CATALOGUE))
GROUP_QUESTIONS = collect_questions()
DEFAULT_GROUPS = ("classic", "fair")


def select_scenarios(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """Return the scenarios of the named groups and names, once, in order. Raises UserError."""
    known = [*GROUPS, *(scenario.name for scenario in CATALOGUE)]
    for name in names:
        if name not in known:
            close = suggest_name(name, known) or "`study list` shows the groups"
            raise UserError(f"no scenario or group is called {name!r}; {close}")
    wanted = set(names or DEFAULT_GROUPS)
    return tuple(each for each in CATALOGUE if {each.name, each.group} & wanted)
