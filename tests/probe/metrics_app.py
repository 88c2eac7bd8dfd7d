"""A service with some of each trouble, and its metrics on a port of their own. Prints both ports as
JSON: python metrics_app.py"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from asgi_probe import Probe
from asgi_probe.prometheus import PrometheusMetrics
from fastapi import BackgroundTasks, FastAPI
from prometheus_client import start_http_server


@asynccontextmanager
async def limit_threads(_: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = 2
    yield


app = FastAPI(lifespan=limit_threads)


@app.get("/thread/{number}")
def hold_a_thread(number: int) -> int:
    time.sleep(0.05)
    return number


@app.get("/block")
async def block() -> None:
    time.sleep(0.1)


@app.get("/executor")
async def use_executor() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, time.sleep, 0.05) for _ in range(100)))


@app.get("/background")
async def work_later(tasks: BackgroundTasks) -> None:
    tasks.add_task(asyncio.sleep, 1.0)


if __name__ == "__main__":
    server, _ = start_http_server(0, "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = {"service": listener.getsockname()[1], "metrics": server.server_port}
        print(json.dumps(ports), flush=True)
        config = uvicorn.Config(Probe(app, metrics=PrometheusMetrics()), log_level="warning")
        uvicorn.Server(config).run([listener])
