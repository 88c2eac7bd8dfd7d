"""FastAPI: WebSockets that block on a message, on connect, and never."""

from __future__ import annotations

import asyncio
import time

from fastapi import FastAPI, WebSocket
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from truth import measure

WAIT_S = 0.12


class Feed(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        with measure("on-connect"):
            time.sleep(WAIT_S)  # blocks: on-connect
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data)


app = FastAPI(routes=[WebSocketRoute("/feed", Feed)])


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.websocket("/rooms/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    text = await websocket.receive_text()
    with measure("on-message"):
        time.sleep(WAIT_S)  # blocks: on-message
    await websocket.send_text(f"{room} {text}")
    await websocket.close()


@app.websocket("/quiet")
async def keep_quiet(websocket: WebSocket) -> None:
    await websocket.accept()
    text = await websocket.receive_text()
    await asyncio.sleep(WAIT_S)
    await websocket.send_text(text)
    await websocket.close()
