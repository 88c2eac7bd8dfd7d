"""Sync and async endpoints that read a file."""

from scenarios.model import Endpoint, Load, Scenario, Server, Style

SERVER = Server()
FILE_MIB = 64
"""Some 6 ms of copying out of the page cache: enough to hold a loop up."""
WITH_PAUSES = Load(users=20, spawn_rate=20.0, think_s=0.25)
"""So that the cores are not the limit, and the loop has time that could be free."""


def make_disk_scenario(
    name: str, path: str, style: Style, question: str, expect: str, why: str
) -> Scenario:
    return Scenario(
        name=name,
        group="disk-large",
        question=question,
        expect=expect,
        why=why,
        endpoint=Endpoint(path, style),
        server=Server(worker_timeout_s=0.0),
        load=WITH_PAUSES,
        file_mib=FILE_MIB,
        subject=f"a file of {FILE_MIB} MiB",
        contender=name.removesuffix("-file").replace("-file-", " "),
    )


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
    make_disk_scenario(
        "async-file-sync",
        "/async/file/sync",
        "async def that blocks",
        question="async def + read(): a file that takes some ms, read on the loop",
        expect="one read at a time, and a loop that lags by several of them",
        why="The read lets go of the GIL, and nobody can use that: the loop itself waits.",
    ),
    make_disk_scenario(
        "async-file",
        "/async/file",
        "async def",
        question="async def + aiofiles: does awaiting a file leave the loop free?",
        expect="yes: as many reads at once as asyncio's executor has threads, and hardly any lag",
        why="aiofiles hands the read to asyncio's default executor, of min(32, cores + 4) "
        "threads: anyio's pool shows nothing of it. open, read and close are a hand-over each.",
    ),
    make_disk_scenario(
        "sync-file",
        "/sync/file",
        "def",
        question="def + read(): the same in anyio's pool",
        expect="as async-file, on up to 40 threads instead",
        why="Copying from the page cache is work for a core: beyond the cores no thread helps.",
    ),
    make_disk_scenario(
        "async-file-offload",
        "/async/file/offload",
        "async def that offloads",
        question="async def that hands the whole read to anyio's pool, once",
        expect="as sync-file",
        why="One hand-over for open, read and close together.",
    ),
)
