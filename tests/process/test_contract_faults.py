"""The contract (peers/README.md) for missing paths, databases and upstreams, and what it leaves
open."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from tests.process.contract_support import (
    CONTRAST_AT,
    PEERS,
    TASKS_AT,
    USERS_AT,
    Servers,
    State,
    check_methods,
    servers_of,
)
from tests.process.support import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers_of(tmp_path_factory.mktemp("contract")) as all_of_them:
        yield all_of_them


@pytest.mark.parametrize("program", [*PEERS, "users", "tasks", "contrast"])
def test_ping_and_what_is_not_there(servers: Servers, program: str) -> None:
    site = servers.site(program)
    assert site.get("/ping").ok() == {"ping": "pong"}
    check_methods(site, "/ping", ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
    for path in ("/nowhere", "/ping/", "//ping", "/PING", "/ping/x", "/users/", "/tasks/", "/%00"):
        for method in ("GET", "POST"):
            site.ask(method, path).refused(404)


@pytest.mark.parametrize(("program", "base"), CONTRAST_AT)
def test_what_the_contract_leaves_open_is_no_crash(
    servers: Servers, program: str, base: str
) -> None:
    site = servers.site(program, base)
    deep = b"[" * 5000 + b"]" * 5000
    for body in (b"1e400", b'"\\ud800"', b"1" * 5000, deep, b'{"a": 1, "a": 2}', b"-0"):
        assert site.ask("POST", "/echo", body).status in (200, 422)
        for item in (b'{"name": %s, "price_cents": 1}', b'{"name": "a", "price_cents": %s}'):
            assert site.ask("POST", "/db/items", item % body).status in (201, 422)
        other = b'{"name": "a", "price_cents": 1, "other": %s}' % body
        assert site.ask("POST", "/db/items", other).status in (201, 422)
    for path in ("/echo/%ff", "/echo/%2F", "/echo/%", "/echo/%zz", "/stress/cpu/1_0"):
        assert site.get(path).status in (200, 400, 404, 422)
    for query in ("+5", "5.0", "%205", "1_0", "1&limit=2", "%ff", "%"):
        assert site.get(f"/db/items?limit={query}").status in (200, 400, 422)


@pytest.mark.parametrize("program", PEERS)
def test_the_upstream_hears_who_asks(servers: Servers, program: str) -> None:
    peer, request_id = servers.site(program), f"asked-by-{program}"
    answer = peer.ask("GET", "/async/http", headers={"x-request-id": request_id})
    assert (answer.status, answer.body) == (200, b"Waited for 0 milliseconds")
    assert answer.content_type.startswith("text/plain")
    assert peer.ask("GET", "/async/http", headers={}).status == 200
    log = servers.folder / "upstream.csv"
    wait_for(lambda: f"\n{request_id}," in log.read_text(), f"{request_id} in the upstream's log")
    check_methods(peer, "/async/http", ("POST",))


@pytest.mark.parametrize("peer", PEERS)
def test_an_upstream_that_is_gone_is_a_502_and_one_not_set_a_503(
    servers: Servers, peer: str
) -> None:
    servers.site(peer, state="deserted").get("/async/http").refused(502)
    servers.site(peer, state="bare").get("/async/http").refused(503)


@pytest.mark.parametrize(("program", "path"), [*USERS_AT, *TASKS_AT])
def test_without_postgresql_there_are_no_users_and_tasks(
    servers: Servers, program: str, path: str
) -> None:
    for state in states_of_absence(program):
        site = servers.site(program, state=state)
        for _ in range(2):
            site.get(path).refused(503)
        if path == "/tasks":
            site.post(path, {"title": "a"}).refused(503)
        assert site.get("/ping").ok() == {"ping": "pong"}


@pytest.mark.parametrize(("program", "base"), CONTRAST_AT)
def test_without_its_file_health_is_bad_and_nothing_is_made(
    servers: Servers, program: str, base: str
) -> None:
    for state in states_of_absence(program):
        site = servers.site(program, base, state)
        for _ in range(2):
            answer = site.get("/health")
            assert answer.refused(503)
            assert answer.json()["database"] == "unreachable"
            site.get("/db/items").refused(503)
            site.post("/db/items", {"name": "a", "price_cents": 1}).refused(503)
        assert site.get("/").status == 200
    assert not Path(servers.settings["deserted"]["APP_SQLITE"]).exists()


def states_of_absence(program: str) -> tuple[State, ...]:
    """FastAPI uses PostgreSQL's default URL if no URL is given."""
    return ("deserted", "bare") if program in PEERS else ("deserted",)


@pytest.mark.parametrize(("program", "path"), TASKS_AT)
def test_a_connection_for_each_request_is_refused_while_no_place_is_left(
    servers: Servers, program: str, path: str
) -> None:
    site = servers.site(program, path, "per-request")
    assert len(site.get("?limit=3").ok()["items"]) == 3
    with ExitStack() as held:
        take_all_places(held, servers.database_url)
        assert "too many clients" in site.get("").refused(503)
        assert "too many clients" in site.post("", {"title": "a"}).refused(503)
    wait_for(lambda: site.get("").status == 200, "a place in PostgreSQL again")
    assert site.post("", {"title": "a"}).ok(201)["title"] == "a"


@pytest.mark.parametrize("program", [*PEERS, "users", "tasks"])
def test_an_empty_pool_is_refused_while_no_place_is_left(servers: Servers, program: str) -> None:
    site = servers.site(program)  # nothing has used it yet: its pools are empty
    paths = [path for each, path in (*USERS_AT, *TASKS_AT) if each == program]
    with ExitStack() as held:
        take_all_places(held, servers.database_url)
        for path in paths:
            site.get(path).refused(503)
    for path in paths:
        wait_for(lambda path=path: site.get(path).status == 200, f"{path} answered again")  # type: ignore[misc]


def take_all_places(held: ExitStack, database_url: str) -> None:
    """Fill it up with the test's connections. Closing connections count until they are gone."""
    first = held.enter_context(psycopg.connect(database_url, autocommit=True))

    def all_taken() -> bool:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(database_url))
        taken = first.execute(
            "SELECT count(*) = current_setting('max_connections')::int FROM pg_stat_activity"
            " WHERE backend_type = 'client backend'"
        ).fetchone()
        return taken == (True,)

    wait_for(all_taken, "every place in PostgreSQL taken")
