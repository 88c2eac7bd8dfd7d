"""One setting at several values: `study sweep`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from analysis.summary.sweep import SweepSettings
from scenarios.catalogue import select_scenarios
from scenarios.model import AS_USERS, Scenario
from scenarios.settings import Overrides
from scenarios.sweep import build_sweep_steps, parse_values, select_sweep_axis
from study import options as o
from study.commands.measure import record_command
from study.run import RunOptions, run_study

VALUES = "one value, or several such as"


def sweep(
    names: Annotated[list[str], typer.Argument(metavar="SCENARIO|GROUP...")],
    pool: Annotated[
        str | None, typer.Option(help=f"Threads of anyio's pool: {VALUES} 10,40,100,500.")
    ] = None,
    users: Annotated[str | None, typer.Option(help=f"Users: {VALUES} 10,100,500.")] = None,
    workers: Annotated[str | None, typer.Option(help=f"Server processes: {VALUES} 1,2,4.")] = None,
    delay: Annotated[
        str | None, typer.Option(help=f"Of the upstream: {VALUES} 1ms,10ms,100ms,1s.")
    ] = None,
    spawn_rate: o.SpawnRate = None,
    duration: o.Duration = None,
    think_time: o.ThinkTime = None,
    quick: o.Quick = False,
    server: o.ServerOption = None,
    loop: o.LoopOption = None,
    http: o.HttpOption = None,
    worker_timeout: o.WorkerTimeout = None,
    client: o.ClientOption = None,
    client_life: o.ClientLife = None,
    client_timeout: o.ClientTimeout = None,
    client_connections: o.ClientConnections = None,
    upstream: o.UpstreamOption = None,
    load_processes: o.LoadProcesses = None,
    trials: o.Trials = 1,
    seed: o.Seed = None,
    predict: o.Predict = True,
    live: o.Live = False,
    report: o.Report = True,
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the table.")] = False,
) -> int:
    """Runs scenarios with one setting at several values, and says where more stops paying."""
    given: dict[str, str | None] = {
        "pool": pool,
        "users": users,
        "workers": workers,
        "delay": delay,
    }
    swept, fixed = select_sweep_axis(
        {name: parse_values(name, text) for name, text in given.items() if text is not None}
    )
    overrides = replace(
        fixed,
        spawn_rate=spawn_rate,
        duration_s=o.parse_seconds("--duration", duration),
        think_s=o.parse_seconds("--think-time", think_time),
        server=server,
        loop=loop,
        http=http,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.parse_seconds("--client-timeout", client_timeout),
        client_connections=client_connections,
        upstream=upstream,
        load_processes=load_processes,
    )
    chosen = select_scenarios(tuple(names))
    if quick:
        chosen = tuple(o.shorten_scenario(each) for each in chosen)
    scenarios, steps = build_sweep_steps(chosen, swept, overrides)
    order = RunOptions(
        name=f"sweep-{swept.setting}-{'-'.join(names)}",
        trials=trials,
        port=port,
        out=out,
        command=record_command(sys.argv[1:]),
        json_output=json,
        quiet=quiet,
        seed=seed,
        predict=predict,
        live=live,
        report=report,
        sweep=SweepSettings(swept.setting, steps, describe_user_sized_values(chosen, overrides)),
    )
    return run_study(scenarios, order)


def describe_user_sized_values(chosen: Sequence[Scenario], overrides: Overrides) -> str:
    """What is as large as the number of users, in words."""
    pool = overrides.pool is None and any(each.server.pool == AS_USERS for each in chosen)
    connections = overrides.client_connections is None and any(
        each.client is not None and each.client.connections == AS_USERS for each in chosen
    )
    named = {"the pool": pool, "the client's connections": connections}
    return " and ".join(name for name, is_so in named.items() if is_so)
