"""Requests that read a file or compute."""

from functools import partial

from scenarios.model import BackgroundRequest, Endpoint, Load, Scenario, Server

RANK = 50
QUESTIONS = {
    "disk": "a small file: does reading it need a thread?",
    "disk-large": "a file of 64 MiB: does reading it block the loop?",
    "cpu": "CPU work: what do threads and processes gain?",
}

FILE_MIB = 64
"""Copying it from the page cache takes about 6 ms: enough to block the loop visibly."""
small = partial(Scenario, group="disk", server=Server())
large = partial(
    Scenario,
    group="disk-large",
    server=Server(worker_timeout_s=0.0),
    load=Load(users=20, spawn_rate=20.0, think_s=0.25),
    file_mib=FILE_MIB,
    subject=f"a file of {FILE_MIB} MiB",
)
"""Users pause, so that the cores are not the limit and a free loop would show."""
STEPS = 100_000
"""About 9 ms of CPython on the development machine."""
work = partial(
    Scenario,
    group="cpu",
    server=Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.contrast"),
    load=Load(users=50, spawn_rate=50.0),
    bystander=BackgroundRequest(every_s=0.37),
    subject=f"CPU work of {STEPS:,} steps",
)

SCENARIOS = (
    small(
        "sync-json",
        question="def + open() and json: what does the pool cost when nothing waits?",
        expect="fewer rps than async-json-sync: each request pays for the way to a thread and back",
        why="Reading from the page cache takes less time than moving the call to a thread.",
        endpoint=Endpoint("/sync/json", "def"),
    ),
    small(
        "async-json",
        question="async def + aiofiles: what does awaiting a small file cost?",
        expect="clearly fewer rps than async-json-sync",
        why="aiofiles runs open, read and close in asyncio's executor, one after the other.",
        endpoint=Endpoint("/async/json", "async def"),
    ),
    small(
        "async-json-sync",
        question="async def + open(): is a small blocking read harmful?",
        expect="the most rps of the three",
        why="While the disk is fast, the read takes less time than moving it to a thread.",
        endpoint=Endpoint("/async/json/sync", "async def that blocks"),
    ),
    large(
        "async-file-sync",
        contender="async sync",
        question="async def + read(): does a read of some ms block the loop?",
        expect="one read at a time, and a loop lag of several reads",
        why="The read releases the GIL, but the event loop itself waits for the read to return.",
        endpoint=Endpoint("/async/file/sync", "async def that blocks"),
    ),
    large(
        "async-file",
        contender="async",
        question="async def + aiofiles: does awaiting a file leave the loop free?",
        expect="yes: as many reads at once as asyncio's executor has threads, and hardly any lag",
        why="aiofiles runs open, read and close in asyncio's default executor, one call each. It "
        "has min(32, cores + 4) threads, and anyio's limiter does not count them.",
        endpoint=Endpoint("/async/file", "async def"),
    ),
    large(
        "sync-file",
        contender="sync",
        question="def + read(): does anyio's pool do better?",
        expect="as async-file, on up to 40 threads",
        why="Copying from the page cache keeps a core busy: more threads than cores do not help.",
        endpoint=Endpoint("/sync/file", "def"),
    ),
    large(
        "async-file-offload",
        contender="async offload",
        question="async def that offloads the whole read in one call: does it do better?",
        expect="as sync-file",
        why="One offloaded call does open, read and close.",
        endpoint=Endpoint("/async/file/offload", "async def that offloads"),
    ),
    work(
        "cpu-async",
        contender="async def",
        question="CPU work in async def: how long do other requests wait?",
        expect="1 / CPU time rps; a background request waits for all 50, often several times",
        why="While the loop computes for one request, it serves no other; the background request "
        "queues with the 50.",
        endpoint=Endpoint(f"/async/stress/cpu/{STEPS}", "async def that blocks"),
    ),
    work(
        "cpu-sync",
        contender="def",
        question="CPU work in def: do 40 threads make it faster?",
        expect="about as many rps as cpu-async; a background request waits for some turns of 5 ms",
        why="One interpreter runs one thread at a time, so nothing gets faster. But it switches "
        "threads every 5 ms, and the loop gets its turn.",
        endpoint=Endpoint(f"/sync/stress/cpu/{STEPS}", "def"),
    ),
    work(
        "cpu-process",
        contender="process pool",
        question="CPU work in a process pool: what do the other cores gain?",
        expect="more rps with every idle core, and hardly any bystander latency",
        why="Each process has its own interpreter; the loop only sends the work and awaits it.",
        endpoint=Endpoint(f"/process/stress/cpu/{STEPS}", "async def with processes"),
    ),
)
