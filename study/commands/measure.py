"""Measuring: `study run`, and `study serve` for a server to be driven by hand."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import typer

from scenarios import contrast
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Engine, Scenario, resolve_scenario
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from stress.databases import URL_VARIABLE
from study import options as o
from study.distribution import DistributionOptions, build_distribution
from study.machine_facts import detect_resources
from study.run import RunOptions, run_study
from study.serve import attach_served_stack
from study.serve import serve_stack as hold_up

BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


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
    client_connections: o.ClientConnections = None,
    upstream: o.UpstreamOption = None,
    load_processes: o.LoadProcesses = None,
    user_class: o.UserClassOption = None,
    requests: o.Requests = None,
    targets: o.Targets = None,
    endpoints: o.Endpoints = None,
    keep_alive: o.KeepAlive = None,
    engine: o.EngineOption = None,
    access_log: o.AccessLogOption = None,
    db_pool: o.DatabasePool = None,
    database_url: o.DatabaseUrl = None,
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
    live: o.Live = False,
    profile: o.Profile = False,
    report: o.Report = True,
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
    json: Annotated[bool, typer.Option("--json", help="Print summary.json, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the table.")] = False,
    served: Annotated[
        bool, typer.Option("--served", help="Drive the server of serve.sh, if there is one.")
    ] = False,
) -> int:
    """Runs scenarios: a fresh server for each, a row as each ends, reports at the end."""
    asked = DistributionOptions(
        distributed=distributed,
        expect_workers=expect_workers,
        listen=listen,
        master_port=master_port,
        wait_s=o.parse_seconds("--wait-workers", wait_workers),
    )
    distribution = build_distribution(asked, load_processes, served)
    overrides = Overrides(
        users=users,
        spawn_rate=spawn_rate,
        duration_s=o.parse_seconds("--duration", duration),
        think_s=o.parse_seconds("--think-time", think_time),
        delay_s=o.parse_seconds("--delay", delay),
        user_class=user_class,
        load_processes=distribution.expect_workers if distribution else load_processes,
        arrival_rate=o.parse_per_second("--arrival-rate", arrival_rate),
        arrivals=arrivals,
        server=server,
        workers=workers,
        pool=pool,
        loop=loop,
        http=http,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.parse_seconds("--client-timeout", client_timeout),
        client_connections=client_connections,
        upstream=upstream,
        requests=requests,
        keep_alive=keep_alive,
        engine=engine,
        access_log=access_log,
        database_pool=db_pool,
    )
    if distribution:
        reject_local_load_options(engine, requests, targets)
    set_database_url(database_url)
    chosen = choose_scenarios(names or [], targets or [], endpoints or [])
    if quick:
        chosen = tuple(o.shorten_scenario(each) for each in chosen)
    scenarios = apply_overrides(chosen, overrides)
    offered = detect_resources()
    stack = None
    if served:
        stack = attach_served_stack(
            out, tuple(resolve_scenario(each, offered) for each in scenarios)
        )
    order = RunOptions(
        name="-".join(names or ["all"]),
        trials=trials,
        port=port,
        out=out,
        command=record_command(sys.argv[1:]),
        json_output=json,
        quiet=quiet,
        seed=seed,
        expectations=o.parse_expectations(expect),
        predict=predict,
        distribution=distribution,
        live=live,
        profile=profile,
        report=report,
    )
    return run_study(scenarios, order, stack)


def choose_scenarios(
    names: Sequence[str], targets: Sequence[str], endpoints: Sequence[str]
) -> tuple[Scenario, ...]:
    if not targets and not endpoints:
        return select_scenarios(tuple(names))
    if list(names) != [contrast.GROUP]:
        given = "--target" if targets else "--endpoint"
        raise UserError(f"{given} is for the group contrast alone: study run contrast {given} ...")
    return contrast.choose_contrast_scenarios(targets, endpoints)


def reject_local_load_options(
    engine: Engine | None, requests: int | None, targets: Sequence[str] | None
) -> None:
    """What only this machine's own load can do."""
    local = {
        "--engine": engine not in (None, "locust"),
        "--requests": requests,
        "--target": targets,
    }
    for option, given in local.items():
        if given:
            raise UserError(f"{option}: not with --distributed; leave one of them out")


def set_database_url(url: str | None) -> None:
    """Leaves the user's own server where a stack looks for it, in no argument and no record."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
        fits = fits and not parts.query and not parts.fragment and not BAD_PERCENT.search(url)
    except ValueError:
        fits = False
    if not fits:  # never with the address: it may hold a password
        raise UserError(
            "--database-url: give postgresql://user:password@host:port/name, nothing after it, "
            "with special characters of the password percent-encoded"
        )
    os.environ[URL_VARIABLE] = url.replace("postgres://", "postgresql://", 1)


def record_command(argv: Sequence[str]) -> str:
    """What was typed, for the record; without the database's address, which may hold a password."""
    words = ["study", *argv]
    for at, word in enumerate(words):
        if word.startswith("--database-url="):
            words[at] = "--database-url=..."
        elif at and words[at - 1] == "--database-url":
            words[at] = "..."
    return shlex.join(words)


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
    client_connections: o.ClientConnections = None,
    upstream: o.UpstreamOption = None,
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Holds up the classic stack, upstream and server, until Ctrl-C."""
    overrides = Overrides(
        users=users,
        delay_s=o.parse_seconds("--delay", delay),
        server=server,
        workers=workers,
        pool=pool,
        loop=loop,
        http=http,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.parse_seconds("--client-timeout", client_timeout),
        client_connections=client_connections,
        upstream=upstream,
    )
    return hold_up(overrides, port, out)
