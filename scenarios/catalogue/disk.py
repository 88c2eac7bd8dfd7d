"""Sync and async endpoints that read a file."""

from functools import partial

from scenarios.model import Endpoint, Load, Scenario, Server

RANK = 50

FILE_MIB = 64
"""Some 6 ms of copying out of the page cache: enough to hold a loop up."""
small = partial(Scenario, group="disk", server=Server())
large = partial(
    Scenario,
    group="disk-large",
    server=Server(worker_timeout_s=0.0),
    load=Load(users=20, spawn_rate=20.0, think_s=0.25),
    file_mib=FILE_MIB,
    subject=f"a file of {FILE_MIB} MiB",
)
"""Users pause, so that the cores are not the limit, and the loop has time that could be free."""

SCENARIOS = (
    small(
        "sync-json",
        question="def + open() and json: what does the pool cost when nothing waits?",
        expect="fewer rps than async-json-sync: each request pays for a hand-over to a thread",
        why="The file is in the page cache; reading it takes microseconds, a hand-over more.",
        endpoint=Endpoint("/sync/json", "def"),
    ),
    small(
        "async-json",
        question="async def + aiofiles: what does awaiting a small file cost?",
        expect="the fewest rps of the three",
        why="aiofiles hands open, read and close to asyncio's executor, one after the other.",
        endpoint=Endpoint("/async/json", "async def"),
    ),
    small(
        "async-json-sync",
        question="async def + open(): is a small blocking read harmful?",
        expect="the most rps of the three",
        why="Some microseconds of blocking are less than any hand-over, while the disk is fast.",
        endpoint=Endpoint("/async/json/sync", "async def that blocks"),
    ),
    large(
        "async-file-sync",
        contender="async sync",
        question="async def + read(): a file that takes some ms, read on the loop",
        expect="one read at a time, and a loop that lags by several of them",
        why="The read lets go of the GIL, and nobody can use that: the loop itself waits.",
        endpoint=Endpoint("/async/file/sync", "async def that blocks"),
    ),
    large(
        "async-file",
        contender="async",
        question="async def + aiofiles: does awaiting a file leave the loop free?",
        expect="yes: as many reads at once as asyncio's executor has threads, and hardly any lag",
        why="aiofiles hands the read to asyncio's default executor, of min(32, cores + 4) "
        "threads: anyio's pool shows nothing of it. open, read and close are a hand-over each.",
        endpoint=Endpoint("/async/file", "async def"),
    ),
    large(
        "sync-file",
        contender="sync",
        question="def + read(): the same in anyio's pool",
        expect="as async-file, on up to 40 threads instead",
        why="Copying from the page cache is work for a core: beyond the cores no thread helps.",
        endpoint=Endpoint("/sync/file", "def"),
    ),
    large(
        "async-file-offload",
        contender="async offload",
        question="async def that hands the whole read to anyio's pool, once",
        expect="as sync-file",
        why="One hand-over for open, read and close together.",
        endpoint=Endpoint("/async/file/offload", "async def that offloads"),
    ),
)
