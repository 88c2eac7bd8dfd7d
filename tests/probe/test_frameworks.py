"""A request's route and code under each framework, in one common form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe.frameworks import write_template
from asgi_probe.routes import App, Receive, Scope, Send
from starlette.applications import Starlette
from starlette.routing import Mount

from .support import get, observe


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("/items/<int:number>", "/items/{number}"),
        ("/<any(a,b):kind>/<path:rest>", "/{kind}/{rest}"),
        ("items/<slug>/", "/items/{slug}/"),
        (r"^years/(?P<year>[0-9]{4})$", "/years/{year}"),
        (r"shop/^orders/(?P<id>(?:a|b)\d+)\.html$", "/shop/orders/{id}.html"),
        (r"^years/([0-9]{4})/$", "/years/([0-9]{4})/"),
        ("", "/"),
    ],
)
def test_a_template_has_the_names_alone(route: str, template: str) -> None:
    assert write_template(route) == template


def find_row(app: object, folder: Path, path: str) -> SimpleNamespace:
    (row,) = observe(app, folder, get(path)).requests
    assert isinstance(row, SimpleNamespace)
    return row


async def answer(scope: Scope, __: Receive, send: Send) -> None:
    if "route" not in scope:
        pytest.skip("this Starlette does not keep which mount it took")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_mounted_callable_has_the_route_of_its_mount(tmp_path: Path) -> None:
    app = Starlette(routes=[Mount("/files/{tenant}", app=answer)])
    assert find_row(app, tmp_path, "/files/acme/a/b").route == "/files/{tenant}/{path}"


def make_quart() -> App:
    quart = pytest.importorskip("quart")
    app = quart.Quart(__name__)

    async def get_item(number: int) -> str:
        return str(number)

    app.get("/items/<int:number>")(get_item)
    found: App = app
    return found


@pytest.mark.parametrize("prefix", ["", "/in"])
def test_quart_tells_the_route_and_the_view(tmp_path: Path, prefix: str) -> None:
    app = make_quart()
    whole: App = Starlette(routes=[Mount(prefix, app=app)]) if prefix else app
    row = find_row(whole, tmp_path, f"{prefix}/items/7")
    assert (row.route, row.status, row.thread_kind) == (f"{prefix}/items/{{number}}", 200, "loop")
    assert row.endpoint.startswith(f"{__file__}:")
    assert row.endpoint.endswith("get_item")


def test_an_unknown_path_of_quart_stays_a_path(tmp_path: Path) -> None:
    row = find_row(make_quart(), tmp_path, "/nowhere/7")
    assert (row.route, row.status, row.endpoint) == ("/nowhere/7", 404, None)


@pytest.mark.filterwarnings("ignore:.*inferred style")  # older versions know no other
@pytest.mark.parametrize("prefix", ["", "/in"])
def test_litestar_tells_the_route_and_the_handler(tmp_path: Path, prefix: str) -> None:
    litestar = pytest.importorskip("litestar")

    def get_item(number: int) -> int:
        return number

    app = litestar.Litestar([litestar.get("/items/{number:int}", sync_to_thread=True)(get_item)])
    whole = Starlette(routes=[Mount(prefix, app=app)]) if prefix else app
    row = find_row(whole, tmp_path, f"{prefix}/items/7")
    assert (row.route, row.status) == (f"{prefix}/items/{{number}}", 200)
    assert row.endpoint.startswith(f"{__file__}:")
    assert row.endpoint.endswith("get_item")


@pytest.fixture(scope="module")
def django() -> App:
    """One per process: Django's settings are its module's."""
    pytest.importorskip("django")
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path, re_path
    from django.views import View

    async def get_item(_: object, number: int) -> object:
        return HttpResponse(str(number))

    class Orders(View):  # type: ignore[misc]
        async def get(self, _: object, order: str) -> object:
            return HttpResponse(order)

    patterns = [
        path("items/<int:number>", get_item),
        re_path(r"^orders/(?P<order>\w+)$", Orders.as_view()),
    ]
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], SECRET_KEY="of a test", ROOT_URLCONF=tuple(patterns)
        )
    app: App = get_asgi_application()
    return app


@pytest.mark.parametrize("prefix", ["", "/in"])
def test_django_tells_the_route_and_the_view(tmp_path: Path, django: App, prefix: str) -> None:
    whole: App = Starlette(routes=[Mount(prefix, app=django)]) if prefix else django
    row = find_row(whole, tmp_path, f"{prefix}/items/7")
    assert (row.route, row.status, row.thread_kind) == (f"{prefix}/items/{{number}}", 200, "loop")
    assert row.endpoint.endswith("get_item")


def test_djangos_class_of_views_has_the_code_of_its_method(tmp_path: Path, django: App) -> None:
    row = find_row(django, tmp_path, "/orders/a7")
    assert (row.route, row.thread_kind) == ("/orders/{order}", "loop")
    assert row.endpoint.endswith("Orders.get")
