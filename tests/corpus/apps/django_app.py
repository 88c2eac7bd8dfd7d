"""Django under ASGI: what blocks around its views. Its `def` views run in a thread of their own
request."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import include, path, re_path
from django.views import View
from truth import measure

WAIT_S = 0.12
View_ = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


async def ping(_: HttpRequest) -> HttpResponse:
    return HttpResponse("pong")


async def get_item(_: HttpRequest, number: int) -> HttpResponse:
    with measure("django-item"):
        time.sleep(WAIT_S)  # blocks: django-item
    return HttpResponse(str(number))


async def get_year(_: HttpRequest, year: str) -> HttpResponse:
    with measure("django-year"):
        time.sleep(WAIT_S)  # blocks: django-year
    return HttpResponse(year)


class Orders(View):  # type: ignore[misc]  # Django has no types
    async def get(self, _: HttpRequest, order: str) -> HttpResponse:
        with measure("django-order"):
            time.sleep(WAIT_S)  # blocks: django-order
        return HttpResponse(order)


def sleep_in_thread(_: HttpRequest) -> HttpResponse:
    time.sleep(WAIT_S)
    return HttpResponse("slept")


async def sleep_in_another(_: HttpRequest) -> HttpResponse:
    await sync_to_async(time.sleep)(WAIT_S)
    return HttpResponse("slept")


class Tariff:
    async_capable, sync_capable = True, False

    def __init__(self, get_response: View_) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == "/middleware":
            with measure("django-middleware"):
                time.sleep(WAIT_S)  # blocks: django-middleware
        return await self.get_response(request)


async def show_tariff(_: HttpRequest) -> HttpResponse:
    return HttpResponse("tariff")


async def iterate_chunks() -> AsyncIterator[bytes]:
    yield b"begin"
    with measure("django-stream"):
        time.sleep(WAIT_S)  # blocks: django-stream
    yield b"end"


async def download(_: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iterate_chunks())


urlpatterns = [
    path("ping", ping),
    path("items/<int:number>", get_item),
    re_path(r"^years/(?P<year>[0-9]{4})$", get_year),
    path("shop/", include([path("orders/<order>", Orders.as_view())])),
    path("thread", sleep_in_thread),
    path("another", sleep_in_another),
    path("middleware", show_tariff),
    path("stream", download),
]
settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[f"{__name__}.Tariff"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the corpus",
)
app = get_asgi_application()
