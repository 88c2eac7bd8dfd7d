"""The catalogue. A new scenario is one entry in the file of its subject, and nothing else."""

from scenarios.clients import CLIENTS
from scenarios.contrast import CONTRAST
from scenarios.cpu_work import CPU_WORK
from scenarios.disk import DISK
from scenarios.errors import UserError
from scenarios.hidden_waits import HIDDEN_WAITS
from scenarios.model import Scenario
from scenarios.ping import PING
from scenarios.slow_io import SLOW_IO
from scenarios.small_answers import LAYERS, NOTHING, STREAM
from scenarios.tasks import TASKS
from scenarios.users import USERS

CATALOGUE: tuple[Scenario, ...] = (
    *SLOW_IO, *HIDDEN_WAITS, *CLIENTS, *NOTHING, *STREAM, *LAYERS, *DISK, *CPU_WORK, *USERS,
    *CONTRAST, *PING, *TASKS,
)  # fmt: skip

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
