"""FastAPI: clients and TLS contexts created per request, and shared ones."""

from __future__ import annotations

import ssl
from functools import cache

import httpx
from fastapi import FastAPI
from truth import measure, note_run
from upstream import start_upstream

URL = f"http://127.0.0.1:{start_upstream()}/"
TLS = ssl.create_default_context()
SHARED = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None))

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/client")
async def ask_with_own_client() -> str:
    async with httpx.AsyncClient() as client:  # waits: client-per-request
        answer = await client.get(URL)
    note_run("client-per-request")
    return answer.text


@app.get("/context")
async def make_context() -> int:
    with measure("context-per-request"):
        context = ssl.create_default_context()  # waits: context-per-request
    return context.verify_mode


@app.get("/sync-client", response_model=None)
def ask_in_thread() -> str:
    with (
        measure("sync-client-per-request"),
        httpx.Client() as client,
    ):  # waits: sync-client-per-request
        return client.get(URL).text


@app.get("/shared")
async def ask_with_shared_client() -> str:
    return (await SHARED.get(URL)).text


@cache
def get_lazy_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=TLS, limits=httpx.Limits(max_connections=None))


@app.get("/lazy")
async def ask_with_lazy_client() -> str:
    return (await get_lazy_client().get(URL)).text
