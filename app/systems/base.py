"""The base of every app here: a thread pool of the configured size, and no redirects."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI


def create_base_app(title: str, pool: int, opened: Callable[[], AsyncContext[None]]) -> FastAPI:
    """Create the app. `opened` keeps the resources that its endpoints share open while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = pool
        async with opened():
            # Objects that exist now live as long as the app. Without the freeze, every full
            # collection walks them, which stops all threads for about 100 ms every few seconds. The
            # users that queue up in a pause then stay synchronized.
            gc.collect()
            gc.freeze()
            yield

    return FastAPI(title=title, lifespan=lifespan, redirect_slashes=False)
