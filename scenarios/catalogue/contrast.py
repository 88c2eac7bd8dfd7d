"""Identical APIs side by side: eight endpoints on each of several servers.

As published (FastAPI v Axum with SQLite) with 50 users at once. Published were 1000 requests for
each endpoint (`--requests 1000`); at these rates that is a tenth of a second, in which nobody can
look at the load, so here it is three seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.model import Database, Endpoint, Load, Method, Scenario, Server, Style

RANK = 80
GROUP = "contrast"


@dataclass(frozen=True, slots=True)
class ContrastEndpoint:
    """One endpoint, on any server. `name` is short, `why` what it stresses."""

    name: str
    method: Method
    path: str
    body: str | None = None
    why: str = ""

    @property
    def subject(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server of the endpoints, below `base`; `url` where it is a server of the user's."""

    name: str
    style: Style
    server: Server
    base: str = ""
    url: str | None = None


def build_contrast_scenarios(
    endpoints: Sequence[ContrastEndpoint], contenders: Sequence[Contender]
) -> tuple[Scenario, ...]:
    return tuple(
        Scenario(
            name=f"{GROUP}-{each.name}-{contender.name}",
            group=GROUP,
            question=f"{each.subject} on {contender.name}: how many requests a second?",
            expect="def < async def < the compiled ones",
            why=f"It stresses {each.why}." if each.why else "An endpoint of the user's.",
            endpoint=Endpoint(contender.base + each.path, contender.style, each.method, each.body),
            server=contender.server,
            load=Load(users=50, spawn_rate=50.0, duration_s=3.0),
            database=None if contender.url else Database("sqlite", pool=5),
            subject=each.subject,
            contender=contender.name,
            url=contender.url,
        )
        for each in endpoints
        for contender in contenders
    )


ECHO_BODY = '{"text": "hello", "numbers": [1, 2, 3]}'
ITEM_BODY = '{"name": "a new item", "price_cents": 250}'
CPU = ContrastEndpoint("cpu", "GET", "/stress/cpu/1000", why="a loop of 1000 steps")
EIGHT = (
    ContrastEndpoint("root", "GET", "/", None, "handling HTTP and writing a small JSON"),
    ContrastEndpoint(
        "health", "GET", "/health", None, "one trivial statement: what asking SQLite costs"
    ),
    ContrastEndpoint("echo", "POST", "/echo", ECHO_BODY, "reading JSON"),
    ContrastEndpoint("say", "GET", "/echo/test", None, "hardly anything"),
    ContrastEndpoint("items", "GET", "/db/items", None, "a query, and 25 rows as JSON"),
    ContrastEndpoint("add", "POST", "/db/items", ITEM_BODY, "a write"),
    CPU,
    ContrastEndpoint(
        "memory", "GET", "/stress/memory/1", None, "taking 1 MiB and touching each page"
    ),
)
PYTHON = Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.contrast")
OURS = (
    Contender("def", "def", PYTHON, base="/sync"),
    Contender("async", "async def", PYTHON, base="/async"),
    Contender("axum", "async fn", Server("axum", worker_timeout_s=0.0)),
    Contender("gin", "goroutine", Server("gin", worker_timeout_s=0.0)),
)
PROCESSES = Contender("process", "async def with processes", PYTHON, base="/process")
"""Where the work is handed to another process: of the eight only the CPU's."""
SCENARIOS = build_contrast_scenarios(EIGHT, OURS) + build_contrast_scenarios([CPU], [PROCESSES])
