"""One API on several servers: eight endpoints on each, or the endpoints and servers of the user.

The published comparison (FastAPI v Axum with SQLite) had 50 concurrent users and 1000 requests per
endpoint (`--requests 1000`). At these rates that takes a tenth of a second, too short to sample the
load, so each endpoint is measured for three seconds here.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from scenarios.errors import UserError
from scenarios.model import (
    FOREIGN_BYSTANDER,
    BackgroundRequest,
    Database,
    Endpoint,
    Load,
    Method,
    Scenario,
    Server,
    Style,
)

RANK = 80
GROUP = "contrast"
QUESTIONS = {GROUP: "one API as def, async def, Axum, gin: which is faster?"}
PLAIN = "/:?#[]@!$&'()*+,;=%~"
"""Characters of an address that are sent unchanged; all others are percent-encoded as UTF-8."""


@dataclass(frozen=True, slots=True)
class ContrastEndpoint:
    """One endpoint, on any server. `why` completes "It stresses ..."."""

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
    """A server with the endpoints below the path `base`; `url` is set for the user's server."""

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
            question=f"{each.subject} on {contender.name}: how many requests per second?",
            expect="unknown: this is your server"
            if contender.url
            else "def < async def < the compiled servers",
            why=f"It stresses {each.why}." if each.why else "This is your endpoint.",
            endpoint=Endpoint(contender.base + each.path, contender.style, each.method, each.body),
            server=contender.server,
            load=Load(users=50, spawn_rate=50.0, duration_s=3.0),
            database=None if contender.url else Database("sqlite", pool=5),
            subject=each.subject,
            contender=contender.name,
            url=contender.url,
            bystander=FOREIGN_BYSTANDER if contender.url else BackgroundRequest(),
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
        "health", "GET", "/health", None, "one trivial statement: the cost of calling SQLite"
    ),
    ContrastEndpoint("echo", "POST", "/echo", ECHO_BODY, "reading JSON"),
    ContrastEndpoint("say", "GET", "/echo/test", None, "routing and little else"),
    ContrastEndpoint("items", "GET", "/db/items", None, "a query, and 25 rows as JSON"),
    ContrastEndpoint("add", "POST", "/db/items", ITEM_BODY, "a write"),
    CPU,
    ContrastEndpoint(
        "memory", "GET", "/stress/memory/1", None, "allocating 1 MiB and touching each page"
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
"""Moves the work to other processes; only the CPU endpoint has this form."""
SCENARIOS = build_contrast_scenarios(EIGHT, OURS) + build_contrast_scenarios([CPU], [PROCESSES])


def parse_target(text: str) -> Contender:
    """Parse `NAME=http://host:port[/base]`. Raises UserError."""
    name, _, url = text.partition("=")
    try:
        parts = urlsplit(quote(url, safe=PLAIN))
        port = parts.port or 80
    except ValueError:
        port, parts = 0, urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username or ":" in (parts.hostname or ""))
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,12}", name) or not plain:
        raise UserError(f"--target {text!r}: give NAME=http://host:port, NAME of 1 to 12 letters")
    if parts.scheme != "http" or not parts.hostname or not port:
        raise UserError(f"--target {text!r}: only http:// is supported; give NAME=http://host:port")
    return Contender(
        name=name,
        style="unknown",
        server=Server("given", worker_timeout_s=0.0),
        base=parts.path.rstrip("/"),
        url=f"http://{parts.hostname}:{port}",
    )


def parse_endpoint(text: str) -> ContrastEndpoint:
    """Parse `GET /path` or `POST /path {"json": "body"}`. Raises UserError."""
    match = re.fullmatch(r"\s*(GET|POST)\s+(/\S*)(?:\s+(\S.*?))?\s*", text, re.DOTALL)
    if match is None:
        raise UserError(f"--endpoint {text!r}: give 'GET /path', or 'POST /path {{\"a\": 1}}'")
    body = match[3]
    if body is not None:
        try:
            json.loads(body)
        except ValueError as error:
            raise UserError(f"--endpoint {text!r}: its body is not JSON: {error}") from error
    method: Method = "POST" if match[1] == "POST" else "GET"
    name = re.sub(r"[^a-z0-9]+", "-", match[2].lower()).strip("-") or "root"
    return ContrastEndpoint(
        f"{name[:24]}-{method.lower()}", method, quote(match[2], safe=PLAIN), body
    )


def choose_contrast_scenarios(
    targets: Sequence[str], endpoints: Sequence[str]
) -> tuple[Scenario, ...]:
    """Build the scenarios for the user's servers and endpoints, and for the catalogue's where none
    were given. Raises UserError."""
    contenders = [parse_target(each) for each in targets] or list(OURS)
    chosen = [parse_endpoint(each) for each in endpoints] or list(EIGHT)
    for kind, names in (
        ("--target", [each.name for each in contenders]),
        ("--endpoint", [each.subject for each in chosen]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UserError(f"{kind}: {min(twice)} is given twice")
    return build_contrast_scenarios(number_duplicate_names(chosen), contenders)


def number_duplicate_names(endpoints: Sequence[ContrastEndpoint]) -> list[ContrastEndpoint]:
    """Append a number to equal names, because two paths may shorten to the same name."""
    names = [each.name for each in endpoints]
    return [
        replace(each, name=f"{each.name}-{place}") if names.count(each.name) > 1 else each
        for place, each in enumerate(endpoints, start=1)
    ]
