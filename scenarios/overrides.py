"""What the command line may change of a scenario, checked before anything starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from scenarios.errors import UserError
from scenarios.model import (
    AccessLog,
    Arrivals,
    Client,
    Engine,
    Http,
    Library,
    Life,
    Load,
    Loop,
    PythonServer,
    Scenario,
    Server,
    Upstream,
    UpstreamKind,
    UserClass,
)
from scenarios.units import Second

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Overrides:
    """None leaves the scenario's own value."""

    users: int | None = None
    spawn_rate: float | None = None
    duration_s: Second | None = None
    think_s: Second | None = None
    delay_s: Second | None = None
    user_class: UserClass | None = None
    load_processes: int | None = None
    arrival_rate: float | None = None
    arrivals: Arrivals | None = None
    server: PythonServer | None = None
    workers: int | None = None
    pool: int | None = None
    loop: Loop | None = None
    http: Http | None = None
    worker_timeout_s: Second | None = None
    client: Library | None = None
    client_life: Life | None = None
    client_timeout_s: Second | None = None
    client_connections: int | None = None
    upstream: UpstreamKind | None = None
    database_pool: int | None = None
    keep_alive: bool | None = None
    requests: int | None = None
    engine: Engine | None = None
    access_log: AccessLog | None = None


BOUNDS: dict[str, tuple[float, float, str]] = {
    "users": (1, 100_000, ""),
    "spawn_rate": (0.1, 10_000, ""),
    "duration_s": (0.5, 3600, " s"),
    "think_s": (0, 3600, " s"),
    "delay_s": (0, 60, " s"),
    "load_processes": (1, 64, ""),
    "arrival_rate": (0.1, 20_000, " a second"),
    "workers": (1, 64, ""),
    "pool": (1, 10_000, ""),
    "worker_timeout_s": (0, 3600, " s"),
    "client_timeout_s": (0.001, 600, " s"),
    "client_connections": (1, 100_000, ""),
    "database_pool": (1, 1000, ""),
    "requests": (1, 10_000_000, ""),
}
DURATIONS = ("duration_s", "think_s", "delay_s", "client_timeout_s")
LOCUST_OPTIONS = ("arrival_rate", "spawn_rate", "think_s", "user_class", "requests")
CLOSED_LOOP_OPTIONS = ("users", "spawn_rate", "think_s", "user_class", "requests")
VARIED: dict[str, Callable[[Scenario], str | None]] = {
    "server": lambda each: each.server.kind,
    "loop": lambda each: each.server.loop,
    "http": lambda each: each.server.http,
    "access_log": lambda each: each.server.access_log,
    "client": lambda each: each.client.library if each.client else None,
    "client_life": lambda each: each.client.life if each.client else None,
}
PYTHON_OPTIONS = ("server", "pool", "loop", "http", "worker_timeout_s", "access_log")
CLIENT_OPTIONS = ("client", "client_life", "client_timeout_s", "client_connections", "upstream")


def format_plain_number(value: float) -> str:
    """As it was typed, not as 1e+20."""
    return str(int(value)) if value == int(value) else str(value)


def format_option_name(name: str) -> str:
    spelt = {"think_s": "think_time_s", "database_pool": "db_pool"}
    return "--" + spelt.get(name, name).removesuffix("_s").replace("_", "-")


def format_as_options(overrides: Overrides) -> str:
    """What would have to be typed for them."""
    words = []
    for each in fields(overrides):
        value = getattr(overrides, each.name)
        if value is None:
            continue
        if each.name == "keep_alive":
            words.append("--keep-alive" if value else "--no-keep-alive")
        else:
            words.append(f"{format_option_name(each.name)} {format_option_value(each.name, value)}")
    return " ".join(words)


def format_option_value(name: str, value: float | str) -> str:
    if name in DURATIONS and not isinstance(value, str):
        return f"{value:g}s" if value >= 1 else f"{1000 * value:g}ms"
    if isinstance(value, str):
        return value
    return f"{value:g}/s" if name == "arrival_rate" else format_plain_number(value)


def check_bounds(overrides: Overrides) -> Overrides:
    """The same overrides. Raises UserError naming the first value out of bounds."""
    for name, (lowest, highest, unit) in BOUNDS.items():
        value = getattr(overrides, name)
        if value is not None and not lowest <= value <= highest:
            raise UserError(
                f"{format_option_name(name)} {format_plain_number(value)}: "
                f"give {lowest:g} to {highest:g}{unit}"
            )
    timeout_s = overrides.worker_timeout_s
    if timeout_s is not None and timeout_s != int(timeout_s):
        raise UserError(f"--worker-timeout {timeout_s:g}: gunicorn takes whole seconds")
    return overrides


def apply_overrides(scenarios: Sequence[Scenario], overrides: Overrides) -> tuple[Scenario, ...]:
    """Each scenario with what was asked for. An option that fits none of them is refused."""
    check_bounds(overrides)
    if not any(each.client for each in scenarios):
        _reject_given(overrides, CLIENT_OPTIONS, "has a client or an upstream")
    if not any(each.server.is_python for each in scenarios):
        _reject_given(overrides, PYTHON_OPTIONS, "is served by Python")
    if not any(each.database for each in scenarios):
        _reject_given(overrides, ("database_pool",), "asks a database")
    if all(each.delay_s is None for each in scenarios):
        _reject_given(overrides, ("delay_s",), "waits for anything")
    _reject_varied(scenarios, overrides)
    if all(each.load.is_open for each in scenarios):
        _reject_given(overrides, CLOSED_LOOP_OPTIONS, "has users: an open loop has a rate")
    if all(each.url for each in scenarios):
        _reject_given(overrides, ("workers",), "is a server of ours")
    if overrides.server == "uvicorn" and overrides.worker_timeout_s:
        raise UserError(
            "--worker-timeout is gunicorn's: uvicorn does not watch its loop; leave one of them out"
        )
    if overrides.arrivals is not None and overrides.arrival_rate is None:
        raise UserError("--arrivals says how an open loop's requests come: give --arrival-rate too")
    if overrides.arrival_rate is not None:
        for name in CLOSED_LOOP_OPTIONS:
            if getattr(overrides, name) is not None:
                raise UserError(
                    f"{format_option_name(name)}: "
                    "an open loop (--arrival-rate) has no users; leave one out"
                )
    if overrides.engine not in (None, "locust"):
        for name in LOCUST_OPTIONS:
            if getattr(overrides, name) is not None:
                raise UserError(
                    f"{format_option_name(name)}: only Locust can; leave it or --engine out"
                )
    return tuple(_override_scenario(scenario, overrides) for scenario in scenarios)


def _reject_given(overrides: Overrides, names: Sequence[str], what: str) -> None:
    for name in names:
        if getattr(overrides, name) is not None:
            raise UserError(
                f"{format_option_name(name)}: none of the chosen scenarios {what}; leave it out"
            )


def _reject_varied(scenarios: Sequence[Scenario], overrides: Overrides) -> None:
    """What tells contenders apart can't be made the same for all: their names would be wrong."""
    for name, value_of in VARIED.items():
        if getattr(overrides, name) is None:
            continue
        by_subject: dict[str, set[str | None]] = {}
        for each in scenarios:
            if each.subject and each.server.is_python:
                by_subject.setdefault(each.subject, set()).add(value_of(each))
        varied = [subject for subject, values in by_subject.items() if len(values) > 1]
        if varied:
            raise UserError(
                f"{format_option_name(name)}: "
                f"the scenarios of {varied[0]!r} differ in it, and are named after "
                "it; choose one of them"
            )


def _override_scenario(scenario: Scenario, o: Overrides) -> Scenario:
    if scenario.rare is not None and o.engine not in (None, "locust"):
        raise UserError(
            f"--engine {o.engine}: it asks for one path, and {scenario.name} has two; leave it out"
        )
    client = scenario.client and _override_client(scenario, scenario.client, o)
    other_library = client and scenario.client and client.library != scenario.client.library
    return replace(
        scenario,
        name=f"{scenario.name}-{client.library}" if client and other_library else scenario.name,
        load=_override_load(scenario.load, o),
        delay_s=scenario.delay_s
        if scenario.delay_s is None
        else _choose_given(o.delay_s, scenario.delay_s),
        server=_override_server(scenario.server, o),
        client=client,
        upstream=scenario.upstream and Upstream(_choose_given(o.upstream, scenario.upstream.kind)),
        database=scenario.database
        and replace(scenario.database, pool=_choose_given(o.database_pool, scenario.database.pool)),
    )


def _override_load(load: Load, o: Overrides) -> Load:
    engine = _choose_given(o.engine, load.engine)
    counts = o.arrival_rate is None and engine == "locust"
    own_requests = load.requests if counts else None
    found = Load(
        users=_choose_given(o.users, load.users),
        spawn_rate=_choose_given(o.spawn_rate, load.spawn_rate),
        duration_s=_choose_given(o.duration_s, load.duration_s),
        think_s=_choose_given(o.think_s, load.think_s),
        user_class=_choose_given(o.user_class, load.user_class),
        processes=_choose_given(o.load_processes, load.processes),
        arrival_rate=_choose_given(o.arrival_rate, load.arrival_rate),
        arrivals=_choose_given(o.arrivals, load.arrivals),
        keep_alive=_choose_given(o.keep_alive, load.keep_alive),
        engine=engine,
        requests=_choose_given(o.requests, own_requests),
    )
    if engine != "locust" and (found.is_open or found.think_s):
        what = "an open loop" if found.is_open else "a pause between requests"
        raise UserError(f"--engine {engine}: {what} is Locust's alone; choose scenarios without")
    if engine != "locust" and found.processes > found.users:
        raise UserError(f"--load-processes {found.processes}: {engine} needs as many --users")
    if found.requests is not None and found.processes > 1:
        raise UserError(
            f"--load-processes {found.processes}: {found.requests} requests are counted by one "
            "load process; leave it out"
        )
    return found


def _override_server(server: Server, o: Overrides) -> Server:
    if not server.is_python:
        return replace(server, workers=_choose_given(o.workers, server.workers))
    kind = _choose_given(o.server, server.kind)
    own_timeout_s = server.worker_timeout_s if kind == "gunicorn" else 0.0
    return replace(
        server,
        kind=kind,
        workers=_choose_given(o.workers, server.workers),
        loop=_choose_given(o.loop, server.loop),
        http=_choose_given(o.http, server.http),
        worker_timeout_s=_choose_given(o.worker_timeout_s, own_timeout_s),
        pool=_choose_given(o.pool, server.pool),
        access_log=_choose_given(o.access_log, server.access_log),
    )


def _override_client(scenario: Scenario, client: Client, o: Overrides) -> Client:
    library = _choose_given(o.client, client.library)
    if library == "aiohttp" and scenario.endpoint.blocks_a_thread:
        raise UserError(
            f"--client aiohttp: {scenario.name} calls its upstream by blocking, and aiohttp has "
            "no blocking form; choose httpx or httpx2, or only async def scenarios"
        )
    return Client(
        library=library,
        life=_choose_given(o.client_life, client.life),
        timeout_s=_choose_given(o.client_timeout_s, client.timeout_s),
        connections=_choose_given(o.client_connections, client.connections),
    )


def _choose_given(given: Value | None, own: Value) -> Value:
    return own if given is None else given
