"""Two addresses: the page, and the stream of server-sent events that moves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from analysis.report.interactive_timeline import build_live_spec
from analysis.report.vega import encode_script_json, load_vega
from study.live.broadcast import SHOWN_S, LiveBroadcast


def create_site(broadcast: LiveBroadcast) -> Starlette:
    @asynccontextmanager
    async def looking(_: Starlette) -> AsyncIterator[None]:
        looks = asyncio.create_task(broadcast.run())
        yield
        looks.cancel()
        with suppress(asyncio.CancelledError):
            await looks

    async def page(_: Request) -> Response:
        return HTMLResponse(
            load_template().render(
                spec=encode_script_json(build_live_spec(SHOWN_S)), vega=load_vega()
            ),
            headers={"Content-Security-Policy": "default-src 'self' 'unsafe-inline' data:"},
        )

    async def events(_: Request) -> Response:
        async def stream() -> AsyncIterator[str]:
            async for message in broadcast.stream_messages():
                yield f"data: {message}\n\n"

        return StreamingResponse(
            stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    return Starlette(routes=[Route("/", page), Route("/events", events)], lifespan=looking)


def load_template() -> jinja2.Template:
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("study.live"), jinja2.PackageLoader("analysis.report")]
    )
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("live.html")
