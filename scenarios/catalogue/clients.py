"""HTTP client libraries and the lifetime of a client: the same call to the same upstream."""

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
    "connections": "too few connections: what fails, what helps?",
}

WORDS: dict[Life, str] = {"shared": "one shared client", "per-request": "one client per request"}
SHARED = "nearly users / delay: 1,000 rps"
EACH = "about 50 rps, for def and async def"
CONTEXT = (
    "Each new httpx client builds a TLS context, which takes 15 to 20 ms of CPU even if the "
    "upstream speaks plain HTTP."
)
RUSTLS = (
    "Each new client loads the system's certificates, which takes about 10 ms of CPU even if the "
    "upstream speaks plain HTTP."
)
BOOKS = (
    "httpx's pool scans all connections whenever a request starts or ends (encode/httpx #3215), so "
    "each request costs more CPU the more are in flight."
)
PLAIN = "Connections are kept and reused, so only the call itself costs CPU."
CONNECTS = "The client builds a TLS context only when it needs one: each request only reconnects."
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
    make_client_scenario("async def", "httpx", "shared", "a tenth of shared httpx2's rps", BOOKS),
    make_client_scenario("async def", "httpx", "per-request", EACH, CONTEXT),
    make_client_scenario("async def", "aiohttp", "shared", SHARED, PLAIN),
    make_client_scenario(
        "async def",
        "aiohttp",
        "per-request",
        expect="hardly fewer rps than with a shared session",
        why="An aiohttp session builds only a connector and no TLS context.",
    ),
    make_client_scenario("async def", "pyreqwest", "shared", SHARED, PLAIN),
    make_client_scenario("async def", "pyreqwest", "per-request", "below 100 rps", RUSTLS),
    make_client_scenario("async def", "niquests", "shared", "fewer rps than aiohttp", PLAIN),
    make_client_scenario("async def", "niquests", "per-request", "fewer rps than shared", CONNECTS),
    make_client_scenario("def", "httpx2", "shared", SHARED, PLAIN),
    make_client_scenario("def", "httpx2", "per-request", EACH, CONTEXT),
    make_client_scenario("def", "httpx", "shared", "clearly fewer rps than shared httpx2", BOOKS),
    make_client_scenario("def", "httpx", "per-request", EACH, CONTEXT),
    make_client_scenario("def", "pyreqwest", "shared", SHARED, PLAIN),
    make_client_scenario("def", "pyreqwest", "per-request", "below 100 rps", RUSTLS),
    make_client_scenario("def", "urllib3", "shared", SHARED, PLAIN),
    make_client_scenario("def", "urllib3", "per-request", "fewer rps than shared", CONNECTS),
    make_client_scenario("def", "requests", "shared", "somewhat fewer rps than urllib3", PLAIN),
    make_client_scenario("def", "requests", "per-request", "fewer rps than shared", CONNECTS),
    make_client_scenario("def", "niquests", "shared", "somewhat fewer rps than urllib3", PLAIN),
    make_client_scenario("def", "niquests", "per-request", "fewer rps than shared", CONNECTS),
    make_waiting_scenario(
        "impatient",
        Client("pyreqwest", "shared", timeout_s=2.0, connections=20),
        question="100 requests share 20 connections with a pool timeout of 2 s: which fail?",
        expect="20 successful responses per second, and about as many 504s",
        why="20 connections serve 20 requests per second. A request that finds no free connection "
        "waits, and gives up after 2 s. Each one that gives up shortens the wait of the next.",
    ),
    make_waiting_scenario(
        "patient",
        Client("pyreqwest", "shared", timeout_s=60.0, connections=20),
        question="the same with a pool timeout of 60 s: does a longer timeout help?",
        expect="20 rps and no failure, but each request takes 5 s",
        why="A longer timeout turns errors into latency: 100 requests / 20 rps = 5 s. The "
        "connections still limit throughput.",
    ),
    make_waiting_scenario(
        "enough",
        Client("pyreqwest", "shared", timeout_s=2.0, connections=AS_USERS),
        question="the same with one connection per request: does that fix it?",
        expect="100 rps, no failure, and each request takes the upstream's 1 s",
        why="Connections needed = 1.5 × calls per second × seconds per call, if the upstream can "
        "serve that many.",
    ),
)
