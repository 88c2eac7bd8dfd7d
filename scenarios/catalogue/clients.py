"""Which client library, and how long it lives: the same call to the same upstream each time."""

from scenarios.model import (
    AS_USERS,
    Client,
    Endpoint,
    Library,
    Life,
    Load,
    Scenario,
    Server,
    Style,
    Upstream,
)

RANK = 30

WORDS: dict[Life, str] = {"shared": "one client for all", "per-request": "a client a request"}
SHARED = "nearly as many rps as users / delay: 1,000"
EACH = "some 50 rps, def or async def alike"
CONTEXT = (
    "httpx builds a TLS context for each client that it makes, 15 to 20 ms of CPU, also where the "
    "upstream is plain HTTP."
)
BOOKS = (
    "httpx's pool looks at all connections whenever one comes or goes (encode/httpx #3215): the "
    "more requests are in flight, the dearer each is."
)
PLAIN = "Connections are kept and reused; what is left is the call itself."


def make_client_scenario(
    style: Style, library: Library, life: Life, expect: str, why: str
) -> Scenario:
    word, each = style.split()[0], life == "per-request"
    whose = library if library == "aiohttp" else f"{word} {library}"
    return Scenario(
        name=f"call-{word}-{library}{'-each' if each else ''}",
        group="clients",
        question=f"{style} and {library}, {WORDS[life]}: what does a call cost?",
        expect=expect,
        why=why,
        endpoint=Endpoint("/async/http" if style == "async def" else "/sync/http", style),
        server=Server(loop="auto", http="auto", worker_timeout_s=0.0, pool=AS_USERS),
        load=Load(users=100, spawn_rate=50.0, duration_s=10.0),
        delay_s=0.1,
        client=Client(library=library, life=life, timeout_s=60.0, connections=AS_USERS),
        upstream=Upstream(),
        subject="a call to an upstream",
        contender=f"{whose}/req" if each else whose,
    )


SCENARIOS = (
    make_client_scenario("async def", "httpx2", "shared", SHARED, PLAIN),
    make_client_scenario("async def", "httpx2", "per-request", EACH, CONTEXT),
    make_client_scenario("async def", "httpx", "shared", "a tenth of httpx2 shared", BOOKS),
    make_client_scenario("async def", "httpx", "per-request", EACH, CONTEXT),
    make_client_scenario("async def", "aiohttp", "shared", SHARED, PLAIN),
    make_client_scenario(
        "async def",
        "aiohttp",
        "per-request",
        expect="hardly fewer rps than one for all",
        why="An aiohttp session builds no TLS context of its own, only a connector.",
    ),
    make_client_scenario("def", "httpx2", "shared", SHARED, PLAIN),
    make_client_scenario("def", "httpx2", "per-request", EACH, CONTEXT),
    make_client_scenario("def", "httpx", "shared", "clearly fewer rps than httpx2 shared", BOOKS),
    make_client_scenario("def", "httpx", "per-request", EACH, CONTEXT),
)
