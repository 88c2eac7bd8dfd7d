"""The scenario: one question put to one endpoint, with everything that decides the answer.

A catalogue entry may leave things open ("auto", "as many as users"); `resolve_scenario` closes
them, so that what runs, and what the manifest tells, holds nothing to be guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

Style = Literal[
    "def", "async def", "async def that blocks", "async def that offloads",
    "async def to the executor", "async def with processes", "async fn", "goroutine", "unknown",
]  # fmt: skip
"""`async fn` and `goroutine` are how compiled servers write `async def`; unknown: of a server that
is not ours."""
Threads = Literal["anyio's pool", "asyncio's executor"]
THREADS_OF: Mapping[Style, Threads] = {
    "def": "anyio's pool",
    "async def that offloads": "anyio's pool",
    "async def to the executor": "asyncio's executor",
}
"""Whose threads a request waits for. The other styles need none."""
Method = Literal["GET", "POST"]
Library = Literal["httpx", "httpx2", "aiohttp", "pyreqwest", "urllib3", "requests", "niquests"]
Form = Literal["blocking", "awaiting"]
BOTH: tuple[Form, ...] = ("blocking", "awaiting")
FORMS_OF: Mapping[Library, tuple[Form, ...]] = {
    **dict.fromkeys(("httpx", "httpx2"), BOTH), "aiohttp": ("awaiting",), "pyreqwest": BOTH,
    **dict.fromkeys(("urllib3", "requests"), ("blocking",)), "niquests": BOTH,
}  # fmt: skip
"""How a library can be asked: a test compares with the specimen's modules for them."""
Life = Literal["per-request", "shared"]
PythonServer = Literal["gunicorn", "uvicorn"]
ServerKind = Literal["gunicorn", "uvicorn", "axum", "gin", "given"]
"""The last is the user's own: already running, not ours to start, end or settle."""
APP_TARGETS: Mapping[str, str] = {
    "app.main": "app.main:app",
    "app.users": "app.systems.users:app",
    "app.tasks": "app.systems.tasks:app",
    "app.contrast": "app.systems.contrast:app",
}
"""Where each is found, as a server is given it."""
AccessLog = Literal["off", "file", "terminal"]
Loop = Literal["asyncio", "uvloop", "auto"]
Http = Literal["h11", "httptools", "auto"]
UpstreamKind = Literal["auto", "python", "go"]
UserClass = Literal["fast", "requests"]
Arrivals = Literal["constant", "poisson"]
Engine = Literal["locust", "oha"]
DatabaseKind = Literal["postgresql", "sqlite"]
DatabaseLife = Literal["pool", "per-request"]

AS_USERS: Literal[0] = 0
"""In a catalogue entry: as many as there are users, so that it never binds."""
NEVER_BINDS = 10_000  # connections, where nobody knows how many requests will be under way


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    style: Style
    method: Method = "GET"
    body: str | None = None
    """JSON, sent with each request."""
    answers_first: bool = False
    """Whether the work is a background task, which begins when the answer has been sent."""

    @property
    def client_form(self) -> Form:
        """Which form of a client the call to the upstream needs."""
        blocks = self.style in ("def", "async def that blocks", "async def that offloads")
        return "blocking" if blocks else "awaiting"

    @property
    def works_on_the_loop(self) -> bool:
        """Whether the endpoint's own code runs there, so that it can be what holds the loop."""
        return self.style in ("async def", "async def that blocks")

    @property
    def blocks_the_loop(self) -> bool:
        return self.style == "async def that blocks"


@dataclass(frozen=True, slots=True)
class RareRequest:
    """One request in so many goes there instead."""

    path: str
    style: Style
    one_in: int = 100


@dataclass(frozen=True, slots=True)
class BackgroundRequest:
    """Somebody else, who asks now and then through the whole cell: what does the load do to them?

    `needs`: whose threads its request waits for, if any, and how many `turns` it takes there, one
    after the other. About once a second, but no whole number of common delays: it would meet users
    in lockstep at the same point each time.
    """

    path: str = "/ping"
    needs: Threads | None = None
    every_s: Second = 0.97
    turns: int = 1


FOREIGN_BYSTANDER = BackgroundRequest("/")
"""Of a server that is not ours: the one path that any has."""


def is_python_server(kind: object) -> bool:
    """Every server is one but for the compiled ones and the user's own."""
    return kind not in ("axum", "gin", "given")


@dataclass(frozen=True, slots=True)
class Server:
    kind: ServerKind = "gunicorn"
    workers: int = 1
    loop: Loop = "asyncio"
    http: Http = "h11"
    worker_timeout_s: Second = 30.0
    """gunicorn kills a worker that gave no heartbeat for so long; 0 never."""
    pool: int = 40
    """Threads of anyio's pool in each worker; anyio's own default is 40."""
    app: str = "app.main"
    """One of ours, or module:attribute of the user's; axum and gin are one program each."""
    folder: str = ""  # where the user's module is found
    access_log: AccessLog = "off"  # a line a request, to a file, or to a slow terminal
    python: str = ""  # the path of its interpreter; empty for the study's own

    @property
    def is_python(self) -> bool:
        """Whether it runs an ASGI app, with the probe in front of it."""
        return is_python_server(self.kind)

    @property
    def has_users_app(self) -> bool:
        return self.is_python and self.app not in APP_TARGETS

    @property
    def kills_blocked_workers(self) -> bool:
        """Whether it watches its workers' loops, and ends one that gives no heartbeat."""
        return self.kind == "gunicorn"

    @property
    def is_compiled(self) -> bool:
        """Whether it is one of the programs in `peers/`."""
        return self.kind in ("axum", "gin")


@dataclass(frozen=True, slots=True)
class Client:
    """The app's client to its upstream."""

    library: Library = "httpx"
    life: Life = "per-request"
    timeout_s: Second = 5.0
    connections: int = 100


@dataclass(frozen=True, slots=True)
class Database:
    """What the app asks. pool: connections at the most, in each worker; per-request: none are
    kept, each request opens one of its own and closes it."""

    kind: DatabaseKind
    pool: int = 5
    life: DatabaseLife = "pool"


@dataclass(frozen=True, slots=True)
class Upstream:
    kind: UpstreamKind = "auto"


@dataclass(frozen=True, slots=True)
class Load:
    """Closed loop: each user sends its next request when the last was answered.

    Open loop, where `arrival_rate` is given: requests leave when they are due, whatever the
    answers do. There are no users then, and no ramp.
    """

    users: int = 500
    spawn_rate: float = 50.0
    duration_s: Second = 30.0
    think_s: Second = 0.0
    think_spread_s: Second = 0.0
    """A pause is so much shorter or longer at most, each as likely: the mean is `think_s`."""
    user_class: UserClass = "fast"
    processes: int = 1
    arrival_rate: float | None = None
    """Requests a second."""
    arrivals: Arrivals = "constant"
    keep_alive: bool = True
    """Whether a user keeps its connection from one request to the next."""
    engine: Engine = "locust"
    requests: int | None = None
    """Where given, the window lasts until so many have completed, and `duration_s` at the most."""

    @property
    def is_open(self) -> bool:
        return self.arrival_rate is not None

    @property
    def tells_ids(self) -> bool:
        """Whether each request carries an id of ours and belongs to a user: then it can be followed
        through the app, and Little's law can be asked."""
        return self.engine == "locust"


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    group: str
    question: str
    expect: str
    why: str
    endpoint: Endpoint
    server: Server
    load: Load = Load()
    rare: RareRequest | None = None
    bystander: BackgroundRequest = BackgroundRequest()
    delay_s: Second | None = None
    """How long the upstream, or the sleep, takes; None where nothing waits by design."""
    client: Client | None = None
    upstream: Upstream | None = None
    database: Database | None = None
    file_mib: int | None = None
    """Of the file that a /file endpoint reads."""
    subject: str = ""
    """What the scenario is an answer to, where others are answers to the same."""
    contender: str = ""
    """Its name among those, by default `name` without the group's; the first run is the base."""
    url: str | None = None
    """Where a given server listens, `http://host:port`."""

    def __post_init__(self) -> None:
        if self.subject and not self.contender:
            object.__setattr__(self, "contender", self.name.removeprefix(f"{self.group}-"))
