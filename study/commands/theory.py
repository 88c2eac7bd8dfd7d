"""What theory says: `study predict`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from analysis.theory.curve import parse_users
from analysis.theory.sizing import LoadTarget
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from study import options as o
from study.predict import PredictionRequest
from study.predict import predict_performance as ask_theory

UNKNOWN_TO_FORMULAS = {
    "--arrival-rate": "a rate has no users",
    "--lifo": "the order of a queue changes no mean",
    "--duration": "a steady state has no end",
    "--worker-timeout": "killed workers have no formula",
    "--client-timeout": "failures have no formula",
}
"""Of a range of users, which is told by formulas alone."""
UNKNOWN_TO_A_SIZE = {
    "--users": "a target is a rate, whoever sends it",
    "--think-time": "a target has no users who could think",
    "--arrival-rate": "the target is the rate",
    "--arrivals": "a target's always come at random",
    "--duration": "it takes as long as a p99 needs",
    "--workers": "how many is the answer",
}


def predict(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO|GROUP]...", help="classic and fair if none is named."),
    ] = None,
    users: Annotated[str | None, typer.Option(help="500, or a range: 100..100000.")] = None,
    delay: o.Delay = None,
    think_time: o.ThinkTime = None,
    workers: o.Workers = None,
    pool: o.Pool = None,
    worker_timeout: o.WorkerTimeout = None,
    client: o.ClientOption = None,
    client_life: o.ClientLife = None,
    client_timeout: o.ClientTimeout = None,
    arrival_rate: o.ArrivalRate = None,
    arrivals: o.ArrivalsOption = None,
    duration: o.Duration = None,
    quick: o.Quick = False,
    cpu: Annotated[
        str | None,
        typer.Option(help="CPU of one request, such as 0.5ms; measured here if left out."),
    ] = None,
    cores: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Of each machine; this one's if left out.")
    ] = None,
    lifo: Annotated[
        bool,
        typer.Option("--lifo", help="A pool that wakes its newest waiter first (anyio < 3.7)."),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(help="How many workers, threads, machines for this rate? With --p99."),
    ] = None,
    p99: Annotated[str | None, typer.Option(help="99 % are to be answered within this.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the range of users into this .svg, .png or .html.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> int:
    """What queueing theory and simulation say, before anything runs: rates, latencies, limits."""
    range_of_users = None if users is None else parse_users(users)
    overrides = Overrides(
        users=range_of_users[0] if range_of_users and len(range_of_users) == 1 else None,
        duration_s=o.parse_seconds("--duration", duration),
        think_s=o.parse_seconds("--think-time", think_time),
        delay_s=o.parse_seconds("--delay", delay),
        workers=workers,
        pool=pool,
        worker_timeout_s=worker_timeout,
        client=client,
        client_life=client_life,
        client_timeout_s=o.parse_seconds("--client-timeout", client_timeout),
        arrival_rate=o.parse_per_second("--arrival-rate", arrival_rate),
        arrivals=arrivals,
    )
    given = {
        "--users": users,
        "--think-time": think_time,
        "--arrival-rate": arrival_rate,
        "--arrivals": arrivals,
        "--duration": duration,
        "--workers": workers,
        "--worker-timeout": worker_timeout,
        "--client-timeout": client_timeout,
        "--lifo": lifo or None,
    }
    if (target is None) != (p99 is None):
        raise UserError("--target and --p99 belong together, such as --target 20000/s --p99 2s")
    if plot is not None and (range_of_users is None or len(range_of_users) == 1):
        raise UserError("--plot draws a range of users: give --users 100..100000 too")
    if target is not None:
        reject_options(given, UNKNOWN_TO_A_SIZE, "--target")
    elif range_of_users is not None and len(range_of_users) > 1:
        reject_options(given, UNKNOWN_TO_FORMULAS, f"--users {users}")
    chosen = select_scenarios(tuple(names or ()))
    if quick:
        chosen = tuple(o.shorten_scenario(each) for each in chosen)
    question = PredictionRequest(
        users=range_of_users,
        cpu_s=o.parse_seconds("--cpu", cpu),
        cores=cores,
        lifo=lifo,
        target=None
        if target is None
        else LoadTarget(
            o.parse_per_second("--target", target) or 0.0, o.parse_seconds("--p99", p99) or 0.0
        ),
        plot=plot,
        json_output=json,
    )
    return ask_theory(apply_overrides(chosen, overrides), question)


def reject_options(given: Mapping[str, object], unknown: Mapping[str, str], asked: str) -> None:
    """Rather than ignore it. Raises UserError."""
    for option, why in unknown.items():
        if given[option] is not None:
            raise UserError(f"{option}: of no use with {asked}: {why}; leave it out")
