"""The page of a running study, on loopback: `python -m study.live RUN_DIRECTORY PORT`.

Two paths: the page, and the stream of server-sent events that updates it.

It is a separate process, so that runner and server do not share its interpreter. It only reads the
run's files, and the runner records its CPU.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from analysis.report.interactive_timeline import build_live_spec
from analysis.report.templating import create_html_environment, encode_script_json, load_vega
from study.live.broadcast import SHOWN_S, LiveBroadcast

HOST = "127.0.0.1"
CLOSES_WITHIN_S = 1
OWN_HOST_ONLY = [Middleware(TrustedHostMiddleware, [HOST, "localhost"], www_redirect=False)]
"""A website whose name leads to this address may not read the page (DNS rebinding)."""


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

    routes = [Route("/", page), Route("/events", events)]
    return Starlette(routes=routes, middleware=OWN_HOST_ONLY, lifespan=looking)


def load_template() -> jinja2.Template:
    loaders = [jinja2.PackageLoader(each) for each in ("study.live", "analysis.report")]
    environment = create_html_environment().overlay(loader=jinja2.ChoiceLoader(loaders))
    return environment.get_template("live.html")


def main(directory: str, port: str) -> None:
    uvicorn.run(
        create_site(LiveBroadcast(Path(directory))),
        host=HOST,
        port=int(port),
        log_level="warning",
        timeout_graceful_shutdown=CLOSES_WITHIN_S,  # a browser never closes the stream by itself
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
