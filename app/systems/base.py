"""What every app here begins with: a thread pool of the wanted size, and no redirects."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager as AsyncContext
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI


def create_base_app(title: str, pool: int, opened: Callable[[], AsyncContext[None]]) -> FastAPI:
    """`opened` holds open, while the app lives, what its endpoints share."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = pool
        async with opened():
            # What is alive now stays. A full collection that walks it too, every few seconds,
            # stops all threads for some 100 ms; the users who queue up meanwhile go on asking
            # together.
            gc.collect()
            gc.freeze()
            yield

    return FastAPI(title=title, lifespan=lifespan, redirect_slashes=False)
