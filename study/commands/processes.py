"""Single pieces by hand: the upstream, the probe before any app, a load process for elsewhere."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scenarios.model import Http, Loop, UpstreamKind
from scenarios.options import Setting
from scenarios.units import DURATION, Second
from study import options as o

Kind = Annotated[UpstreamKind, Setting("auto, python or go.", name="--upstream")]


@o.declare_command()
def upstream(
    *arguments: Annotated[str, Parameter(name="OPTION", allow_leading_hyphen=True)],
    kind: Kind = "auto",
) -> int:
    """Runs the slow upstream by hand; further options are its own (--port, --distribution ...).

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
def probe(
    target: Annotated[str, Setting("An ASGI app.", name="MODULE:ATTR")],
    /,
    *,
    app_dir: Annotated[Path, Setting(
        "The folder that the module is in.", metavar="FOLDER",
    )] = Path(),
    port: o.Port = 8000,
    workers: Annotated[int, Setting("", bounds=(1, 64))] = 1,
    loop: Annotated[Loop, Setting("")] = "auto",
    http: Annotated[Http, Setting("")] = "auto",
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Serves any ASGI app under the probe, and says what it saw when you end it.

    For example:
        study probe main:app --app-dir ./service
    """
    # fmt: on
    from study.probe import ProbeTarget, probe_app

    return probe_app(ProbeTarget(target, app_dir.resolve(), port, workers, loop, http), out)


# fmt: off
@o.declare_command()
def load_worker(
    *,
    master: Annotated[str, Setting(
        "Where study run --distributed listens.", metavar="HOST[:PORT]",
    )],
    idle: Annotated[Second, Setting(
        "Ends when no master was heard for so long.", unit=DURATION,
    )] = 600.0,
) -> int:
    """Sends load for a study on another machine, cell after cell, until Ctrl-C.

    For example:
        study load-worker --master 192.168.1.10
    """
    # fmt: on
    from study.load_worker import run_load_worker

    return run_load_worker(master, idle)
