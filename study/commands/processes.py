"""`study upstream`, `study load-worker` and `study top`: programs of their own."""

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from scenarios.model import UpstreamKind
from scenarios.options import Setting
from scenarios.units import DURATION, Second
from study import options as o

Kind = Annotated[UpstreamKind, Setting(
    "Program: auto (go if Go is installed), python or go.", name="--upstream",
)]  # fmt: skip


@o.declare_command()
def upstream(
    *arguments: Annotated[str, Parameter(name="OPTION", allow_leading_hyphen=True)],
    kind: Kind = "auto",
) -> int:
    """Run the slow upstream alone; options other than --upstream are passed to it (--port ...).

    For example:
        study upstream --port 5000 --default-ms 200
    """
    from stress.places import ROOT
    from stress.programs import find_upstream_program
    from study.machine_facts import detect_resources

    chosen = kind if kind != "auto" else "go" if detect_resources().go else "python"
    program, *words = find_upstream_program(chosen)
    if chosen == "python":
        words.insert(0, "-P")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.execve(program, (program, *words, *arguments), environment)


# fmt: off
@o.declare_command()
def load_worker(
    *,
    master: Annotated[str, Setting(
        "Address of `study run --distributed`; port 5557 if none is given.",
        metavar="HOST[:PORT]",
    )],
    idle: Annotated[Second, Setting(
        "Time without a reply from a master after which this command ends.", unit=DURATION,
        bounds=(1, 7 * 24 * 3600),
    )] = 600.0,
) -> int:
    """Generate load for a study that runs on another machine, until Ctrl-C.

    For example:
        study load-worker --master 192.168.1.10
    """
    # fmt: on
    from study.load_worker import run_load_worker

    return run_load_worker(master, idle)


@o.declare_command()
def top(
    target: Annotated[str, Setting(
        "Folder or file of the probe's journals, or the launcher's --socket or --listen.",
        name="DIR|FILE|SOCKET|HOST:PORT",
    )],
    /,
    *,
    once: Annotated[bool, Setting("One view, instead of one per second until Ctrl-C.")] = False,
) -> int:
    """Show what a service that runs under `python -m asgi_probe run` is doing now.

    For example:
        study top asgi-probe-20261122T064600Z
        study top 127.0.0.1:9464 --once
    """
    from stress.places import PROBE_FOLDER

    words = ("-P", "-m", "asgi_probe", "top", target, *(("--once",) if once else ()))
    environment = {**os.environ, "PYTHONPATH": str(PROBE_FOLDER)}
    os.execve(sys.executable, (sys.executable, *words), environment)
