"""The load of an audit against real servers: its rows describe what the servers receive."""

import asyncio
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic

import polars as pl
import pytest
import uvicorn
from fastapi import BackgroundTasks, Cookie, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from records.audit import ASKED
from scenarios.errors import CANNOT, UserError
from stress.audit import drive_locustfile
from stress.audit.ask import RequestPlan
from stress.audit.drive import AuditLoad, Driven, drive_requests
from stress.audit.requests import RequestOptions, plan_requests, render_plan
from stress.interruption import Interruption
from stress.plan import Command

pytestmark = [pytest.mark.slow, pytest.mark.untimed]
SECRET = "s3cr3t-value"


class Service:
    """A FastAPI app in a thread, and what it received."""

    def __init__(self, app: FastAPI) -> None:
        self.received: list[tuple[str, str, str]] = []  # method, path, id
        self.app = app

        @app.middleware("http")
        async def note(
            request: Request, call_next: Callable[[Request], "asyncio.Future[Response]"]
        ) -> Response:
            request_id = request.headers.get("x-study-request-id", "")
            self.received.append((request.method, request.url.path, request_id))
            return await call_next(request)

    @contextmanager
    def serve(self) -> Iterator[str]:
        config = uvicorn.Config(self.app, port=0, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert Interruption().poll(lambda: server.started, 20.0)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(20.0)


def drive(
    url: str, options: RequestOptions, timeout_s: float = 20.0, users: int = 3
) -> tuple[RequestPlan, Driven, list[str]]:
    said: list[str] = []
    plan = plan_requests(url, options, Interruption())
    load = AuditLoad(monotonic(), users, duration_s=0.6, timeout_s=timeout_s)
    driven = drive_requests(url, plan, load, Interruption(), said.append)
    return plan, driven, said


def build_items_app() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item_id}")
    async def read(item_id: int, token: str, x_key: str = Header()) -> int:
        return item_id + len(token + x_key)

    @app.get("/ping")
    async def ping() -> None: ...

    @app.get("/gone/{item_id}")
    async def gone(item_id: int) -> None:
        raise HTTPException(404, str(item_id))

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def send() -> AsyncIterator[bytes]:
            while True:
                yield b"data: 1\n\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(send(), media_type="text/event-stream")

    @app.post("/items")
    async def create() -> None: ...

    return app


Seen = tuple[Service, RequestPlan, Driven, list[str]]


@pytest.fixture(scope="module")
def seen() -> Seen:
    service = Service(build_items_app())
    with service.serve() as url:
        plan, driven, said = drive(url, RequestOptions(headers=(f"X-Key: {SECRET}",)))
    return service, plan, driven, said


class TestOpenApi:
    def test_each_get_is_asked_and_what_may_write_is_listed(self, seen: Seen) -> None:
        service, plan, driven, _ = seen
        assert set(driven.rows["route"]) == {
            "/items/{item_id}",
            "/ping",
            "/gone/{item_id}",
            "/events",
        }
        assert [(each.method, each.route) for each in plan.unasked] == [("POST", "/items")]
        assert {method for method, _, _ in service.received} == {"GET"}

    def test_the_app_received_each_row_once(self, seen: Seen) -> None:
        service, _, driven, _ = seen
        assert dict(driven.rows.schema) == ASKED
        ids = [f"{each:016x}" for each in driven.rows["request_id"]]
        fetched = 1  # the document
        assert Counter(each for _, _, each in service.received[fetched:]) == Counter(ids)
        assert len(set(ids)) == len(ids)

    def test_phases_are_each_route_alone_and_then_all(self, seen: Seen) -> None:
        _, _, driven, _ = seen
        names = [each.name for each in driven.phases]
        routes = ["GET /items/{item_id}", "GET /ping", "GET /events"]
        assert names == [
            "first requests", *(f"{each}, 1 user" for each in routes),
            *(f"{each}, 3 users" for each in routes), "all routes, 3 users",
        ]  # fmt: skip
        for each in driven.phases:
            rows = driven.rows.filter(pl.col("phase") == each.name)
            assert rows["started_s"].min() >= each.began_s  # type: ignore[operator]
            assert rows["ended_s"].drop_nulls().max() <= each.ended_s  # type: ignore[operator]
            assert set(rows["method"] + " " + rows["route"]) == set(each.routes)
        last = driven.rows.filter(pl.col("phase") == names[-1])
        assert set(last["user"]) == {0, 1, 2, 3}  # 3 is the background request
        assert last.filter(pl.col("user") == 3)["route"].n_unique() == 1

    def test_a_route_that_refuses_is_reported_and_not_driven(self, seen: Seen) -> None:
        _, _, driven, said = seen
        gone = driven.rows.filter(pl.col("route") == "/gone/{item_id}")
        assert list(gone["status"]) == [404]
        warning = next(each for each in driven.warnings if "404" in each)
        assert "GET /gone/{item_id} returns 404 to /gone/1" in warning
        assert "--request 'GET /gone/ITEM_ID'" in warning
        assert warning in said

    def test_a_stream_without_end_is_measured_to_its_first_byte(self, seen: Seen) -> None:
        _, _, driven, _ = seen
        events = driven.rows.filter(pl.col("route") == "/events")
        assert events["error"][0] == "endless"
        assert events["error"][1:].is_null().all()
        assert events["ended_s"][1:].is_not_null().all()
        assert any("GET /events does not end" in each for each in driven.warnings)

    def test_no_secret_is_recorded_or_shown(self, seen: Seen) -> None:
        _, plan, driven, said = seen
        assert SECRET not in repr((plan, driven.warnings, driven.phases, said, render_plan(plan)))
        assert SECRET not in driven.rows.write_csv()
        assert set(driven.rows["status"]) == {200, 404}  # the header was sent


def test_each_user_logs_in_once_and_keeps_its_cookie(tmp_path: Path) -> None:
    app, logins = FastAPI(), Counter[str]()

    @app.post("/login")
    async def log_in(request: Request, response: Response) -> None:
        if (await request.json())["password"] != SECRET:
            raise HTTPException(401)
        logins["in"] += 1
        response.set_cookie(
            "session", str(logins["in"]), domain="shop.example.com", path="/", secure=True
        )

    @app.get("/me")
    async def me(session: str = Cookie()) -> None:
        logins[session] += 1

    (tmp_path / "creds.json").write_text(json.dumps({"password": SECRET}))
    options = RequestOptions(
        ("GET /me?q=1",), before=("POST /login @creds.json",), app_dir=tmp_path
    )
    with Service(app).serve() as url:
        _, driven, said = drive(url, options)
        with pytest.raises(UserError, match="POST /login of --before returns 401") as caught:
            drive(url, RequestOptions(("GET /me",), before=('POST /login {"password": 1}',)))
    assert caught.value.exit_code == CANNOT
    assert logins["in"] == 4
    assert driven.phases[0].users == 3  # the fourth sends the background requests
    assert {"1", "2", "3"} <= set(logins)
    assert set(driven.rows["status"]) == {200}
    assert SECRET not in repr((driven, said))
    assert set(driven.rows["route"]) == {"/login", "/me"}


def test_what_the_user_named_is_driven_whatever_it_answers_and_redirects_are_not_followed() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/away")
    async def away() -> RedirectResponse:
        return RedirectResponse(f"/secret?{SECRET}")

    service = Service(app)
    with service.serve() as url:
        _, driven, _ = drive(url, RequestOptions(("GET /away", "GET /none?x=1")))
    assert set(driven.rows["status"]) == {307, 404}
    assert set(driven.rows["route"]) == {"/away", "/none"}
    assert "/secret" not in {path for _, path, _ in service.received}
    assert any("GET /away redirects (307)" in each for each in driven.warnings)
    assert any("GET /none returns 404; it is driven" in each for each in driven.warnings)


def test_an_app_without_a_document_is_asked_its_root_and_one_that_refuses_that_is_an_error() -> (
    None
):
    app = FastAPI(openapi_url=None)
    with Service(app).serve() as url:
        plan = plan_requests(url, RequestOptions(), Interruption())
        assert [each.name for each in plan.asks] == ["GET /"]
        with pytest.raises(UserError, match=r"No route responded.*GET / returns 404"):
            drive(url, RequestOptions())


def test_a_document_is_found_where_the_app_says_and_one_that_is_huge_is_refused() -> None:
    app = FastAPI(openapi_url="/here/it/is.json")

    @app.get("/ping")
    async def ping() -> None: ...

    huge = FastAPI(openapi_url=None)

    @huge.get("/openapi.json")
    async def document() -> Response:
        return Response(b"[" + b"1," * (5 << 20) + b"1]", media_type="application/json")

    with Service(app).serve() as url:
        plan = plan_requests(url, RequestOptions(), Interruption())
        assert [each.name for each in plan.asks] == ["GET /ping"]
    with Service(huge).serve() as url:
        with pytest.raises(UserError, match=r"openapi\.json has more than 8 MB"):
            plan_requests(url, RequestOptions(), Interruption())
        # a named request needs no document
        assert plan_requests(url, RequestOptions(("GET /a",)), Interruption()).asks


@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",)])
def test_a_document_is_read_where_the_app_compresses_its_answers(headers: tuple[str, ...]) -> None:
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=1)

    @app.get("/ping")
    async def ping() -> None: ...

    with Service(app).serve() as url:
        plan = plan_requests(url, RequestOptions(headers=headers), Interruption())
    assert [each.name for each in plan.asks] == ["GET /ping"]


def test_a_request_that_is_not_answered_in_time_has_no_end() -> None:
    app = FastAPI()

    @app.get("/never")
    async def never() -> None:
        await asyncio.sleep(60)

    with Service(app).serve() as url:
        _, driven, _ = drive(url, RequestOptions(("GET /never",)), timeout_s=0.3)
    assert set(driven.rows["error"]) == {"timeout"}
    assert driven.rows["ended_s"].is_null().all()
    assert driven.rows["status"].is_null().all()
    assert any("did not respond in time; it is driven" in each for each in driven.warnings)


def test_a_service_that_answers_nothing_more_ends_the_load() -> None:
    app, freed = FastAPI(), threading.Event()
    arrived = count(1)

    @app.get("/ping")
    async def ping() -> None: ...

    @app.get("/stuck")
    async def stuck() -> None:
        if next(arrived) > 1:  # the first request gives no sign of it
            freed.wait()
        await asyncio.sleep(0.2)

    with Service(app).serve() as url:
        try:
            _, driven, _ = drive(url, RequestOptions(), timeout_s=0.5)
        finally:
            freed.set()
    assert driven.interrupted == (
        "after GET /stuck, 1 user, your service stopped responding: GET /ping, sent alone, got "
        "no response within 0.5 s"
    )
    assert driven.phases[-1].routes == ("GET /ping",)
    assert "all routes, 3 users" not in {each.name for each in driven.phases}


def test_a_route_that_never_answers_does_not_end_the_load_of_the_others() -> None:
    app = FastAPI()

    @app.get("/ping")
    async def ping() -> None: ...

    @app.get("/never")
    async def never() -> None:
        await asyncio.sleep(60)

    with Service(app).serve() as url:
        options = RequestOptions(("GET /ping", "GET /never"))
        _, driven, _ = drive(url, options, timeout_s=0.3)
    assert driven.interrupted is None
    assert driven.phases[-1].name == "all routes, 3 users"


@pytest.mark.parametrize("why", ["signal", "app"])
def test_an_interrupted_load_keeps_what_was_measured(why: str) -> None:
    app, interruption, alive = FastAPI(), Interruption(), [True]

    @app.get("/ping")
    async def ping() -> None: ...

    def end_in_first_phase(line: str) -> None:
        if line.startswith("GET /ping, 1 user"):
            if why == "signal":
                interruption.reason = "Ctrl-C"
            alive[0] = why == "signal"

    with Service(app).serve() as url:
        plan = plan_requests(url, RequestOptions(), interruption)
        load = AuditLoad(monotonic(), 2, duration_s=1000.0)
        driven = drive_requests(url, plan, load, interruption, end_in_first_phase, lambda: alive[0])
    assert driven.interrupted == ("Ctrl-C" if why == "signal" else "the app ended by itself")
    assert driven.rows.height >= 1
    names = [each.name for each in driven.phases]
    assert names == ["first requests", "GET /ping, 1 user"]
    assert set(driven.rows["phase"]) <= set(names)


def test_the_users_own_traffic_ends_at_the_given_time() -> None:
    lives = iter([True, False])
    for limit_s, end in ((0.0, None), (1000.0, "the app ended by itself")):
        driven = drive_requests(
            "", RequestPlan(is_own_traffic=True), AuditLoad(monotonic(), duration_s=limit_s),
            Interruption(), lambda _: None, lambda: next(lives),
        )  # fmt: skip
        assert driven.interrupted == end


def test_a_server_without_the_tls_of_its_url_gets_no_load() -> None:
    with Service(build_items_app()).serve() as url:
        for options in (RequestOptions(), RequestOptions(("GET /ping",))):
            with pytest.raises(UserError, match=r"the TLS handshake failed \(ClientConnectorSSL"):
                drive(url.replace("http:", "https:"), options)


def test_a_request_whose_connection_is_closed_is_not_sent_again() -> None:
    """Close each connection, without a response, after its second request."""
    received: list[str] = []
    started, port = threading.Event(), [0]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(2):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            received.extend(re.findall(r"(?im)^x-study-request-id: (\w+)", head))
            if number == 0:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def serve(ended: asyncio.Event) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port[0] = server.sockets[0].getsockname()[1]
            started.set()
            await ended.wait()

    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(ended)))
    thread.start()
    assert started.wait(20.0)
    try:
        url = f"http://127.0.0.1:{port[0]}"
        plan = plan_requests("http://other.invalid", RequestOptions(("GET /x",)), Interruption())
        load = AuditLoad(monotonic(), 2, duration_s=0.5)
        driven = drive_requests(url, plan, load, Interruption(), lambda _: None)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20.0)
        loop.close()
    assert Counter(received) == Counter(f"{each:016x}" for each in driven.rows["request_id"])
    assert set(driven.rows["error"].drop_nulls()) == {"ServerDisconnectedError"}


LOCUSTFILE = """
from locust import FastHttpUser, HttpUser, constant, task

class Slow(HttpUser):
    wait_time = constant(0.1)
    @task
    def ping(self):
        self.client.get("/ping?token=s3cr3t-value")

class Fast(FastHttpUser):
    wait_time = constant(0.1)
    @task
    def item(self):
        with self.client.get(
            "/items/3?token=s3cr3t-value", headers={"x-key": "a"}, catch_response=True
        ) as response:
            response.success()
"""


def test_a_locustfile_of_the_user_is_the_load(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    (tmp_path / "locust.conf").write_text("processes = 2\n")
    service = Service(build_items_app())
    with service.serve() as url:
        _, driven, _ = drive(url, RequestOptions(drive="locustfile", app_dir=tmp_path))
    received = {each for _, path, each in service.received if path != "/openapi.json"}
    assert {f"{each:016x}" for each in driven.rows["request_id"]} == received
    assert driven.rows["request_id"].is_unique().all()
    assert driven.interrupted is None
    assert set(driven.rows["route"]) == {"/ping", "/items/{item_id}"}
    assert set(driven.rows["status"]) == {200}
    assert (driven.rows["ended_s"] > driven.rows["started_s"]).all()
    assert SECRET not in driven.rows.write_csv()
    assert driven.phases[0].began_s <= driven.rows["started_s"].min()  # type: ignore[operator]


def test_a_locustfile_s_load_ends_with_the_app(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    service = Service(build_items_app())
    with service.serve() as url:
        options = RequestOptions(drive="locustfile", app_dir=tmp_path)
        plan = plan_requests(url, options, Interruption())
        load = AuditLoad(monotonic(), 2, duration_s=1000.0)
        driven = drive_requests(
            url, plan, load, Interruption(), lambda _: None, lambda: len(service.received) < 20
        )
    assert driven.interrupted == "the app ended by itself"
    assert driven.rows.height


@pytest.mark.parametrize(
    ("code", "duration_s", "end", "is_warned"),
    [
        (3, 1000.0, "Locust ended early (exit code 3)", False),
        (3, 0.0, None, False),
        (0, 1000.0, None, True),
    ],
)
def test_locust_s_own_end_before_the_load_s_time_is_early_or_a_warning(
    code: int,
    duration_s: float,
    end: str | None,
    is_warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build_command(*arguments: object) -> Command:
        row = [0, 1, "GET", "/", 0.0, 1.0, 200, None, 0]
        write = f"open({str(arguments[-1])!r}, 'w').write({json.dumps(row)!r} + chr(10))"
        return Command("locustfile", (sys.executable, "-c", f"{write}; exit({code})"), tmp_path, {})

    monkeypatch.setattr(drive_locustfile, "build_locust_command", build_command)
    driven = drive_requests(
        "", RequestPlan(locustfile=tmp_path / "mine.py"),
        AuditLoad(monotonic(), duration_s=duration_s), Interruption(), lambda _: None,
    )  # fmt: skip
    assert driven.interrupted == end
    assert driven.rows.height == 1
    assert any("before the 1000 s of --duration" in each for each in driven.warnings) is is_warned


def test_a_locustfile_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import nothing_of_that_name\n")
    options = RequestOptions(drive="locustfile", app_dir=tmp_path, locustfile=Path("mine.py"))
    with (
        Service(build_items_app()).serve() as url,
        pytest.raises(UserError, match=r"mine\.py sent no HTTP request.*nothing_of_that_name"),
    ):
        drive(url, options)
    missing = RequestOptions(drive="locustfile", locustfile=Path("other.py"))
    with pytest.raises(UserError, match=r"other\.py not found; give yours with --locustfile"):
        plan_requests("http://other.invalid", missing, Interruption())


def test_a_route_that_raises_costs_the_next_one_nothing() -> None:
    """uvicorn closes the connection after it, without a header that says so."""
    app = FastAPI()

    @app.get("/boom")
    async def boom() -> None:
        raise LookupError

    @app.get("/fine")
    async def fine() -> None: ...

    with Service(app).serve() as url:
        options = RequestOptions(requests=("GET /boom", "GET /fine"))
        _, driven, _ = drive(url, options)
    fine_rows = driven.rows.filter(pl.col("route") == "/fine")
    assert len(fine_rows) > 10
    assert set(fine_rows["status"]) == {200}


def test_a_background_task_that_raises_leaves_no_other_route_out() -> None:
    """uvicorn then closes the connection of its request, which may serve the next one already."""
    app = FastAPI()

    async def fail_later() -> None:
        await asyncio.sleep(0.05)
        raise LookupError

    @app.get("/mail")
    async def mail(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail_later)

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(0.3)

    with Service(app).serve() as url:
        _, driven, _ = drive(url, RequestOptions())
    slow_rows = driven.rows.filter(pl.col("route") == "/slow")
    assert slow_rows["status"][0] == 200
    assert slow_rows.height > 1
