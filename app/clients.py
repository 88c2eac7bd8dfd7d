"""How the endpoints ask the upstream: `fetch` blocks its thread, `fetch_async` awaits.

Whichever library does it, an upstream that answers wrongly or too late is an UpstreamError with
the status that the app's own caller gets: 502 or 504.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import AbstractContextManager as Context
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext

import aiohttp
import httpx
import httpx2

from app.settings import Settings
from app.systems.request_id import build_trace_headers
from app.systems.upstream_errors import UpstreamError, check_body, translate_errors

Blocking = httpx.Client | httpx2.Client
Awaiting = httpx.AsyncClient | httpx2.AsyncClient | aiohttp.ClientSession


class UpstreamClient:
    """The upstream, through a client made anew for each request, or one that all share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"{settings.upstream_url}/?waitms={settings.delay_ms}"
        self.blocking: Callable[[], Context[Blocking]] = self.create_blocking_client
        self.awaiting: Callable[[], AsyncContext[Awaiting]] = self.create_async_client

    def fetch(self) -> bytes:
        with translate_errors(), self.blocking() as client:
            answer = client.get(self.url, headers=build_trace_headers())
            return check_body(answer.status_code, answer.content)

    async def fetch_async(self) -> bytes:
        with translate_errors():
            async with self.awaiting() as client:
                if isinstance(client, aiohttp.ClientSession):
                    async with client.get(self.url, headers=build_trace_headers()) as reply:
                        return check_body(reply.status, await reply.read())
                answer = await client.get(self.url, headers=build_trace_headers())
                return check_body(answer.status_code, answer.content)

    @asynccontextmanager
    async def open_clients(self) -> AsyncIterator[None]:
        """Keeps the shared clients open while the app lives, if they are to be shared."""
        async with AsyncExitStack() as stack:
            if self.settings.client_life == "shared":
                awaiting = self.create_async_client()
                await stack.enter_async_context(awaiting)
                self.awaiting = lambda: nullcontext(awaiting)
                if self.settings.client != "aiohttp":
                    blocking = self.create_blocking_client()
                    stack.enter_context(blocking)
                    self.blocking = lambda: nullcontext(blocking)
            yield

    def create_blocking_client(self) -> Blocking:
        timeout_s, most = self.settings.client_timeout_s, self.settings.client_connections
        if self.settings.client == "httpx":
            return httpx.Client(timeout=timeout_s, limits=httpx.Limits(max_connections=most))
        if self.settings.client == "httpx2":
            return httpx2.Client(timeout=timeout_s, limits=httpx2.Limits(max_connections=most))
        raise UpstreamError(501, "aiohttp has no blocking form; use httpx or httpx2 here")

    def create_async_client(self) -> Awaiting:
        timeout_s, most = self.settings.client_timeout_s, self.settings.client_connections
        if self.settings.client == "httpx":
            return httpx.AsyncClient(timeout=timeout_s, limits=httpx.Limits(max_connections=most))
        if self.settings.client == "httpx2":
            limits = httpx2.Limits(max_connections=most)
            return httpx2.AsyncClient(timeout=timeout_s, limits=limits)
        total = aiohttp.ClientTimeout(total=timeout_s)
        return aiohttp.ClientSession(timeout=total, connector=aiohttp.TCPConnector(limit=most))
