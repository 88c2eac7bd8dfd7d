"""Single pieces by hand: the upstream, a load process for elsewhere."""

import os
from typing import Annotated

from cyclopts import Parameter

from scenarios.model import UpstreamKind
from scenarios.options import Setting
from scenarios.units import DURATION, Second
from study import options as o

Kind = Annotated[UpstreamKind, Setting("auto, python or go.", name="--upstream")]


@o.declare_command()
def upstream(
    *arguments: Annotated[str, Parameter(name="OPTION", allow_leading_hyphen=True)],
    kind: Kind = "auto",
) -> int:
    """Run the slow upstream by hand; other options are its own (--port, --distribution ...).

    For example:
        study upstream --port 5000 --default-ms 200
    """
    from stress.places import ROOT
    from stress.programs import find_upstream_program
    from study.machine_facts import detect_resources

    chosen = kind if kind != "auto" else "go" if detect_resources().go else "python"
    program = find_upstream_program(chosen)
    os.chdir(ROOT)
    os.execvp(program[0], [*program, *arguments])


# fmt: off
@o.declare_command()
def load_worker(
    *,
    master: Annotated[str, Setting(
        "Address where `study run --distributed` listens.", metavar="HOST[:PORT]",
    )],
    idle: Annotated[Second, Setting(
        "End when no master has answered for this long.", unit=DURATION,
    )] = 600.0,
) -> int:
    """Send load for a study on another machine, scenario after scenario, until Ctrl-C.

    For example:
        study load-worker --master 192.168.1.10
    """
    # fmt: on
    from study.load_worker import run_load_worker

    return run_load_worker(master, idle)
