"""Work that waits for nothing: on the loop, in the thread pool, in other processes."""

from functools import partial

from scenarios.model import BackgroundRequest, Endpoint, Load, Scenario, Server

RANK = 60

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
