"""The settings in which scenarios differ or agree, and the words for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.answers.measured_scenario import MeasuredScenario, Served
from analysis.stats import formats
from scenarios.model import THREADS_OF, Scenario, Style

STYLE_WORDS: Mapping[Style, str] = {
    "async def that blocks": "async def that blocks the event loop",
    "async def that offloads": "async def that runs its call in a thread",
    "async def to the executor": "async def that runs its call in asyncio's executor",
    "async def with processes": "async def that runs its work in processes",
    "async fn": "Rust's async fn",
    "goroutine": "a goroutine",
}
"""Any other style is its own word."""
STYLE, CODE, THREADS = "the endpoint's style", "the endpoint's code", "the number of threads"
LIFE, LIBRARY = "the client lifetime", "the client library"
CONNECTIONS, TIMEOUT = "the client's connections", "the client's timeout"
SERVER = "the server"
DATABASE_LIFE = "the lifetime of database connections"
DATABASE_POOL = "the size of the database pool"
LIFE_WORDS = {"shared": "one shared client", "per-request": "one client per request"}
LOG_WORDS = {
    "off": "no access log",
    "file": "an access log in a file",
    "terminal": "an access log on a slow terminal",
}
DATABASE_WORDS = {
    "pool": "a pool of database connections",
    "per-request": "one database connection per request",
}
THREAD_PER_USER = "one thread per user"
MOST_NAMED = 4
"""Maximum of scenarios that a sentence names."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A setting that may make a difference. `get`: its value in a scenario, or None. `describe`:
    the value in words, to follow "with"."""

    name: str
    get: Callable[[Scenario], object]
    describe: Callable[[Scenario], str]


def get_pool(scenario: Scenario) -> int | None:
    """Return the number of threads that a request may have to wait for."""
    return (
        scenario.server.pool if THREADS_OF.get(scenario.endpoint.style) == "anyio's pool" else None
    )


def describe_style(scenario: Scenario) -> str:
    style = scenario.endpoint.style
    return STYLE_WORDS.get(style, style)


def describe_pool(scenario: Scenario) -> str:
    if get_pool(scenario) == scenario.load.users and not scenario.load.is_open:
        return THREAD_PER_USER
    return count_together(scenario, scenario.server.pool, "thread")


def count_together(scenario: Scenario, count: int, thing: str) -> str:
    """Count the threads or connections of all workers. count: in each worker."""
    return formats.count_things(count * scenario.server.workers, thing)


FACTORS: Sequence[Factor] = (
    Factor(STYLE, lambda s: s.endpoint.style, describe_style),
    Factor(
        LIFE,
        lambda s: s.client.life if s.client else None,
        lambda s: LIFE_WORDS[s.client.life] if s.client else "no client",
    ),
    Factor(
        LIBRARY,
        lambda s: s.client.library if s.client else None,
        lambda s: s.client.library if s.client else "no client",
    ),
    Factor(THREADS, get_pool, describe_pool),
    Factor(
        CONNECTIONS,
        lambda s: s.client.connections if s.client and s.client.life == "shared" else None,
        lambda s: (
            count_together(s, s.client.connections, "connection") if s.client else "no client"
        ),
    ),
    Factor(
        TIMEOUT,
        lambda s: s.client.timeout_s if s.client else None,
        lambda s: f"a client timeout of {s.client.timeout_s:g} s" if s.client else "no client",
    ),
    Factor(
        SERVER,
        lambda s: s.url or s.server.kind,
        lambda s: f"the server at {s.url}" if s.url else s.server.kind,
    ),
    Factor("the event loop", lambda s: s.server.loop, lambda s: s.server.loop),
    Factor("the HTTP parser", lambda s: s.server.http, lambda s: s.server.http),
    Factor(
        "the number of workers",
        lambda s: s.server.workers,
        lambda s: formats.count_things(s.server.workers, "worker"),
    ),
    Factor(
        "the worker timeout",
        lambda s: s.server.worker_timeout_s,
        lambda s: f"a worker timeout of {s.server.worker_timeout_s:g} s",
    ),
    Factor(
        "the interpreter",
        lambda s: s.server.python,
        lambda s: s.server.python or "the study's interpreter",
    ),
    Factor("the app", lambda s: s.server.app, lambda s: s.server.app),
    Factor(
        "the access log",
        lambda s: s.server.access_log,
        lambda s: LOG_WORDS[s.server.access_log],
    ),
    Factor(
        DATABASE_LIFE,
        lambda s: s.database.life if s.database else None,
        lambda s: DATABASE_WORDS[s.database.life] if s.database else "no database",
    ),
    Factor(
        DATABASE_POOL,
        lambda s: s.database.pool if s.database and s.database.life == "pool" else None,
        lambda s: (
            count_together(s, s.database.pool, "database connection")
            if s.database
            else "no database"
        ),
    ),
    Factor(
        "the database",
        lambda s: s.database.kind if s.database else None,
        lambda s: s.database.kind if s.database else "no database",
    ),
    Factor(
        "the upstream",
        lambda s: s.upstream.kind if s.upstream else None,
        lambda s: f"an upstream in {s.upstream.kind}" if s.upstream else "no upstream",
    ),
    Factor(
        "the load program",
        lambda s: (s.load.engine, s.load.user_class, s.load.processes),
        lambda s: f"{s.load.processes} x {s.load.engine} ({s.load.user_class} users)",
    ),
    Factor(
        "one request in a hundred",
        lambda s: s.rare.style if s.rare else None,
        lambda s: f"1 % of the requests to {s.rare.path} ({s.rare.style})" if s.rare else "",
    ),
    Factor(
        CODE,
        lambda s: (s.endpoint.method, s.endpoint.path, s.endpoint.body),
        lambda s: s.endpoint.path,
    ),
)


COMPILED = frozenset(
    {LIFE, LIBRARY, CODE, CONNECTIONS, TIMEOUT}
    | {"the event loop", "the HTTP parser", "the app", "the worker timeout"}
)
"""Settings that follow from the language of a compiled server."""


def list_differences(one: Scenario, other: Scenario) -> tuple[Factor, ...]:
    """List the settings in which they differ, without those that follow from another one: the
    style implies the code and the threads, except with a database, whose driver no scenario names;
    the lifetime of a client or database connection implies their number. Of an external server,
    nothing else is known."""
    found = tuple(each for each in FACTORS if each.get(one) != each.get(other))
    if one.url or other.url:
        return tuple(each for each in found if each.name == SERVER)
    names = {each.name for each in found}
    implied = {CONNECTIONS} if LIFE in names else set[str]()
    implied |= {DATABASE_POOL} if DATABASE_LIFE in names else set()
    if STYLE in names and None in (get_pool(one), get_pool(other)):
        implied |= {THREADS}
    if STYLE in names and not (one.database or other.database):
        implied |= {CODE}
    if one.server.is_compiled or other.server.is_compiled:
        implied |= COMPILED
    return tuple(each for each in found if each.name not in implied)


def name_cases(cases: Sequence[MeasuredScenario]) -> tuple[str, ...]:
    """Name the cases by their styles where these are distinct, else by the scenarios' names."""
    words = tuple(describe_style(each.scenario) for each in cases)
    is_known = all(each.scenario.endpoint.style != "unknown" for each in cases)
    return words if is_known and len({*words}) == len(words) else tuple(each.name for each in cases)


def describe_common(cases: Sequence[MeasuredScenario]) -> str:
    """Describe what they share where requests wait: the client's lifetime, and the threads of those
    that need some. Empty where they share nothing."""
    scenarios = [each.scenario for each in cases]
    lives = {each.client.life if each.client else None for each in scenarios}
    pools = {describe_pool(each) for each in scenarios if get_pool(each) is not None}
    if pools == {THREAD_PER_USER}:
        pools = {"enough threads"}
    parts = [LIFE_WORDS[life] for life in lives if life and len(lives) == 1]
    parts += [*pools] if len(pools) == 1 else []
    return " and ".join(parts)


def join_words(words: Sequence[str]) -> str:
    """As in "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def name_some(names: Sequence[str]) -> str:
    """Join a few names; shorten many to the first ones and a count."""
    if len(names) <= MOST_NAMED:
        return join_words(names)
    shown = names[: MOST_NAMED - 1]
    return f"{', '.join(shown)} and {len(names) - len(shown)} others"


def list_rates(served: Sequence[Served]) -> str:
    """As in "1.0 and 0.9"."""
    return join_words([str(each) for each in served])


def list_served(served: Sequence[Served]) -> str:
    """As in "one and other serve 1.0 and 0.9 requests/s"."""
    verb = "serves" if len(served) == 1 else "serve"
    return f"{join_words([each.name for each in served])} {verb} {list_rates(served)} requests/s"


def describe_places(scenario: Scenario, resource: str) -> str:
    """Describe what a scenario has instead of a resource that is full in another one."""
    if resource == "client connections" and scenario.client is not None:
        return count_together(scenario, scenario.client.connections, "connection")
    if resource == "database connections" and scenario.database is not None:
        return count_together(scenario, scenario.database.pool, "connection")
    return describe_style(scenario) if get_pool(scenario) is None else describe_pool(scenario)
