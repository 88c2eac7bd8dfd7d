"""How much an endpoint can serve: `study capacity`."""

from typing import Annotated

import typer

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.overrides import apply_overrides
from scenarios.settings import ARRIVAL_RATES, Overrides
from study import options as o
from study.capacity import find_capacity


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
    first = parse_first_rate(first_rate)
    chosen = select_scenarios((name,))
    if len(chosen) > 1:
        raise UserError(f"{name} is a group of {len(chosen)}: give one scenario")
    overrides = Overrides(
        duration_s=o.parse_seconds("--duration", duration),
        delay_s=o.parse_seconds("--delay", delay),
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
        client_timeout_s=o.parse_seconds("--client-timeout", client_timeout),
        upstream=upstream,
    )
    (scenario,) = apply_overrides(chosen, overrides)
    return find_capacity(scenario, first, steps, port, out)


def parse_first_rate(first_rate: str | None) -> float | None:
    """None leaves it to theory. Raises UserError for a rate that no load can have."""
    first = o.parse_per_second("--first-rate", first_rate)
    lowest, highest = ARRIVAL_RATES
    if first is not None and not lowest <= first <= highest:
        raise UserError(f"--first-rate {first_rate}: give {lowest:g}/s to {highest:g}/s")
    return first
