"""How much an endpoint can serve: `study capacity`."""

from typing import Annotated

import typer

from scenarios.catalogue import select
from scenarios.overrides import BOUNDS, Overrides, with_overrides
from scenarios.problems import Problem
from study import options as o
from study.capacity import capacity as find_capacity


def capacity(
    name: Annotated[str, typer.Argument(metavar="SCENARIO")],
    duration: Annotated[str, typer.Option(help="Window of each step, such as 15s.")] = "15s",
    first_rate: Annotated[
        str | None, typer.Option(help="Where to begin, such as 300/s; theory's ceiling if not.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=20, help="The most steps of the search.")] = 8,
    arrivals: o.ArrivalsOption = "constant",
    delay: o.Delay = None,
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
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Finds the highest rate that is sustained, and the latency at 50, 70 and 90 % of it."""
    first = begin_at(first_rate)
    chosen = select((name,))
    if len(chosen) > 1:
        raise Problem(f"{name} is a group of {len(chosen)}: give one scenario")
    overrides = Overrides(
        duration_s=o.seconds("--duration", duration),
        delay_s=o.seconds("--delay", delay),
        load_processes=load_processes,
        arrival_rate=first or 1.0,
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
    (scenario,) = with_overrides(chosen, overrides)
    return find_capacity(scenario, first, steps, port, out)


def begin_at(first_rate: str | None) -> float | None:
    """None leaves it to theory. Raises Problem for a rate that no load can have."""
    first = o.per_second("--first-rate", first_rate)
    lowest, highest, _ = BOUNDS["arrival_rate"]
    if first is not None and not lowest <= first <= highest:
        raise Problem(f"--first-rate {first_rate}: give {lowest:g}/s to {highest:g}/s")
    return first
