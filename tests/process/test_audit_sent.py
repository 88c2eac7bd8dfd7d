"""What an audit sends, and which responses it takes, against real apps."""

import logging
import resource
from time import monotonic
from typing import Annotated
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Header, Response
from fastapi.responses import HTMLResponse
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from scenarios.errors import CANNOT, UserError
from stress.audit.drive import AuditLoad, drive_requests
from stress.audit.requests import RequestOptions, plan_requests
from stress.interruption import Interruption
from tests.process.test_audit_drive import Service, drive

pytestmark = [pytest.mark.slow, pytest.mark.untimed]


def build_app() -> FastAPI:
    app = FastAPI()

    @app.get("/items")
    async def items() -> int:
        return 1

    return app


@pytest.mark.parametrize(
    ("header", "status"), [("Host: shop.example.com", 400), ("X-Forwarded-Proto: https", 307)]
)
def test_an_app_behind_a_proxy_gets_what_the_proxy_sends(header: str, status: int) -> None:
    app = build_app()
    if status == 400:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["shop.example.com"])
    else:
        app.add_middleware(HTTPSRedirectMiddleware)
    with Service(app).serve() as url:
        without = plan_requests(url, RequestOptions(), Interruption())
        _, driven, _ = drive(url, RequestOptions(headers=(header,)))
    assert f"GET /openapi.json returns {status}, so only GET / is sent" in without.warnings[-1]
    assert header.partition(":")[0] in without.warnings[-1]
    assert set(driven.rows["route"]) == {"/items"}
    assert set(driven.rows["status"]) == {200}


@pytest.mark.parametrize("is_given", [True, False])
def test_the_user_s_request_id_is_sent_and_the_audit_s_own_too(is_given: bool) -> None:
    app, received, own = FastAPI(), set[UUID](), uuid4()

    @app.get("/a")
    async def read(x_request_id: Annotated[UUID, Header()]) -> None:
        received.add(x_request_id)

    service = Service(app)
    options = RequestOptions(headers=(f"X-Request-ID: {own}",) if is_given else ())
    with service.serve() as url:
        _, driven, _ = drive(url, options)
    assert set(driven.rows["status"]) == {200}
    assert len(received) == 1  # without the user's, the document's example
    assert (received == {own}) == is_given
    ids = {f"{each:016x}" for each in driven.rows["request_id"]}
    assert ids == {each for _, path, each in service.received if path == "/a"}


@pytest.mark.parametrize("has_api", [True, False])
def test_a_page_for_every_path_is_no_document(has_api: bool) -> None:
    app = FastAPI(openapi_url=None)
    if has_api:
        app.mount("/api", build_app())

    @app.get("/{rest:path}")
    async def page(rest: str) -> HTMLResponse:
        return HTMLResponse(f"<html>{rest}</html>")

    with Service(app).serve() as url:
        plan = plan_requests(url, RequestOptions(), Interruption())
    assert [each.name for each in plan.asks] == ["GET /api/items" if has_api else "GET /"]
    note = "GET /openapi.json returns no OpenAPI document, so only GET / is sent."
    assert any(note in each for each in plan.warnings) != has_api


def test_large_headers_are_accepted_and_malformed_cookies_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()

    @app.get("/large")
    async def large(response: Response) -> None:
        response.headers["x-large"] = "a" * 60_000

    @app.get("/many")
    async def many(response: Response) -> None:
        response.headers.update({f"x-{each}": "a" for each in range(500)})

    @app.get("/cookie")
    async def cookie(response: Response) -> None:
        response.headers["set-cookie"] = 'tok\x9b31m s3cr3t@="1"'

    with caplog.at_level(logging.DEBUG), Service(app).serve() as url:
        _, driven, _ = drive(url, RequestOptions())
    assert set(driven.rows["route"]) == {"/large", "/many", "/cookie"}
    assert set(driven.rows["status"]) == {200}
    assert "s3cr3t" not in caplog.text


def test_the_load_raises_its_own_limit_of_open_files_for_its_users() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    load, limits = AuditLoad(monotonic(), users=20, duration_s=0.5), set[int]()
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, before[1]))
    try:
        with Service(build_app()).serve() as url:
            plan = plan_requests(url, RequestOptions(), Interruption())
            drive_requests(url, plan, load, Interruption(), lambda _: limits.add(get_limit()))
        assert limits == {64 + 2 * 21}
        assert get_limit() == 80  # what starts later inherits the user's
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def get_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_hard_limit_below_the_need_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (120, 120))
    with pytest.raises(UserError, match="use fewer --users") as caught:
        drive("http://127.0.0.1:9", RequestOptions(("GET /a",)), users=150)
    assert caught.value.exit_code == CANNOT
