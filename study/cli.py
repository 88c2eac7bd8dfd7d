"""The commands. Each turns its options into values, calls one function, and returns its code."""

import os
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from scenarios.catalogue import GROUPS, select
from scenarios.model import Http, Loop, UpstreamKind, resolved
from scenarios.overrides import Overrides, with_overrides
from scenarios.problems import Problem
from stress.stack import ROOT, upstream_program
from study import options as o
from study.commands.capacity import capacity
from study.commands.theory import predict
from study.compare import compare as compare_runs
from study.distribution import Asked, distribution_of
from study.doctor import doctor as examine_machine
from study.environment import available
from study.load_worker import load_worker as serve_master
from study.probe import Target
from study.probe import probe as probe_app
from study.report import report as report_again
from study.run import Order
from study.run import run as run_study
from study.serve import serve as hold_up
from study.serve import served_stack

app = typer.Typer(
    name="study",
    help="What a web endpoint does with its threads and its event loop: measured.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
WRONG_USE, CANNOT = 2, 3


@app.command()
def run(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO|GROUP]...", help="classic and fair if none is named."),
    ] = None,
    users: o.Users = None,
    spawn_rate: o.SpawnRate = None,
    duration: o.Duration = None,
    delay: o.Delay = None,
    think_time: o.ThinkTime = None,
    quick: o.Quick = False,
    server: o.ServerOption = None,
    workers: o.Workers = None,
    pool: o.Pool = None,
    loop: o.LoopOption = None,
    http: o.HttpOption = None,
    worker_timeout: o.WorkerTimeout = None,
    client: o.ClientOption = None,
    client_life: o.ClientLife = None,
    client_timeout: o.ClientTimeout = None,
    upstream: o.UpstreamOption = None,
    load_processes: o.LoadProcesses = None,
    user_class: o.UserClassOption = None,
    arrival_rate: o.ArrivalRate = None,
    arrivals: o.ArrivalsOption = None,
    trials: o.Trials = 1,
    seed: o.Seed = None,
    expect: o.Expect = None,
    predict: o.Predict = True,
    distributed: o.Distributed = False,
    expect_workers: o.ExpectWorkers = None,
    listen: o.Listen = None,
    master_port: o.MasterPort = None,
    wait_workers: o.WaitWorkers = None,
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the table.")] = False,
    served: Annotated[
        bool, typer.Option("--served", help="Drive the server of serve.sh, if there is one.")
    ] = False,
) -> int:
    """Runs scenarios: a fresh server for each, a row as each ends, reports at the end."""
    asked = Asked(
        distributed=distributed,
        expect_workers=expect_workers,
        listen=listen,
        master_port=master_port,
        wait_s=o.seconds("--wait-workers", wait_workers),
    )
    distribution = distribution_of(asked, load_processes, served)
    overrides = Overrides(
        users=users,
        spawn_rate=spawn_rate,
        duration_s=o.seconds("--duration", duration),
        think_s=o.seconds("--think-time", think_time),
        delay_s=o.seconds("--delay", delay),
        user_class=user_class,
        load_processes=distribution.expect_workers if distribution else load_processes,
        arrival_rate=o.per_second("--arrival-rate", arrival_rate),
        arrivals=arrivals,
        server=server,
        workers=workers,
        pool=pool,
        loop=loop,
        http=http,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.seconds("--client-timeout", client_timeout),
        upstream=upstream,
    )
    chosen = select(tuple(names or ()))
    if quick:
        chosen = tuple(o.quickened(each) for each in chosen)
    scenarios = with_overrides(chosen, overrides)
    offered = available()
    stack = None
    if served:
        stack = served_stack(out, tuple(resolved(each, offered) for each in scenarios))
    order = Order(
        name="-".join(names or ["all"]),
        trials=trials,
        port=port,
        out=out,
        command=shlex.join(["study", *sys.argv[1:]]),
        json_output=json,
        quiet=quiet,
        seed=seed,
        expectations=o.expectations(expect),
        predict=predict,
        distribution=distribution,
    )
    return run_study(scenarios, order, stack)


@app.command("list")
def list_scenarios() -> int:
    """Every scenario by group: its question, and what to expect."""
    for group in GROUPS:
        print(group)
        for scenario in select((group,)):
            print(f"  {scenario.name:<24}{scenario.question}")
            print(f"  {'':<24}expect: {scenario.expect}")
        print()
    return 0


@app.command()
def report(directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> int:
    """Makes every report of a run again, from its records."""
    return report_again(directory)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The run directory to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that may have changed.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even where more than the code is unlike.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> int:
    """Is run B different from run A: figure by figure, with what chance alone would make."""
    return compare_runs(a, b, anyway, json)


app.command()(predict)
app.command()(capacity)


@app.command("load-worker")
def load_worker(
    master: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="Where study run --distributed listens.")
    ],
    idle: Annotated[str, typer.Option(help="Ends when no master was heard for so long.")] = "10m",
) -> int:
    """Sends load for a study on another machine, cell after cell, until Ctrl-C."""
    return serve_master(master, o.seconds("--idle", idle) or 0.0)


@app.command()
def doctor(port: o.Port = o.DEFAULT_PORT) -> int:
    """Can this machine run the study: ports, descriptors, cores, toolchains, versions."""
    return examine_machine(port)


@app.command()
def serve(
    delay: o.Delay = None,
    users: o.Users = None,
    server: o.ServerOption = None,
    workers: o.Workers = None,
    pool: o.Pool = None,
    loop: o.LoopOption = None,
    http: o.HttpOption = None,
    worker_timeout: o.WorkerTimeout = None,
    client: o.ClientOption = None,
    client_life: o.ClientLife = None,
    client_timeout: o.ClientTimeout = None,
    upstream: o.UpstreamOption = None,
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Holds up the classic stack, upstream and server, until Ctrl-C."""
    overrides = Overrides(
        users=users,
        delay_s=o.seconds("--delay", delay),
        server=server,
        workers=workers,
        pool=pool,
        loop=loop,
        http=http,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.seconds("--client-timeout", client_timeout),
        upstream=upstream,
    )
    return hold_up(overrides, port, out)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def upstream(
    context: typer.Context,
    kind: Annotated[UpstreamKind, typer.Option("--upstream", help="auto, python or go.")] = "auto",
) -> int:
    """Runs the slow upstream by hand; further options are its own (--port, --distribution ...)."""
    chosen = kind if kind != "auto" else "go" if available().go else "python"
    program = upstream_program(chosen)
    os.chdir(ROOT)
    os.execvp(program[0], [*program, *context.args])


@app.command()
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
    return probe_app(Target(target, app_dir.resolve(), port, workers, loop, http), out)


def plainly(message: str, given: Sequence[str]) -> str:
    """Typer's message on one line, with the value that was given."""
    text = " ".join(message.split()).replace("Value error, ", "")
    text = text.replace("unable to parse string as an integer", "such as 500")
    for option, value in pairwise(given):
        if f"'{option}'" in text and f"'{value}'" not in text:
            return f"{text} (given: {value!r})"
    return text if given else f"{text} `study --help` lists the commands."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; errors that a user can cause are one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given, standalone_mode=False)
    except Problem as problem:
        print(f"study: {problem}", file=sys.stderr)
        return problem.exit_code
    except typer.TyperException as error:
        print(f"study: {plainly(error.format_message(), given)}", file=sys.stderr)
        return WRONG_USE
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(f"study: cannot go on: {error.strerror or error}:{where}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0
