"""What theory says of a scenario, from the scenario and the cost of one request alone.

Throughput and mean come from mean-value analysis, medians and tails from simulation. Where
requests fail, where a blocked loop is far from any steady state, or where its worker is killed
again and again, all of it comes from simulation.

The upstream is taken to scale without limit: it answers after its delay, whatever it is asked, and
so never limits. A run's verdict UPSTREAM_LATE tells when it did not.
"""

from dataclasses import replace

from analysis.theory.closed_loops import predict_blocked_loop, predict_closed_loop
from analysis.theory.model import ServerModel
from analysis.theory.open_loops import predict_open_loop
from records.prediction import Prediction
from scenarios.errors import UserError
from scenarios.model import THREADS_OF, Load, Scenario, Style
from scenarios.units import Second


def build_server_model(
    scenario: Scenario, cpu_s: Second, cores: int | None = None, wait_s: Second = 0.0
) -> ServerModel:
    """A resolved scenario as theory sees it. `cpu_s`: of one request alone, on a core of its own;
    `wait_s`: how long a database took for it, where it asks one. A database is an upstream with
    that delay and as many connections as the app's pool has.

    CPU times are drawn at random around their mean, as the formulas assume. Raises UserError if a
    request takes no time: nothing would limit its rate.
    """
    server, client = scenario.server, scenario.client
    has_processes = scenario.endpoint.style == "async def with processes"
    return ServerModel(
        style=resolve_style(scenario),
        workers=(cores or 1) if has_processes else server.workers,
        pool=count_threads(scenario, cores),
        connections=get_connection_limit(scenario),
        delay_s=find_delay_s(scenario, cpu_s, wait_s),
        loop_cpu_s=cpu_s,
        cores=cores,
        cpu_jitter="exponential",
        worker_timeout_s=server.worker_timeout_s if server.kills_blocked_workers else 0.0,
        client_timeout_s=client.timeout_s if client is not None else None,
        accepts="one" if server.loop == "uvloop" else "all",
        rare=scenario.rare,
        answers_first=scenario.endpoint.answers_first,
        works_elsewhere=has_processes,
        bystander_tokens=scenario.bystander.turns if shares_threads(scenario) else 0,
        bystander_every_s=scenario.bystander.every_s,
    )


def find_delay_s(scenario: Scenario, cpu_s: Second, wait_s: Second) -> Second:
    delay_s = scenario.delay_s or (wait_s if scenario.database else 0.0)
    if cpu_s + delay_s <= 0:
        raise UserError(
            f"{scenario.name}: with no CPU and no delay a request takes no time, and nothing "
            "limits its rate; give --cpu above 0"
        )
    return delay_s


def count_threads(scenario: Scenario, cores: int | None) -> int:
    """Of the pool that the endpoint's style uses: asyncio's executor has as many as Python's
    ThreadPoolExecutor by default."""
    if THREADS_OF.get(scenario.endpoint.style) == "asyncio's executor":
        return min(32, (cores or 1) + 4)
    return scenario.server.pool


def shares_threads(scenario: Scenario) -> bool:
    """Whether the bystander needs a thread of the same pool as the endpoint."""
    needs = scenario.bystander.needs
    return needs is not None and needs == THREADS_OF.get(scenario.endpoint.style)


def resolve_style(scenario: Scenario) -> Style:
    """A style that waits without a thread and without blocking the loop is as an `async def`. Work
    in other processes is done by as many workers as there are cores."""
    awaits = ("async def with processes", "async fn", "goroutine")
    return "async def" if scenario.endpoint.style in awaits else scenario.endpoint.style


def get_connection_limit(scenario: Scenario) -> int | None:
    """Connections of one worker to what it asks, at most; None without a limit."""
    client, database = scenario.client, scenario.database
    if client is not None and client.life == "shared":
        return client.connections
    if database is not None and database.life == "pool":
        return database.pool
    return None


def compute_prediction(model: ServerModel, load: Load) -> Prediction:
    """`cpu_ms` is that of the endpoint alone, however crowded the cores are. Raises ValueError if
    a request takes no time."""
    found = predict_load(model, load)
    return replace(
        found,
        bystander_ms=found.bystander_ms if can_predict_bystander(model, found) else None,
        ceiling_rps=0.0 if model.times_out else found.ceiling_rps,
        cpu_ms=1000 * model.loop_cpu_s,
    )


def can_predict_bystander(model: ServerModel, found: Prediction) -> bool:
    """Where the interpreter is what limits, who is next depends on threads that take turns by the
    clock, or on how much a loop reads at a time; and work in other processes is not on the loop."""
    return found.limited_by != "interpreter" and not model.works_elsewhere


def predict_load(model: ServerModel, load: Load) -> Prediction:
    if load.arrival_rate is not None:
        return predict_open_loop(model.scale_cpu_to_users(None), load, load.arrival_rate)
    crowded = model.scale_cpu_to_users(load.users)
    if model.blocks:
        return predict_blocked_loop(crowded, load)
    return predict_closed_loop(crowded, load)
