"""Servers that hold one contract (peers/README.md), each started when a test first asks for it."""

import contextlib
import json
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Literal

import pytest

from scenarios.errors import UserError
from scenarios.model import Database
from stress import database_url, databases, plan
from stress.interruption import Interruption
from stress.machine import find_free_port
from stress.processes import Process, end_all
from stress.programs import find_peer_program, find_upstream_program
from stress.servers import CONNECTION_KEPT_S
from stress.stack import Stack, is_answering
from stress.start_stack import start_database
from tests.process.support import ROOT

PATIENCE_S = 10.0
"""No answer here takes a second; a missing one must not use up the test's whole time."""
PEERS = ("axum", "gin")
POOL = 3
Places = list[tuple[str, str]]
USERS_AT: Places = [
    *((peer, "/users") for peer in PEERS),
    ("users", "/sync/users"),
    ("users", "/sync/users/psycopg"),
    ("users", "/async/users"),
    ("users", "/async/users/sqlalchemy"),
    ("users", "/async/users/psycopg"),
    ("users", "/async/users/sync"),
]
TASKS_AT: Places = [*((peer, "/tasks") for peer in PEERS), ("tasks", "/tasks")]
CONTRAST_AT: Places = [
    *((peer, "") for peer in PEERS),
    ("contrast", "/sync"),
    ("contrast", "/async"),
]
LISTS_AT: Places = [
    *USERS_AT,
    *TASKS_AT,
    *((program, f"{base}/db/items") for program, base in CONTRAST_AT),
]
CPU_AT: Places = [
    *((program, f"{base}/stress/cpu") for program, base in CONTRAST_AT),
    ("contrast", "/process/stress/cpu"),
]
MOST_BYTES = 65_536
JSON = {"content-type": "application/json"}
State = Literal["whole", "per-request", "deserted", "bare"]
"""States of the servers: complete; /tasks connects per request; named but missing; not named."""
NO_NUMBERS = ("x", "", "1e1", "0x10", "1.5", "%00", "1;2", "99999999999999999999")
NO_JSON = [
    b"",
    b"{",
    b"tru",
    b"{'title': 1}",
    b'{"title": "a"} {}',
    b'{"title": "a", "name": "a", "price_cents": 1, "x": NaN}',
    b'{"title": "\xff", "name": "\xff", "price_cents": 1}',
    b"[" * 30_000,
]
OBJECTS_NOT = [b"null", b"[]", b'"title"', b"1", b'["a", false]']


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  # whatever a server says
        assert self.content_type.startswith("application/json"), self
        return json.loads(self.body)

    def ok(self, status: int = 200) -> Any:  # noqa: ANN401
        assert self.status == status, self
        return self.json()

    def refused(self, status: int) -> str:
        """Check the form of every error, and return its detail as text."""
        assert self.status == status, self
        body = self.json()
        assert isinstance(body, dict), self
        assert body["detail"], self
        return str(body["detail"])


@dataclass(slots=True)
class Site:
    """A part of the contract on one server. `base` is the prefix of its paths."""

    port: int
    base: str
    connection: HTTPConnection | None = None

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, value: object) -> Answer:
        return self.ask("POST", path, json.dumps(value).encode())

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] = JSON,
    ) -> Answer:
        """Use the connection of the last request if the server has kept it open."""
        connection = self.connection or HTTPConnection(plan.HOST, self.port, timeout=PATIENCE_S)
        self.connection = None
        try:
            # A server that refuses a body may close early; its response can still be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self.base + path, body, dict(headers))
            response = connection.getresponse()
            read = response.read()
        except (OSError, HTTPException):
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self.connection = connection
        return Answer(response.status, response.headers.get("content-type", ""), read)

    def close(self) -> None:
        if self.connection:
            self.connection.close()


@dataclass(slots=True)
class Servers:
    """`settings`: the environment of each state's servers. Ends with `close`."""

    folder: Path
    settings: Mapping[State, Mapping[str, str]]
    processes: list[Process] = field(default_factory=list)
    ports: dict[tuple[str, State], int] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        return self.settings["whole"]["APP_DATABASE_URL"]

    @property
    def sqlite(self) -> Path:
        return Path(self.settings["whole"]["APP_SQLITE"])

    def site(self, program: str, base: str = "", state: State = "whole") -> Site:
        """`program`: a peer, or a module of FastAPI's under app/. Skips where a peer can't be
        built, in the words of its build.sh."""
        if (program, state) not in self.ports:
            start = self.start_peer if program in PEERS else self.start_fastapi
            self.ports[program, state] = start(program, state)
        site = Site(self.ports[program, state], base)
        self.sites.append(site)
        return site

    def start_peer(self, kind: str, state: State) -> int:
        try:
            path = find_peer_program(kind)
        except UserError as problem:
            pytest.skip(f"{kind}: {problem}")
        argv = (path, f"--host={plan.HOST}", "--port=0", "--workers=1")
        process = self.started(f"{kind}-{state}", argv, self.settings[state])
        return read_port(process)

    def start_fastapi(self, module: str, state: State) -> int:
        port = find_free_port(0)
        folder = "app" if module == "main" else "app.systems"
        argv = (
            sys.executable, "-m", "uvicorn", f"{folder}.{module}:app", f"--host={plan.HOST}",
            f"--port={port}", "--log-level=warning",
            f"--timeout-keep-alive={CONNECTION_KEPT_S}",
        )  # fmt: skip
        process = self.started(f"{module}-{state}", argv, self.settings[state])
        process.wait_until(lambda: is_answering(port), Interruption())
        return port

    def started(self, role: str, argv: tuple[str, ...], env: Mapping[str, str]) -> Process:
        command = plan.Command(role, argv, ROOT, env)
        process = Process(role, self.folder / f"{role}.log").start(command)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for site in self.sites:
            site.close()
        end_all(self.processes)


def read_port(process: Process) -> int:
    """Start a program that picks its own port and reports it in a line of JSON."""
    said: list[str] = []

    def has_listened() -> bool:
        lines = process.log.read_text().splitlines(keepends=True)
        said[:] = [line for line in lines if '"listening"' in line and line.endswith("\n")]
        return bool(said)

    process.wait_until(has_listened, Interruption())
    return int(json.loads(said[0])["listening"].rpartition(":")[2])


@contextmanager
def upstream(folder: Path) -> Iterator[str]:
    """The URL of one that waits for 0 ms and writes `folder`/upstream.csv."""
    argv = plan.build_upstream_argv(find_upstream_program("python"), folder / "upstream.csv", 0)
    command = plan.Command("upstream", argv, ROOT, {})
    process = Process("upstream", folder / "upstream.log").start(command)
    try:
        yield f"http://{plan.HOST}:{read_port(process)}"
    finally:
        process.end()


@contextmanager
def nobodys_port() -> Iterator[int]:
    """Reserve a port that nothing listens on."""
    with socket.socket() as held:
        held.bind((plan.HOST, 0))
        yield held.getsockname()[1]


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The URL of an embedded server, not of one that the user has named: the tests fill it up."""
    stack = Stack(0, folder, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(database_url.URL_VARIABLE, raising=False)
        try:
            stack.database = start_database(stack, Database("postgresql"), Interruption())
            yield stack.database.env["APP_DATABASE_URL"]
        finally:
            stack.close()


@contextmanager
def servers_of(folder: Path) -> Iterator[Servers]:
    with postgresql(folder) as url, upstream(folder) as upstream_url, nobodys_port() as port:
        whole = {
            "APP_DATABASE_URL": url,
            "APP_DATABASE_POOL": str(POOL),
            "APP_UPSTREAM_URL": upstream_url,
            "APP_DELAY_MS": "0",
            **databases.create_sqlite_database(folder).env,
        }
        deserted = {
            "APP_DATABASE_URL": databases.build_postgres_url(port, "none"),
            "APP_SQLITE": str(folder / "missing.sqlite"),
            "APP_UPSTREAM_URL": f"http://{plan.HOST}:{port}",
        }
        servers = Servers(
            folder,
            {
                "whole": whole,
                "per-request": {**whole, "APP_DATABASE_LIFE": "per-request"},
                "deserted": deserted,
                "bare": {},
            },
        )
        try:
            yield servers
        finally:
            servers.close()


def name_of(place: tuple[str, str]) -> str:
    return " ".join(place).strip()


def check_limits(site: Site, path: str = "") -> None:
    """Parameters that no list accepts."""
    for limit in ("0", "101", "-1", *NO_NUMBERS):
        site.get(f"{path}?limit={limit}").refused(422)


def check_methods(site: Site, path: str, wrong: tuple[str, ...]) -> None:
    for method in wrong:
        site.ask(method, path).refused(405)
    # The response to HEAD never has a body.
    assert site.ask("HEAD", path).status == 405


def check_bodies(site: Site, path: str, good: dict[str, object]) -> None:
    """Bodies that no object can be created from, and the longest valid one."""
    for body in (*NO_JSON, *OBJECTS_NOT):
        site.ask("POST", path, body).refused(422)
    filled = json.dumps({**good, "unknown": ""}).encode()
    most = filled.replace(b'"unknown": "', b'"unknown": "' + b"x" * (MOST_BYTES - len(filled)))
    assert len(most) == MOST_BYTES
    site.ask("POST", path, most).ok(201)
    for over in (most + b" ", most + b" " * 2_000_000, b"x" * (MOST_BYTES + 1)):
        site.ask("POST", path, over).refused(413)
        site.ask("POST", path, iter([over[:9], over[9:]])).refused(413)  # without a Content-Length
