"""What a request asks of the machine itself: a file, or work on the CPU."""

from functools import partial

from scenarios.model import BackgroundRequest, Endpoint, Load, Scenario, Server

RANK = 50
QUESTIONS = {
    "disk": "a small file: does reading it need a thread?",
    "disk-large": "a file of 64 MiB: does reading it block the loop?",
    "cpu": "CPU work: what do threads and processes bring?",
}

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
STEPS = 100_000
"""Some 9 ms of CPython on the machine that this was written on."""
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
    work(
        "cpu-async",
        contender="async def",
        question="CPU work in async def: what becomes of everybody else?",
        expect="1 / work, and a bystander who waits for all 50, some several times over",
        why="The loop works on one request and sees nobody else meanwhile; the bystander's ping "
        "stands in line with the 50.",
        endpoint=Endpoint(f"/async/stress/cpu/{STEPS}", "async def that blocks"),
    ),
    work(
        "cpu-sync",
        contender="def",
        question="CPU work in def: do 40 threads make it faster?",
        expect="about as many rps as cpu-async, and a bystander who waits some turns of 5 ms",
        why="One interpreter runs one thread at a time, so nothing gets faster. But it switches "
        "every 5 ms, and the loop gets a turn among the threads.",
        endpoint=Endpoint(f"/sync/stress/cpu/{STEPS}", "def"),
    ),
    work(
        "cpu-process",
        contender="process pool",
        question="CPU work in a process pool: what do the other cores bring?",
        expect="more rps the more idle cores there are, and a bystander who hardly waits",
        why="Each process has an interpreter of its own; the loop only hands over and awaits.",
        endpoint=Endpoint(f"/process/stress/cpu/{STEPS}", "async def with processes"),
    ),
)
