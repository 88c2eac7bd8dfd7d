"""Which client library, and how long it lives: the same call to the same upstream each time."""

from scenarios.model import (
    AS_USERS,
    FORMS_OF,
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
QUESTIONS = {
    "clients": "seven HTTP clients: what does one call cost?",
    "connections": "too few connections: who fails, and what helps?",
}

WORDS: dict[Life, str] = {"shared": "one client for all", "per-request": "a client a request"}
SHARED = "nearly as many rps as users / delay: 1,000"
EACH = "some 50 rps, def or async def alike"
CONTEXT = (
    "httpx builds a TLS context for each client that it makes, 15 to 20 ms of CPU, also where the "
    "upstream is plain HTTP."
)
RUSTLS = (
    "Its engine reads the machine's certificates for each client, some 10 ms of CPU, also where "
    "the upstream is plain HTTP."
)
BOOKS = (
    "httpx's pool looks at all connections whenever one comes or goes (encode/httpx #3215): the "
    "more requests are in flight, the dearer each is."
)
PLAIN = "Connections are kept and reused; what is left is the call itself."
CONNECTS = "A client of its own builds no TLS context before it needs one: it only connects anew."
server = Server(loop="auto", http="auto", worker_timeout_s=0.0, pool=AS_USERS)


def make_client_scenario(
    style: Style, library: Library, life: Life, expect: str, why: str
) -> Scenario:
    word, each = style.split()[0], life == "per-request"
    whose = f"{word} {library}" if len(FORMS_OF[library]) > 1 else library
    return Scenario(
        name=f"call-{word}-{library}{'-each' if each else ''}",
        group="clients",
        question=f"{style} and {library}, {WORDS[life]}: what does a call cost?",
        expect=expect,
        why=why,
        endpoint=Endpoint("/async/http" if style == "async def" else "/sync/http", style),
        server=server,
        load=Load(users=100, spawn_rate=50.0, duration_s=10.0),
        delay_s=0.1,
        client=Client(library=library, life=life, timeout_s=60.0, connections=AS_USERS),
        upstream=Upstream(),
        subject="a call to an upstream",
        contender=f"{whose}/req" if each else whose,
    )


def make_waiting_scenario(
    name: str, client: Client, question: str, expect: str, why: str
) -> Scenario:
    return Scenario(
        name=f"wait-{name}",
        group="connections",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint("/async/http", "async def"),
        server=server,
        load=Load(users=100, spawn_rate=50.0, duration_s=15.0),
        delay_s=1.0,
        client=client,
        upstream=Upstream(),
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
    make_client_scenario("async def", "pyreqwest", "shared", SHARED, PLAIN),
    make_client_scenario("async def", "pyreqwest", "per-request", "below 100 rps", RUSTLS),
    make_client_scenario("async def", "niquests", "shared", "fewer rps than aiohttp", PLAIN),
    make_client_scenario(
        "async def", "niquests", "per-request", "fewer rps than one for all", CONNECTS
    ),
    make_client_scenario("def", "httpx2", "shared", SHARED, PLAIN),
    make_client_scenario("def", "httpx2", "per-request", EACH, CONTEXT),
    make_client_scenario("def", "httpx", "shared", "clearly fewer rps than httpx2 shared", BOOKS),
    make_client_scenario("def", "httpx", "per-request", EACH, CONTEXT),
    make_client_scenario("def", "pyreqwest", "shared", SHARED, PLAIN),
    make_client_scenario("def", "pyreqwest", "per-request", "below 100 rps", RUSTLS),
    make_client_scenario("def", "urllib3", "shared", SHARED, PLAIN),
    make_client_scenario("def", "urllib3", "per-request", "fewer rps than one for all", CONNECTS),
    make_client_scenario("def", "requests", "shared", "somewhat fewer rps than urllib3", PLAIN),
    make_client_scenario("def", "requests", "per-request", "fewer rps than one for all", CONNECTS),
    make_client_scenario("def", "niquests", "shared", "somewhat fewer rps than urllib3", PLAIN),
    make_client_scenario("def", "niquests", "per-request", "fewer rps than one for all", CONNECTS),
    make_waiting_scenario(
        "impatient",
        Client("pyreqwest", "shared", timeout_s=2.0, connections=20),
        question="100 requests share 20 connections, and none waits longer than 2 s: who fails?",
        expect="20 good answers a second, and as many 504s",
        why="20 connections answer 20 a second. A request that finds none waits for one; after "
        "2 s it gives up. Each that gives up leaves the next a shorter wait.",
    ),
    make_waiting_scenario(
        "patient",
        Client("pyreqwest", "shared", timeout_s=60.0, connections=20),
        question="the same with a timeout of 60 s: does patience help?",
        expect="20 rps and no failure, but each request takes 5 s",
        why="A longer timeout turns errors into latency: 100 requests / 20 rps are 5 s. The "
        "connections are still what limits.",
    ),
    make_waiting_scenario(
        "enough",
        Client("pyreqwest", "shared", timeout_s=2.0, connections=AS_USERS),
        question="the same with a connection for each request: is that the cure?",
        expect="100 rps, no failure, each request takes the upstream's 1 s",
        why="Where the upstream bears it, connections = calls a second × seconds of a call, and "
        "half as many again, is what a client needs.",
    ),
)
