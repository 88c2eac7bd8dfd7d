"""How the endpoints call the upstream: `fetch` blocks its thread, `fetch_async` awaits.

`app/systems/clients/` has one module per HTTP library. With every library, a failed response or a
timeout raises UpstreamError. Its status goes to the app's caller: 502 for a failure, 504 for a
timeout.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import AbstractContextManager as Context
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext

from app.settings import Settings
from app.systems.clients.base import Get, GetAsync, Limits, load_library
from app.systems.request_id import build_trace_headers
from app.systems.upstream_errors import UpstreamError, check_body, translate_errors


class UpstreamClient:
    """Requests to the upstream, with a new client per request or one shared client."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"{settings.upstream_url}/?waitms={settings.delay_ms}"
        self.library = load_library(settings.client)
        self.limits = Limits(settings.client_timeout_s, settings.client_connections)
        self.blocking: Callable[[], Context[Get]] = self.open_blocking
        self.awaiting: Callable[[], AsyncContext[GetAsync]] = self.open_awaiting

    def fetch(self) -> bytes:
        with translate_errors(self.library), self.blocking() as get:
            return check_body(*get(self.url, build_trace_headers()))

    async def fetch_async(self) -> bytes:
        with translate_errors(self.library):
            async with self.awaiting() as get:
                return check_body(*await get(self.url, build_trace_headers()))

    @asynccontextmanager
    async def open_clients(self) -> AsyncIterator[None]:
        """Keep the shared clients open while the app runs, if the settings ask for shared ones."""
        async with AsyncExitStack() as stack:
            if self.settings.client_life == "shared" and self.library.open_awaiting:
                get_async = await stack.enter_async_context(self.open_awaiting())
                self.awaiting = lambda: nullcontext(get_async)
            if self.settings.client_life == "shared" and self.library.open_blocking:
                get = stack.enter_context(self.open_blocking())
                self.blocking = lambda: nullcontext(get)
            yield

    def open_blocking(self) -> Context[Get]:
        if self.library.open_blocking is None:
            raise UpstreamError(501, f"{self.settings.client} has no blocking client")
        return self.library.open_blocking(self.limits)

    def open_awaiting(self) -> AsyncContext[GetAsync]:
        if self.library.open_awaiting is None:
            raise UpstreamError(501, f"{self.settings.client} has no async client")
        return self.library.open_awaiting(self.limits)
