"""One websocket exchange of an audited service's user: open, send, first response, close.

Without a message to send, the first message from the app is the response. If none comes, the
exchange is measured to its handshake.
"""

import asyncio
from time import monotonic
from typing import Literal

import aiohttp
from yarl import URL

from scenarios.units import Second
from stress.audit.answer import Answer, ReadLimits
from stress.audit.ask import Ask

SWITCHED = 101
NORMAL_CLOSES = (1000, 0)
"""Close codes of a normal end, which count as an empty response. 0: no code."""
Socket = aiohttp.ClientWebSocketResponse[Literal[True]]
CLOSE_S: Second = 1.0
"""Limit of the closing handshake."""


async def exchange_messages(
    session: aiohttp.ClientSession,
    ask: Ask,
    answer: Answer,
    limits: ReadLimits,
    clock: asyncio.Timeout,
) -> None:
    """Fill `answer`; its status is the handshake's. session: one that keeps no connections, as a
    browser opens one per socket. Raises aiohttp.ClientError."""
    try:
        socket = await session.ws_connect(
            URL(ask.target, encoded=True),
            headers=ask.headers,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            max_msg_size=limits.most_bytes,
        )
    except aiohttp.WSServerHandshakeError as error:
        answer.status = error.status
        if error.status < 400:  # a response, but not to a handshake
            raise
        answer.ended_s = monotonic()
        return
    answer.status = SWITCHED
    try:
        await ask_socket(socket, ask, answer, limits, clock)
    finally:
        if not clock.expired():
            clock.reschedule(None)  # closing the socket is not part of the response
        await socket.close()


async def ask_socket(
    socket: Socket, ask: Ask, answer: Answer, limits: ReadLimits, clock: asyncio.Timeout
) -> None:
    await send_message(socket, ask)
    if not ask.endless:
        if ask.body is None and limits.rest_s is not None:
            clock.reschedule(asyncio.get_running_loop().time() + limits.rest_s)
        read_message(answer, await socket.receive())
    answer.ended_s = monotonic()


async def send_message(socket: Socket, ask: Ask) -> None:
    """Send the body, as text if it is UTF-8."""
    if ask.body is None:
        return
    try:
        text = ask.body.decode()
    except UnicodeDecodeError:
        await socket.send_bytes(ask.body)
    else:
        await socket.send_str(text)


def read_message(answer: Answer, message: aiohttp.WSMessage) -> None:
    kind, data = message.type, message.data
    if kind is aiohttp.WSMsgType.CLOSE:
        if data not in NORMAL_CLOSES:
            answer.error = f"closed with {data}"
    elif kind in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        answer.size = len(data.encode() if isinstance(data, str) else data)
    elif kind is aiohttp.WSMsgType.ERROR:
        answer.error = type(data).__name__
    else:  # no code and no message: the app failed or the server ended
        answer.error = "closed"
