"""Sync and async endpoints that read a file."""

from scenarios.model import Endpoint, Scenario, Server

SERVER = Server()

DISK: tuple[Scenario, ...] = (
    Scenario(
        name="sync-json",
        group="disk",
        question="def + open() and json: what does the pool cost when nothing waits?",
        expect="fewer rps than async-json-sync: each request pays for a hand-over to a thread",
        why="The file is in the page cache; reading it takes microseconds, a hand-over more.",
        endpoint=Endpoint("/sync/json", "def"),
        server=SERVER,
    ),
    Scenario(
        name="async-json",
        group="disk",
        question="async def + aiofiles: what does awaiting a small file cost?",
        expect="the fewest rps of the three",
        why="aiofiles hands open, read and close to asyncio's executor, one after the other.",
        endpoint=Endpoint("/async/json", "async def"),
        server=SERVER,
    ),
    Scenario(
        name="async-json-sync",
        group="disk",
        question="async def + open(): is a small blocking read harmful?",
        expect="the most rps of the three",
        why="Some microseconds of blocking are less than any hand-over, while the disk is fast.",
        endpoint=Endpoint("/async/json/sync", "async def that blocks"),
        server=SERVER,
    ),
)
