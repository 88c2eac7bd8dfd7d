"""Single pieces by hand: the upstream, the probe before any app, a load process for elsewhere."""

import os
from pathlib import Path
from typing import Annotated

import typer

from scenarios.model import Http, Loop, UpstreamKind
from stress.programs import find_upstream_program
from stress.stack import ROOT
from study import options as o
from study.load_worker import run_load_worker as serve_master
from study.machine_facts import detect_resources
from study.probe import ProbeTarget, probe_app


def upstream(
    context: typer.Context,
    kind: Annotated[UpstreamKind, typer.Option("--upstream", help="auto, python or go.")] = "auto",
) -> int:
    """Runs the slow upstream by hand; further options are its own (--port, --distribution ...)."""
    chosen = kind if kind != "auto" else "go" if detect_resources().go else "python"
    program = find_upstream_program(chosen)
    os.chdir(ROOT)
    os.execvp(program[0], [*program, *context.args])


def probe(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTR", help="An ASGI app.")],
    app_dir: Annotated[Path, typer.Option(help="The folder that the module is in.")] = Path(),
    port: o.Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    loop: Annotated[Loop, typer.Option("--loop")] = "auto",
    http: Annotated[Http, typer.Option("--http")] = "auto",
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Serves any ASGI app under the probe, and says what it saw when you end it."""
    return probe_app(ProbeTarget(target, app_dir.resolve(), port, workers, loop, http), out)


def load_worker(
    master: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="Where study run --distributed listens.")
    ],
    idle: Annotated[str, typer.Option(help="Ends when no master was heard for so long.")] = "10m",
) -> int:
    """Sends load for a study on another machine, cell after cell, until Ctrl-C."""
    return serve_master(master, o.parse_seconds("--idle", idle) or 0.0)
