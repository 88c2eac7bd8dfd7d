"""The app in-process, against an in-process upstream: the upstream's sockets are the only ones."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import httpx
import pytest
from structlog.testing import capture_logs

from app.main import create_app
from app.settings import DOCUMENT, LIBRARIES, Library, Life, Settings, read_settings
from app.systems.clients.base import load_library
from app.systems.environment import SettingsError
from scenarios import model
from scenarios.model import FORMS_OF

STYLES = ("/sync/http", "/async/http", "/async/http/sync", "/async/http/offload")


class FakeUpstream(BaseHTTPRequestHandler):
    """Answers at once, as its class attributes say."""

    status = 200
    hang = threading.Event()
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        type(self).seen.append((self.path, self.headers.get("x-request-id")))
        if self.status == 0:
            self.hang.wait(5)
            return
        self.send_response(self.status)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"Waited")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def upstream(status: int = 200) -> Iterator[str]:
    FakeUpstream.status, FakeUpstream.seen = status, []
    FakeUpstream.hang.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeUpstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        FakeUpstream.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()


PLAIN = read_settings({})


@asynccontextmanager
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as caller,
    ):
        yield caller


async def answers(
    settings: Settings, paths: tuple[str, ...], **headers: str
) -> list[httpx.Response]:
    async with client(settings) as caller:
        return [await caller.get(path, headers=headers) for path in paths]


def get_styles(library: Library) -> tuple[str, ...]:
    """The paths whose endpoints can use the style."""
    return tuple(
        path
        for path in STYLES
        if ("awaiting" if path == "/async/http" else "blocking") in FORMS_OF[library]
    )


def test_the_app_has_the_libraries_that_the_catalogue_knows() -> None:
    assert set(LIBRARIES) == set(FORMS_OF) == set(get_args(model.Library))


@pytest.mark.parametrize("library", FORMS_OF)
def test_a_library_has_the_forms_that_the_catalogue_believes(library: Library) -> None:
    found = load_library(library)
    opened = {"blocking": found.open_blocking, "awaiting": found.open_awaiting}
    assert {form for form, is_there in opened.items() if is_there} == set(FORMS_OF[library])


@pytest.mark.parametrize("library", FORMS_OF)
@pytest.mark.parametrize("life", ["per-request", "shared"])
def test_each_style_asks_the_upstream_once_and_names_the_request(
    library: Library, life: str
) -> None:
    paths = get_styles(library)
    with upstream() as url:
        settings = read_settings(
            {
                "APP_CLIENT": library,
                "APP_CLIENT_LIFE": life,
                "APP_UPSTREAM_URL": url,
                "APP_DELAY_MS": "7",
            }
        )
        got = asyncio.run(answers(settings, paths, **{"x-request-id": "00000000000000ff"}))
    assert [(each.status_code, each.text) for each in got] == [(200, "Waited")] * len(paths)
    assert FakeUpstream.seen == [("/?waitms=7", "00000000000000ff")] * len(paths)


@pytest.mark.parametrize("path", STYLES)
def test_an_upstream_that_fails_is_a_502_with_a_reason(path: str) -> None:
    with upstream(status=500) as url:
        (got,) = asyncio.run(answers(replace(PLAIN, upstream_url=url), (path,)))
    assert (got.status_code, got.json()) == (502, {"error": "upstream answered 500"})


@pytest.mark.parametrize("library", FORMS_OF)
@pytest.mark.parametrize("life", ["per-request", "shared"])
def test_an_upstream_that_is_not_there_is_a_502(library: Library, life: Life) -> None:
    with upstream() as url:
        pass  # its port is closed again
    settings = replace(PLAIN, upstream_url=url, client=library, client_life=life)
    for each in asyncio.run(answers(settings, get_styles(library))):
        assert each.status_code == 502
        assert each.json()["error"].startswith("upstream failed: ")


@pytest.mark.parametrize("library", FORMS_OF)
@pytest.mark.parametrize("life", ["per-request", "shared"])
def test_an_upstream_that_is_too_late_is_a_504(library: Library, life: Life) -> None:
    with upstream(status=0) as url:
        settings = replace(PLAIN, upstream_url=url, client=library, client_life=life)
        settings = replace(settings, client_timeout_s=0.05)
        for each in asyncio.run(answers(settings, get_styles(library))):
            assert each.status_code == 504
            assert each.json()["error"].startswith("upstream too late: ")


@pytest.mark.parametrize("life", ["per-request", "shared"])
@pytest.mark.parametrize("library", FORMS_OF)
def test_a_form_that_a_library_lacks_is_a_501(library: Library, life: Life) -> None:
    settings = replace(PLAIN, client=library, client_life=life)
    lacking = tuple(path for path in STYLES if path not in get_styles(library))
    for path, each in zip(lacking, asyncio.run(answers(settings, lacking)), strict=True):
        form = "async client" if path == "/async/http" else "blocking client"
        assert (each.status_code, each.json()) == (501, {"error": f"{library} has no {form}"})


def test_both_spellings_answer_and_nothing_is_redirected() -> None:
    paths = ("/sync/json", "/async/json", "/async/json/sync", "/ping", "/sync/ping", "/health",
             "/sync/sleep", "/async/sleep", "/async/sleep/sync")  # fmt: skip
    settings = replace(PLAIN, delay_ms=1)
    plain = asyncio.run(answers(settings, paths))
    slashed = asyncio.run(answers(settings, tuple(path + "/" for path in paths)))
    assert [each.status_code for each in plain + slashed] == [200] * 18
    assert [each.text for each in plain] == [each.text for each in slashed]


def test_the_three_json_endpoints_say_the_same() -> None:
    got = asyncio.run(answers(PLAIN, ("/sync/json", "/async/json", "/async/json/sync")))
    assert got[0].json() == got[1].json() == got[2].json()


def test_health_answers_while_the_pool_is_full() -> None:
    async def look() -> dict[str, object]:
        async with client(replace(PLAIN, pool=2, upstream_url=url)) as caller:
            waiting = [asyncio.create_task(caller.get("/sync/http")) for _ in range(3)]
            while len(FakeUpstream.seen) < 2:  # both threads are inside the upstream's hang
                await asyncio.sleep(0)
            while True:
                health: dict[str, object] = (await caller.get("/health")).json()
                if health["pool"] == {"total": 2, "borrowed": 2, "waiting": 1}:
                    break
            FakeUpstream.hang.set()
            await asyncio.gather(*waiting)
            return health

    with upstream(status=0) as url:
        assert asyncio.run(look())["status"] == "ok"


def test_thread_lines_tell_who_handles() -> None:
    with capture_logs() as lines:
        got = asyncio.run(answers(replace(PLAIN, thread_lines=True), ("/sync/ping", "/ping")))
    assert [each.status_code for each in got] == [200, 200]
    logged = [(line["event"].split(" ", 2)[2], line["name"]) for line in lines]
    assert [event for event, _ in logged] == [
        "started handling /sync/ping", "finished handling /sync/ping",
        "started handling /ping", "finished handling /ping",
    ]  # fmt: skip
    assert logged[0][1] == "AnyIO worker thread"
    assert logged[2][1] == "MainThread"


def test_thread_lines_are_off_unless_asked_for() -> None:
    with capture_logs() as lines:
        asyncio.run(answers(PLAIN, ("/sync/ping", "/ping")))
    assert lines == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("APP_POOL", "0"), ("APP_POOL", "many"), ("APP_POOL", "10001"), ("APP_POOL", "-1"),
        ("APP_DELAY_MS", "1.5"), ("APP_DELAY_MS", "60001"), ("APP_CLIENT", "curl"),
        ("APP_CLIENT_LIFE", ""), ("APP_CLIENT_TIMEOUT_MS", "0"), ("APP_CLIENT_CONNECTIONS", "0"),
        ("APP_THREAD_LINES", "yes"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_value(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{key}={value!r}: give "):
        read_settings({key: value})


def test_the_lesson_can_be_read_aloud_in_one_sitting() -> None:
    files = ("main.py", "endpoints.py", "clients.py", "settings.py")
    folder = DOCUMENT.parent
    assert sum(len((folder / name).read_text().splitlines()) for name in files) <= 275
