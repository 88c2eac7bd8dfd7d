"""Each kind of finding has a cure that is measured to be better, in services with planted faults.

test_cures.py has those of POOL_WAIT, ANSWER_DELAYED, CLIENT_PER_REQUEST, and of code that waits on
the event loop; test_audit_servers.py has those of the server's findings. Where a cure is a comment,
what it says is edited by hand.
"""

from pathlib import Path

import pytest

from analysis.findings.judge import list_findings
from tests.process.cured_service import (
    CuredService,
    Fault,
    count_new_threads,
    measure_blocked_share,
    measure_cpu_ms,
    measure_delay_of_jobs,
    measure_latency_ms,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]
IMPORTS = """
import asyncio, gc, math, queue, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context

import anyio.from_thread, anyio.to_process, anyio.to_thread
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
"""
POOLS = CuredService(
    IMPORTS
    + """
executor, kept, stop, watched = ThreadPoolExecutor(1), [], threading.Event(), queue.Queue()

@asynccontextmanager
async def lifespan(_):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 3
    # startup
    yield
    stop.set()

class Reporting(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)

app = FastAPI(lifespan=lifespan)
for _ in range(3):
    app.add_middleware(Reporting)

@app.get("/ping")
async def ping() -> str:
    return "pong"

def look_up() -> str:
    return "found"

async def hand_over() -> str:
    with anyio.move_on_after(0.6):
        return await anyio.to_thread.run_sync(look_up)
    return "given up"

@app.get("/nested")
def read_nested() -> str:
    return anyio.from_thread.run(hand_over)

@app.get("/many")
async def compress() -> str:
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.1) for _ in range(8)))
    return "compressed"

def watch_all() -> None:
    while True:
        watched.get()

@app.get("/watch")
async def watch() -> str:
    await asyncio.sleep(0.1)
    threading.Thread(target=stop.wait, daemon=True).start()
    return "watched"

@app.get("/shrunk")
async def shrink() -> int:
    await asyncio.sleep(0.1)
    executor = ThreadPoolExecutor(1)
    kept.append(executor)
    return executor.submit(int).result()
""",
    (
        # Three layers take twice the CPU of all else of an empty route; a busy machine takes from
        # both alike.
        Fault("MIDDLEWARE_COST", None, measure_cpu_ms, 1.4, at="/ping"),
        # 0.6 s and longer before; some ms after.
        Fault("POOL_DEADLOCK", "/nested", measure_latency_ms, 4),
        # 80 calls of 0.1 s, for at most 32 threads (of 2 cores: 6); then for a thread each.
        Fault("EXECUTOR_WAIT", "/many", measure_latency_ms, 1.5),
        # A thread for each of about 100 requests; then none.
        Fault("THREAD_GROWTH", "/watch", count_new_threads, 10),
        Fault("THREAD_GROWTH", "/shrunk", count_new_threads, 10),
    ),
    by_hand={
        "    # startup\n": "    # startup\n"
        "    threading.Thread(target=watch_all, daemon=True).start()\n",
        "    threading.Thread(target=stop.wait, daemon=True).start()": "    watched.put(1)",
    },
)
KEPT = CuredService(
    IMPORTS
    + """
mailers = anyio.Semaphore(2)

@asynccontextmanager
async def lifespan(_):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    # startup
    yield

app = FastAPI(lifespan=lifespan)

def follow_log():
    for number in range(3):
        time.sleep(0.15)
        yield str(number)

@app.get("/log", response_model=None)
async def stream_log() -> StreamingResponse:
    return StreamingResponse(follow_log())

async def send_mail(asked_s: float) -> None:
    async with mailers:
        await asyncio.sleep(0.1)
    with open("done.txt", "a") as done:
        done.write(f"{time.monotonic() - asked_s}\\n")

@app.get("/order")
async def order(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(0.1)
    tasks.add_task(send_mail, time.monotonic())
    return "ordered"

def get_settings() -> str:
    return "settings"

def get_user() -> str:
    return "user"

def get_locale() -> str:
    return "locale"

def get_trace() -> str:
    return "trace"

@app.get("/title")
async def title(
    settings: str = Depends(get_settings), user: str = Depends(get_user),
    locale: str = Depends(get_locale), trace: str = Depends(get_trace),
) -> str:
    return settings + user + locale + trace
""",
    (
        # Ten streams wait for two threads, chunk by chunk; then for none.
        Fault("THREADS_PINNED", "/log", measure_latency_ms, 2),
        # A hundred jobs in a second, of which 20 can end; then each has a worker.
        Fault("BACKGROUND_BACKLOG", "/order", measure_delay_of_jobs, 3),
        # Four hand-overs to threads cost as much CPU as the rest of the request, or more.
        Fault("TRIVIAL_DEF", "/title", measure_cpu_ms, 1.5),
    ),
    by_hand={
        "    # startup\n": "    # startup\n    global jobs\n    jobs = subprocess.Popen("
        "[sys.executable, 'worker.py'], stdin=subprocess.PIPE, text=True)\n",
        "    # put it into a job queue whose workers run outside the web process": "    "
        "print(time.monotonic(), file=jobs.stdin, flush=True)",
    },
    files={
        "worker.py": """
import sys, time
from concurrent.futures import ThreadPoolExecutor

def send_mail(asked_s: float) -> None:
    time.sleep(0.1)
    with open("done.txt", "a") as done:
        done.write(f"{time.monotonic() - asked_s}\\n")

with ThreadPoolExecutor(32) as pool:
    for line in sys.stdin:
        pool.submit(send_mail, float(line))
"""
    },
)
BLOCKS = CuredService(
    IMPORTS
    + """
@asynccontextmanager
async def lifespan(app):
    anyio.to_thread.current_default_thread_limiter().total_tokens = 2
    app.state.heap = [[number] for number in range(400_000)]
    # startup
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/rows")
def list_rows() -> str:
    time.sleep(0.05)
    return "rows"

def add_up(size: int) -> int:
    return sum(number * number % 7 for number in range(size))

@app.get("/report")
async def report() -> int:
    total = add_up(1_500_000)
    return total

@app.get("/odds")
def compute_odds() -> int:
    number = math.factorial(120_000)
    return number % 1009

@app.get("/trim")
async def trim() -> int:
    return gc.collect()
""",
    (
        # Ten users wait for two threads; then for none.
        Fault("LIMITER_SIZE", None, measure_latency_ms, 2, at="/rows"),
        # The loop is blocked nearly all the time; then a process computes, or nothing does.
        Fault("LOOP_BLOCKED", "/report", measure_blocked_share, 3, cause="compute"),
        Fault("LOOP_BLOCKED", "/odds", measure_blocked_share, 3, cause="gil"),
        Fault("LOOP_BLOCKED", "/trim", measure_blocked_share, 3, cause="gc"),
    ),
    by_hand={
        "    # startup\n": "    # startup\n    global processes\n"
        "    processes = ProcessPoolExecutor(2, get_context('spawn'))\n",
    },
)
SERVICES = {"pools": POOLS, "kept threads": KEPT, "blocks": BLOCKS}

ELSEWHERE = {
    "ANSWER_DELAYED", "CLIENT_PER_REQUEST", "POOL_WAIT",
    "ACCEPT_QUEUE", "REFUSED_REQUESTS", "WORKER_KILLED",
}  # fmt: skip
UNMEASURED = {"GIL_REENABLED"}
"""It needs an interpreter without GIL."""


def test_each_kind_of_finding_is_measured() -> None:
    here = {fault.code for each in SERVICES.values() for fault in each.faults}
    assert {each.code for each in list_findings()} == here | ELSEWHERE | UNMEASURED


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_the_cures_of_planted_faults_are_measured_to_be_better(
    service: CuredService, tmp_path: Path
) -> None:
    ratios = service.compare(tmp_path)
    worse = [each.key for each in service.faults if ratios[each.key] < each.better]
    assert worse == [], ratios
