"""The model of a scenario's server."""

import math
from collections.abc import Sequence

from analysis.theory.cpu_law import fit_cpu_law
from analysis.theory.model import ServerModel
from records.prediction import CpuSample
from scenarios.errors import UserError
from scenarios.model import THREADS_OF, Scenario, Style
from scenarios.units import Second

AWAITING: tuple[Style, ...] = ("async def with processes", "async fn", "goroutine")
"""Like an `async def`, they wait without a thread and without blocking the loop. Work in processes
has as many workers as cores."""


def build_server_model(
    scenario: Scenario,
    cpu_s: Second,
    cores: int | None = None,
    wait_s: Second = 0.0,
    samples: Sequence[CpuSample] = (),
) -> ServerModel:
    """Build the model of a resolved scenario. `cpu_s`: CPU of a request that runs alone on one
    core. `samples`: CPU with more in flight, if measured. `wait_s`: the time in which it did not
    compute, for a database or a server of the user's. A database counts as an upstream with that
    delay and the app's pool of connections.

    CPU times are random around their mean, as the formulas assume. Raises UserError if a request
    takes no time: nothing would limit its rate.
    """
    server, client, bystander = scenario.server, scenario.client, scenario.bystander
    style, threads = scenario.endpoint.style, THREADS_OF.get(scenario.endpoint.style)
    return ServerModel(
        style="async def" if style in AWAITING else style,
        workers=(cores or 1) if style == "async def with processes" else server.workers,
        pool=count_threads(scenario, cores),
        connections=get_connection_limit(scenario),
        delay_s=find_delay_s(scenario, cpu_s, wait_s),
        loop_cpu_s=cpu_s,
        cpu_law=fit_cpu_law(samples, count_threads(scenario, cores) if threads else math.inf)
        if samples
        else None,
        cores=cores,
        cpu_jitter="exponential",
        worker_timeout_s=server.worker_timeout_s if server.kills_blocked_workers else 0.0,
        client_timeout_s=client.timeout_s if client is not None else None,
        accepts="one" if server.loop == "uvloop" else "all",
        rare=scenario.rare,
        answers_first=scenario.endpoint.answers_first,
        works_elsewhere=style == "async def with processes",
        bystander_tokens=bystander.turns if threads and bystander.needs == threads else 0,
        bystander_every_s=bystander.every_s,
    )


def find_delay_s(scenario: Scenario, cpu_s: Second, wait_s: Second) -> Second:
    """Return the delay. An external server and a user's app also wait: their delay is the time in
    which a single user's request does not compute."""
    is_foreign = scenario.url is not None or scenario.server.has_users_app
    waits = scenario.database is not None or is_foreign
    delay_s = scenario.delay_s or (wait_s if waits else 0.0)
    if cpu_s + delay_s <= 0:
        raise UserError(
            f"{scenario.name}: without CPU and delay a request takes no time, and nothing limits "
            "its rate; use --cpu above 0"
        )
    return delay_s


def count_threads(scenario: Scenario, cores: int | None) -> int:
    """Count the threads of the pool that the endpoint's style uses: asyncio's executor has the
    default number of Python's ThreadPoolExecutor."""
    if THREADS_OF.get(scenario.endpoint.style) == "asyncio's executor":
        return min(32, (cores or 1) + 4)
    return scenario.server.pool


def get_connection_limit(scenario: Scenario) -> int | None:
    """Return the maximum number of connections of one worker; None without a limit."""
    client, database = scenario.client, scenario.database
    if client is not None and client.life == "shared":
        return client.connections
    if database is not None and database.life == "pool":
        return database.pool
    return None
