"""The scenario: one question about one endpoint, with every setting that decides the answer.

A catalogue entry may leave a setting undecided ("auto", "as many as users"); `resolve_scenario`
decides it, so that the run and its manifest have only definite values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

Style = Literal[
    "def", "async def", "async def that blocks", "async def that offloads",
    "async def to the executor", "async def with processes", "async fn", "goroutine", "unknown",
]  # fmt: skip
"""`async fn`, `goroutine`: `async def` in a compiled server. unknown: an external server's."""
Threads = Literal["anyio's pool", "asyncio's executor"]
THREADS_OF: Mapping[Style, Threads] = {
    "def": "anyio's pool",
    "async def that offloads": "anyio's pool",
    "async def to the executor": "asyncio's executor",
}
"""The thread pool that a request of each style waits for. The other styles need no thread."""
Method = Literal["GET", "POST"]
Library = Literal["httpx", "httpx2", "aiohttp", "pyreqwest", "urllib3", "requests", "niquests"]
Form = Literal["blocking", "awaiting"]
BOTH: tuple[Form, ...] = ("blocking", "awaiting")
FORMS_OF: Mapping[Library, tuple[Form, ...]] = {
    **dict.fromkeys(("httpx", "httpx2"), BOTH), "aiohttp": ("awaiting",), "pyreqwest": BOTH,
    **dict.fromkeys(("urllib3", "requests"), ("blocking",)), "niquests": BOTH,
}  # fmt: skip
"""The forms that each library has. A test compares them with the app's client modules."""
Life = Literal["per-request", "shared"]
MOST_USERS = 100_000
PythonServer = Literal["gunicorn", "uvicorn"]
ServerKind = Literal["gunicorn", "uvicorn", "axum", "gin", "given"]
"""given: the user's own running server, which the study does not start, stop or configure."""
APP_TARGETS: Mapping[str, str] = {
    "app.main": "app.main:app",
    "app.users": "app.systems.users:app",
    "app.tasks": "app.systems.tasks:app",
    "app.contrast": "app.systems.contrast:app",
}
"""The import target of each app, as a server's command line takes it."""
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
"""In a catalogue entry: as many as there are users, so that it never limits."""
NEVER_BINDS = 10_000  # connections of an open loop, whose requests in flight are not known before


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    style: Style
    method: Method = "GET"
    body: str | None = None
    """JSON, sent with each request."""
    answers_first: bool = False
    """The work is a background task, which starts after the response is sent."""

    @property
    def client_form(self) -> Form:
        """The form of client library that the call to the upstream needs."""
        blocks = self.style in ("def", "async def that blocks", "async def that offloads")
        return "blocking" if blocks else "awaiting"

    @property
    def works_on_the_loop(self) -> bool:
        """True if the endpoint's code runs on the loop, and so can block it."""
        return self.style in ("async def", "async def that blocks")

    @property
    def blocks_the_loop(self) -> bool:
        return self.style == "async def that blocks"


@dataclass(frozen=True, slots=True)
class RareRequest:
    """A second path, which one request in `one_in` goes to."""

    path: str
    style: Style
    one_in: int = 100


@dataclass(frozen=True, slots=True)
class BackgroundRequest:
    """The background request, sent about once per second for the whole cell.

    needs: the thread pool it waits for, if any. turns: how many threads it needs there, one after
    the other. every_s is no multiple of a common delay: otherwise it would always arrive at the
    same point of users in lockstep.
    """

    path: str = "/ping"
    needs: Threads | None = None
    every_s: Second = 0.97
    turns: int = 1


FOREIGN_BYSTANDER = BackgroundRequest("/")
"""For an external server: the one path that every server has."""


def is_python_server(kind: object) -> bool:
    """Return True for every server except the compiled ones and the user's own."""
    return kind not in ("axum", "gin", "given")


@dataclass(frozen=True, slots=True)
class Server:
    kind: ServerKind = "gunicorn"
    workers: int = 1
    loop: Loop = "asyncio"
    http: Http = "h11"
    worker_timeout_s: Second = 30.0
    """gunicorn kills a worker that sent no heartbeat for so long; 0 disables it."""
    pool: int = 40
    """Threads of anyio's pool in each worker; anyio's own default is 40."""
    app: str = "app.main"
    """A key of APP_TARGETS, or the user's module:attribute; axum and gin are one program each."""
    folder: str = ""  # of the user's module
    access_log: AccessLog = "off"  # one line per request, to a file or a slow terminal
    python: str = ""  # path of its interpreter; empty: the study's own

    @property
    def is_python(self) -> bool:
        """True if it runs an ASGI app, with the probe in front of it."""
        return is_python_server(self.kind)

    @property
    def has_users_app(self) -> bool:
        return self.is_python and self.app not in APP_TARGETS

    @property
    def kills_blocked_workers(self) -> bool:
        """True if it watches its workers and kills one that sends no heartbeat."""
        return self.kind == "gunicorn"

    @property
    def is_compiled(self) -> bool:
        """True for the programs in `peers/`."""
        return self.kind in ("axum", "gin")


@dataclass(frozen=True, slots=True)
class Client:
    """The app's HTTP client for its upstream."""

    library: Library = "httpx"
    life: Life = "per-request"
    timeout_s: Second = 5.0
    connections: int = 100


@dataclass(frozen=True, slots=True)
class Database:
    """The app's database. pool: maximum connections in each worker. life per-request: each request
    opens and closes a connection."""

    kind: DatabaseKind
    pool: int = 5
    life: DatabaseLife = "pool"


@dataclass(frozen=True, slots=True)
class Upstream:
    kind: UpstreamKind = "auto"


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop: each user sends its next request after the last response.

    With `arrival_rate` an open loop: requests are sent when they are due, whether or not earlier
    ones are answered. An open loop has no users and no ramp.
    """

    users: int = 500
    spawn_rate: float = 50.0
    duration_s: Second = 30.0
    think_s: Second = 0.0
    think_spread_s: Second = 0.0
    """Maximum deviation of a pause from `think_s`, uniformly distributed."""
    user_class: UserClass = "fast"
    processes: int = 1
    arrival_rate: float | None = None
    """Requests per second."""
    arrivals: Arrivals = "constant"
    keep_alive: bool = True
    """A user keeps its connection from one request to the next."""
    engine: Engine = "locust"
    requests: int | None = None
    """If given, the window ends after so many completed requests, at latest after `duration_s`."""

    @property
    def is_open(self) -> bool:
        return self.arrival_rate is not None

    @property
    def tells_ids(self) -> bool:
        """True if each request carries an id and belongs to a user: then the study can follow it
        through the app and check Little's law."""
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
    """How long the upstream, or the sleep, takes; None if nothing waits by design."""
    client: Client | None = None
    upstream: Upstream | None = None
    database: Database | None = None
    file_mib: int | None = None
    """Size of the file that a /file endpoint reads."""
    subject: str = ""
    """Scenarios with the same subject are compared with each other."""
    contender: str = ""
    """Its name among them, by default `name` without the group's; the first run is the base."""
    url: str | None = None
    """Address of a given server, `http://host:port`."""

    def __post_init__(self) -> None:
        if self.subject and not self.contender:
            object.__setattr__(self, "contender", self.name.removeprefix(f"{self.group}-"))
