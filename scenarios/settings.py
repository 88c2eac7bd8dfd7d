"""The options that change a scenario, each declared once as a field of `Overrides`: the command
line, the checks, the sweeps and the app's environment derive from it."""

from dataclasses import dataclass
from typing import Annotated

from scenarios import model as m
from scenarios.model import Scenario
from scenarios.options import Condition, Setting, list_given_options, list_options
from scenarios.units import DURATION, NUMBER, RATE, SECONDS, Second

HAS_CLIENT = Condition("has a client or an upstream", lambda each: each.client is not None)
IN_OUR_APPS = Condition(
    "runs a Python app of the study",
    lambda each: each.server.is_python and not each.server.has_users_app,
)
IN_PYTHON = Condition("is served by Python", lambda each: each.server.is_python)
HAS_DATABASE = Condition("uses a database", lambda each: each.database is not None)
HAS_POSTGRESQL = Condition(
    "uses PostgreSQL",
    lambda each: each.database is not None and each.database.kind == "postgresql",
)
IS_DELAYED = Condition(
    "has a delay that the study sets",
    lambda each: each.delay_s is not None and each.url is None and not each.server.has_users_app,
)
HAS_USERS = Condition("has users: an open loop has a rate", lambda each: not each.load.is_open)
IS_OURS = Condition("has a server that the study starts", lambda each: each.url is None)
ARRIVAL_RATES = (0.1, 20_000)


# fmt: off
@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that replace a scenario's own; None keeps the scenario's value."""

    users: Annotated[int | None, Setting(
        "Concurrent users; each waits for its response. In fair and clients, the pool has a thread "
        "for each.",
        "load.users", HAS_USERS, bounds=(1, m.MOST_USERS), sweepable="10,100,500",
        label="users",
    )] = None
    spawn_rate: Annotated[float | None, Setting(
        "Users started per second.", "load.spawn_rate", HAS_USERS,
        NUMBER, (0.1, 10_000), needs_locust=True,
        label="users started per second",
    )] = None
    duration_s: Annotated[Second | None, Setting(
        "Length of the window, such as 30s.", "load.duration_s", None, DURATION, (0.5, 3600),
        label="window, s",
    )] = None
    think_s: Annotated[Second | None, Setting(
        "Pause of each user between requests, such as 1s.", "load.think_s", HAS_USERS,
        DURATION, (0, 3600), needs_locust=True, name="--think-time",
        label="pause between requests, s",
    )] = None
    think_spread_s: Annotated[Second | None, Setting(
        "Maximum random deviation of a pause, such as 500ms.", "load.think_spread_s",
        HAS_USERS, DURATION, (0, 3600), needs_locust=True, name="--think-spread",
        label="spread of the pause, s",
    )] = None
    delay_s: Annotated[Second | None, Setting(
        "Delay of the upstream, or length of the endpoint's sleep, such as 1000ms.", "delay_s",
        IS_DELAYED, DURATION, (0, 60), sweepable="1ms,10ms,100ms,1s", environment="APP_DELAY_MS",
        group="Upstream",
        label="delay, s",
    )] = None
    user_class: Annotated[m.UserClass | None, Setting(
        "Locust user class: fast (FastHttpUser) or requests (HttpUser).", "load.user_class",
        HAS_USERS, needs_locust=True,
        label="Locust user class",
    )] = None
    load_processes: Annotated[int | None, Setting(
        "Processes of the load generator.", "load.processes", bounds=(1, 64),
        label="load processes",
    )] = None
    arrival_rate: Annotated[float | None, Setting(
        "Arrival rate of an open loop, such as 300/s; a closed loop of --users if not given.",
        "load.arrival_rate", None, RATE, ARRIVAL_RATES, needs_locust=True,
        label="arrivals per second",
    )] = None
    arrivals: Annotated[m.Arrivals | None, Setting(
        "Arrival process of an open loop: constant or poisson.", "load.arrivals",
        label="arrival process",
    )] = None
    server: Annotated[m.PythonServer | None, Setting(
        "Server: gunicorn or uvicorn.", "server.kind", IN_PYTHON,
        label="server",
    )] = None
    workers: Annotated[int | None, Setting(
        "Server processes.", "server.workers", IS_OURS, bounds=(1, 64), sweepable="1,2,4",
        label="workers",
    )] = None
    pool: Annotated[int | None, Setting(
        "Threads of anyio's pool in each worker.", "server.pool", IN_OUR_APPS,
        bounds=(1, 10_000), sweepable="10,40,100,500", environment="APP_POOL",
        label="thread pool, threads",
    )] = None
    loop: Annotated[m.Loop | None, Setting(
        "Event loop: asyncio, uvloop or auto.", "server.loop", IN_PYTHON,
        label="event loop",
    )] = None
    http: Annotated[m.Http | None, Setting(
        "HTTP parser: h11, httptools or auto.", "server.http", IN_PYTHON,
        label="HTTP parser",
    )] = None
    python: Annotated[str | None, Setting(
        "Interpreter for the server, with the app's packages; the study's own if not given.",
        "server.python", IN_PYTHON, metavar="FILE",
        label="interpreter",
    )] = None
    worker_timeout_s: Annotated[Second | None, Setting(
        "Worker timeout in seconds; 0 disables it (gunicorn only).", "server.worker_timeout_s",
        IN_PYTHON, SECONDS, (0, 3600),
        label="worker timeout, s",
    )] = None
    client: Annotated[m.Library | None, Setting(
        f"Client library: {', '.join(m.FORMS_OF)}.", "client.library", HAS_CLIENT,
        environment="APP_CLIENT",
        label="client",
    )] = None
    client_life: Annotated[m.Life | None, Setting(
        "Client lifetime: shared (one for all requests) or per-request (one each).",
        "client.life", HAS_CLIENT, environment="APP_CLIENT_LIFE",
        label="client lifetime",
    )] = None
    client_timeout_s: Annotated[Second | None, Setting(
        "Timeout of the app's client, such as 60s.", "client.timeout_s", HAS_CLIENT,
        DURATION, (0.001, 600), environment="APP_CLIENT_TIMEOUT_MS",
        label="client timeout, s",
    )] = None
    client_connections: Annotated[int | None, Setting(
        "Maximum connections of the app's client in each worker.", "client.connections",
        HAS_CLIENT, bounds=(1, 100_000), environment="APP_CLIENT_CONNECTIONS",
        label="client connections",
    )] = None
    upstream: Annotated[m.UpstreamKind | None, Setting(
        "Upstream program: auto, python or go.", "upstream.kind", HAS_CLIENT,
        label="upstream",
    )] = None
    database_pool: Annotated[int | None, Setting(
        "Connections of the app's database pool in each worker.", "database.pool", HAS_DATABASE,
        bounds=(1, 1000), environment="APP_DATABASE_POOL", name="--db-pool",
        label="database pool, connections",
    )] = None
    keep_alive: Annotated[bool | None, Setting(
        "Connections are reused; --no-keep-alive opens one per request.",
        "load.keep_alive",
        label="keep-alive",
    )] = None
    requests: Annotated[int | None, Setting(
        "Completed requests that end the window before --duration; no limit if not given.",
        "load.requests", HAS_USERS, bounds=(1, 10_000_000), needs_locust=True,
        label="requests counted",
    )] = None
    engine: Annotated[m.Engine | None, Setting(
        "Load generator: locust or oha.", "load.engine",
        label="load generator",
    )] = None
    access_log: Annotated[m.AccessLog | None, Setting(
        "Access log: off, file or terminal (a slow one).", "server.access_log", IN_PYTHON,
        label="access log",
    )] = None
# fmt: on


def format_as_options(overrides: Overrides) -> str:
    """Return the overrides as a user types them."""
    return " ".join(option.format_typed(value) for option, value in list_given_options(overrides))


def build_environment(scenario: Scenario) -> dict[str, str]:
    """Return the app's environment variables for the scenario; durations in milliseconds."""
    found: dict[str, str] = {}
    for option in list_options(Overrides):
        value = option.read(scenario) if option.setting.environment else None
        if option.unit is DURATION and isinstance(value, int | float):
            value = round(1000 * value)
        if value is not None:
            found[option.setting.environment] = str(value)
    return found
