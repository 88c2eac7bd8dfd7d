"""The cures of findings other than a blocked loop."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import find_all
from analysis.findings.cures.code_sites import read_source
from analysis.findings.evidence import RouteCode
from analysis.findings.layers.answer_delayed import AnswerDelayed
from analysis.findings.layers.background_backlog import BackgroundBacklog
from analysis.findings.layers.middleware_cost import MiddlewareCost
from analysis.findings.remedies import Cure
from analysis.findings.resources.client_per_request import ClientPerRequest
from analysis.findings.resources.gil_reenabled import GilReenabled
from analysis.findings.resources.limiter_size import LimiterSize
from analysis.findings.resources.things_made import CONNECTIONS
from analysis.findings.resources.thread_growth import ThreadGrowth
from analysis.findings.server.accept_queue import AcceptQueue
from analysis.findings.server.refused_requests import RefusedRequests
from analysis.findings.source_code import parse_source
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.threads_pinned import ThreadsPinned
from analysis.findings.waits.trivial_def import TrivialDef
from records.audit import GIL_OPTION, Phase
from records.server import ServerRecord, ServerSettings, WorkerEnd
from tests.unit.audit_samples import PID, ROUTED, AuditBuilder, Row
from tests.unit.cure_samples import (
    apply_cure,
    build_evidence_in,
    check_cure,
    find_line,
    place_in,
    write_app,
)
from tests.unit.handover_samples import make_handover

THREADS = 4


def crowd(calls: int, cpu_s: float = 0.0, **columns: object) -> list[Row]:
    """This many calls at once for THREADS threads, one second each."""
    rows: list[Row] = []
    for number in range(calls):
        begin_s = 1.0 + number // THREADS
        waits = {"queued_s": 1.0} if begin_s > 1.0 else {}
        times = {"granted_s": begin_s, "began_s": begin_s, "ended_s": begin_s + 1.0}
        who = {"visit": number, "capacity": float(THREADS), "cpu_s": cpu_s}
        rows.append(make_handover(**{"asked_s": 1.0, **waits, **times, **who, **columns}))
    return rows


def wait_for_pool(in_use: float = 4.0, queue: str = "anyio", line: int = 1) -> PoolWait:
    return PoolWait(
        severity="warning", confidence="high", route="/a", file="main.py", line=line,
        function=None, queue=queue, setter=None, capacity=4.0, in_use=in_use, loop_ms=0.0,
        is_after=False,
    )  # fmt: skip


def wait_for_executor(queue: str, line: int | None, function: str | None = None) -> ExecutorWait:
    return ExecutorWait(
        severity="warning", confidence="high", route="/a", file="main.py", line=line,
        function=function, queue=queue, setter=None, capacity=4.0, in_use=4.0, loop_ms=0.0,
        is_after=False,
    )  # fmt: skip


def test_the_pool_gets_as_many_threads_as_calls_wanted_one_at_once(tmp_path: Path) -> None:
    cure = check_cure(
        wait_for_pool().propose_cure(build_evidence_in(tmp_path, crowd(23))), "POOL_WAIT"
    )
    assert cure.trial == "pool=30"
    assert (cure.file, cure.before) == (None, ())
    assert cure.after[-1].endswith("total_tokens = 30")
    assert "23 calls" in cure.reason


def test_the_line_that_sets_the_size_is_changed(tmp_path: Path) -> None:
    made = "    limiter = anyio.to_thread.current_default_thread_limiter()\n"
    text = f"async def start(app):\n{made}    limiter.total_tokens = 4\n    yield\n"
    write_app(tmp_path, text)
    evidence = build_evidence_in(tmp_path, crowd(11))
    evidence = replace(evidence, endpoints=(make_code(tmp_path),))
    cure = check_cure(wait_for_pool().propose_cure(evidence), "POOL_WAIT")
    assert (cure.file, cure.line) == ("main.py", 3)
    assert cure.before == ("    limiter.total_tokens = 4",)
    assert cure.after == ("    limiter.total_tokens = 20",)


@pytest.mark.parametrize("name", ["total_tokens", "usage.total_tokens", "mine.total_tokens"])
def test_another_variable_of_that_name_is_not_the_pool_s_size(name: str, tmp_path: Path) -> None:
    """As a service counts the tokens of a language model."""
    write_app(tmp_path, f"async def start(app):\n    {name} = 4\n    yield\n")
    evidence = build_evidence_in(tmp_path, crowd(11))
    evidence = replace(evidence, endpoints=(make_code(tmp_path),))
    assert check_cure(wait_for_pool().propose_cure(evidence), "POOL_WAIT").before == ()


def make_code(folder: Path) -> RouteCode:
    return RouteCode("/a", str(folder / "main.py"), 1, "start", "http")


def test_more_threads_are_no_cure_where_they_compute_or_are_idle(tmp_path: Path) -> None:
    computing = wait_for_pool().propose_cure(build_evidence_in(tmp_path, crowd(23, cpu_s=0.9)))
    assert isinstance(computing, str)
    assert "90.0 %" in computing
    idle = wait_for_pool(in_use=1.0).propose_cure(build_evidence_in(tmp_path, crowd(23)))
    assert isinstance(idle, str)


def test_a_limit_of_the_apps_own_is_changed_where_it_is_set(tmp_path: Path) -> None:
    write_app(tmp_path, "import anyio\nLIMITER = anyio.CapacityLimiter(4)\n")
    rows = crowd(12, queue="limiter 1")
    cure = check_cure(
        wait_for_pool(queue="limiter 1").propose_cure(build_evidence_in(tmp_path, rows)),
        "POOL_WAIT",
    )
    assert cure.after == ("LIMITER = anyio.CapacityLimiter(20)",)
    assert cure.trial is None
    write_app(tmp_path, "A = anyio.CapacityLimiter(4)\nB = anyio.CapacityLimiter(4)\n")
    other = build_evidence_in(tmp_path / "none", rows)
    assert isinstance(wait_for_pool(queue="limiter 1").propose_cure(other), str)


@pytest.mark.parametrize("queue", ["executor", "executor printer"])
def test_executors_grow_too(queue: str, tmp_path: Path) -> None:
    printers = "PRINTERS = ThreadPoolExecutor(4, thread_name_prefix='printer')"
    write_app(tmp_path, f"{printers}\nDESKS = ThreadPoolExecutor(64)\n")
    evidence = build_evidence_in(tmp_path, crowd(9, queue=queue))
    cure = check_cure(wait_for_executor(queue, 1).propose_cure(evidence), "EXECUTOR_WAIT")
    own = queue != "executor"
    assert cure.trial == (None if own else "executor=10")
    assert cure.before == ((printers,) if own else ())
    assert "(10" in cure.after[-1]


def test_code_for_the_one_thread_of_asgiref_may_run_in_several(tmp_path: Path) -> None:
    text = """
        async def a(request):
            return await sync_to_async(load)(1)
        """
    file = write_app(tmp_path, text)
    evidence = build_evidence_in(tmp_path, crowd(9, queue="asgiref"))
    finding = wait_for_executor("asgiref", find_line(file, "sync_to_async"), "a")
    cure = check_cure(finding.propose_cure(evidence), "EXECUTOR_WAIT")
    assert cure.after == ("    return await sync_to_async(load, thread_sensitive=False)(1)",)


def test_a_deadlock_goes_with_more_threads_than_calls(tmp_path: Path) -> None:
    finding = PoolDeadlock(
        confidence="high", call="QueuePool of 3", pool_name="anyio's pool", unit="thread", size=3,
        stood=4, capacity=4, keepers=3, keeper_phases=("response",), failed=0, lasted_s=5.0,
        times=1,
    )  # fmt: skip
    evidence = build_evidence_in(tmp_path, crowd(20))
    cure = check_cure(finding.propose_cure(evidence), "POOL_DEADLOCK")
    assert cure.trial == "pool=30"
    assert "QueuePool" in cure.reason


def make_trivial(line: int, function: str, phase: str = "endpoint") -> TrivialDef:
    return TrivialDef(
        severity="info", confidence="high", phase=phase, file="main.py", line=line,
        function=function, median_ms=0.4, work_us=3.0, longest_work_ms=0.1, waited_s=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("phase", ["endpoint", "dependency"])
def test_a_def_that_needs_no_thread_becomes_a_coroutine(phase: str, tmp_path: Path) -> None:
    write_app(tmp_path, "@app.get('/health')\ndef check():\n    return 1\n")
    cure = check_cure(
        make_trivial(1, "check", phase).propose_cure(build_evidence_in(tmp_path)), "TRIVIAL_DEF"
    )
    assert (cure.line, cure.before, cure.after) == (2, ("def check():",), ("async def check():",))
    assert (cure.saves_ms, cure.costs_ms) == (0.4, 0.0)
    assert "Check that no other file calls it." in cure.reason


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("def other(check):\n    return check()\n", True),
        ("def other():\n    check = load()\n    return check\n", True),
        ("OTHER = [check for check in found]\n", True),
        ("def other():\n    found = [check for check in all]\n    return check()\n", False),
        ("def other(value=check()):\n    check = value\n", False),
    ],
)
def test_a_local_variable_is_no_use_of_a_function(
    text: str, is_local: bool, tmp_path: Path
) -> None:
    write_app(tmp_path, CHECK + text)
    cure = make_trivial(1, "check").propose_cure(build_evidence_in(tmp_path))
    assert isinstance(cure, Cure) is is_local


def test_a_function_inside_a_factory_is_called_there(tmp_path: Path) -> None:
    text = "def create():\n    def check():\n        return 1\n\n    return check()\n"
    write_app(tmp_path, text)
    found = make_trivial(2, "check").propose_cure(build_evidence_in(tmp_path))
    assert isinstance(found, str)


CHECK = "def check():\n    return 1\n\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{CHECK}def other():\n    return check()\n",
        f"{CHECK}async def other():\n    await run_sync(check)\n",
        f"{CHECK}def other():\n    return JSONResponse(check())\n",
        f"{CHECK}def other(tasks):\n    tasks.add_task(run, check)\n",
        f"@cache\n{CHECK}",
        "class View:\n    def check(self): ...\n\n    def get(self):\n        self.check()\n",
        "def check():\n    yield from rows()\n",
        "def check():\n    yield 1\n    return 2\n",
        "import asyncio\n\ndef check():\n    asyncio.run(start())\n",
    ],
)
def test_a_def_that_could_not_run_as_a_coroutine_stays_one(text: str, tmp_path: Path) -> None:
    file, evidence = write_app(tmp_path, text), build_evidence_in(tmp_path)
    line = find_line(file, "def check")
    assert isinstance(make_trivial(line, "check").propose_cure(evidence), str)
    pinned = pin(line, "check", "stream").propose_cure(evidence)
    assert check_cure(pinned, "THREADS_PINNED").before == ()


@pytest.mark.parametrize(
    ("text", "is_called"),
    [
        ("from main import check as test\n\ndef b():\n    return test()\n", True),
        ("from . import main\n\ndef b():\n    return main.check()\n", True),
        ("from main import check\n\ndef b(value=Depends(check)): ...\n", False),
        ("def check(): ...\n\ndef b():\n    return check()\n", False),
        ("def b():\n    from main import check\n    return check()\n", True),
        ("from main import *\n\ndef b():\n    return check()\n", True),
        ("from crud import check as test\n\ndef b():\n    return test()\n", False),
        ("from main import check\n\ndef b(check):\n    return check()\n", False),
        ("from main import check\n\nFastAPI(exception_handlers={404: check})\n", False),
        ("from main import check\n\napp.dependency_overrides[check] = b\n", False),
        ("from main import check\n\napp.get('/x')(check)\n", False),
        ("from main import check\n\nRoute('/x', endpoint=check)\n", False),
        ("from main import check\n\napp.add_route('/x', check)\n", False),
    ],
)
def test_a_def_that_another_file_calls_stays_one(
    text: str, is_called: bool, tmp_path: Path
) -> None:
    write_app(tmp_path, CHECK)
    other = tmp_path / "other.py"
    other.write_text(text)
    code = RouteCode("/b", str(other), 3, "b", "http")
    evidence = replace(build_evidence_in(tmp_path), endpoints=(code,))
    assert isinstance(make_trivial(1, "check").propose_cure(evidence), str) is is_called


def pin(line: int, function: str, phase: str) -> ThreadsPinned:
    return ThreadsPinned(
        severity="warning", confidence="high", phase=phase, file="main.py", line=line,
        function=function, queue="anyio", capacity=40.0,
    )  # fmt: skip


def test_a_stream_that_keeps_a_thread_is_awaited(tmp_path: Path) -> None:
    text = """
        import time

        def follow():
            for number in range(3):
                time.sleep(1)
                yield str(number)

        def stream():
            return StreamingResponse(follow())
        """
    file = write_app(tmp_path, text)
    line = find_line(file, "def follow")
    cure = check_cure(
        pin(line, "follow", "stream").propose_cure(build_evidence_in(tmp_path)), "THREADS_PINNED"
    )
    assert cure.line == line
    assert cure.after[0] == "async def follow():"
    assert cure.after[2] == "        await asyncio.sleep(1)"
    assert "import asyncio" in cure.reason
    apply_cure(file, cure)
    ast.parse(file.read_text())


def test_all_that_the_awaitable_calls_need_is_said(tmp_path: Path) -> None:
    text = """
        import requests
        import subprocess
        import time

        def check():
            time.sleep(1)
            subprocess.run(["ls"])
            return requests.get(URL).text
        """
    file = write_app(tmp_path, text)
    finding, evidence = pin(find_line(file, "def check"), "check", "stream"), build_evidence_in
    cure = check_cure(finding.propose_cure(evidence(tmp_path)), "THREADS_PINNED")
    assert cure.after[-1] == "    return (await client.get(URL, timeout=None)).text"
    for needed in ("`import asyncio`", "`import anyio`", "one httpx.AsyncClient"):
        assert needed in cure.reason
    other = tmp_path / "handlers.py"
    other.write_text("import requests\n\ndef handle(error: requests.RequestException): ...\n")
    code = RouteCode("/b", str(other), 3, "handle", "http")
    known = replace(evidence(tmp_path), endpoints=(code,))
    cure = check_cure(finding.propose_cure(known), "THREADS_PINNED")
    assert "client.get" not in "".join(cure.after)


def test_two_awaitable_calls_in_one_line_are_left_to_the_user(tmp_path: Path) -> None:
    """An edit of each line would await one of them alone."""
    line = "return requests.get(URL).text + requests.post(URL).text"
    file = write_app(tmp_path, f"import requests\n\ndef check():\n    {line}\n")
    finding = pin(find_line(file, "def check"), "check", "stream")
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "THREADS_PINNED")
    assert (cure.before, cure.after) == ((), ("# make this asynchronous",))


def delay(line: int, function: str, cause: str) -> AnswerDelayed:
    return AnswerDelayed(
        severity="warning", confidence="high", file="main.py", line=line, function=function,
        cause=cause, median_ms=200.0,
    )  # fmt: skip


MIDDLEWARE = """
async def write(*values, **names): ...

class Report(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        await check(request)
        response = await call_next(request)
        await write(request, status=response.status_code)
        return response
"""


def test_what_delays_an_answer_runs_after_it(tmp_path: Path) -> None:
    file = write_app(tmp_path, MIDDLEWARE)
    line = find_line(file, "async def dispatch")
    evidence = build_evidence_in(tmp_path)
    found = delay(line, "Report.dispatch", "answer")
    cure = check_cure(found.propose_cure(evidence), "ANSWER_DELAYED")
    task = "starlette.background.BackgroundTask(write, request, status=response.status_code)"
    assert cure.before == ("        await write(request, status=response.status_code)",)
    assert cure.after == (f"        response.background = {task}",)
    early = check_cure(delay(line, "dispatch", "request").propose_cure(evidence), "ANSWER_DELAYED")
    assert (early.line, early.before) == (find_line(file, "await check"), ())
    buffer = check_cure(delay(line, "dispatch", "buffer").propose_cure(evidence), "ANSWER_DELAYED")
    assert buffer.before == ()


@pytest.mark.parametrize(
    "body",
    [
        "async with Session() as session:\n            await session.write(1)",
        "try:\n            await write(1)\n        finally:\n            close()",
        "for each in found:\n            await write(each)",
        "await session.commit()",
        "await sign(response)",
        "await write(1)\n        return Response()",
        "response.background = task\n        await write(1)",
    ],
)
def test_what_must_run_before_the_answer_is_not_deferred(body: str, tmp_path: Path) -> None:
    text = MIDDLEWARE.replace("await write(request, status=response.status_code)", body)
    file = write_app(tmp_path, text)
    line = find_line(file, "async def dispatch")
    found = delay(line, "Report.dispatch", "answer").propose_cure(build_evidence_in(tmp_path))
    assert check_cure(found, "ANSWER_DELAYED").before == ()


@pytest.mark.parametrize(
    "call",
    [
        "redis.incr(1)",  # a `def` that returns what is to be awaited
        "asyncio.shield(write(1))",
        "check(1)",
    ],
)
def test_only_a_known_coroutine_is_deferred(call: str, tmp_path: Path) -> None:
    text = f"@retry\nasync def check(*_): ...\n{MIDDLEWARE}"
    text = text.replace("write(request, status=response.status_code)", call)
    line = find_line(write_app(tmp_path, text), "async def dispatch")
    found = delay(line, "Report.dispatch", "answer").propose_cure(build_evidence_in(tmp_path))
    assert check_cure(found, "ANSWER_DELAYED").before == ()


def test_all_arguments_of_a_deferred_call_are_kept(tmp_path: Path) -> None:
    text = MIDDLEWARE.replace("request, status=response.status_code", "*values, **names")
    file = write_app(tmp_path, text)
    line = find_line(file, "async def dispatch")
    found = delay(line, "Report.dispatch", "answer").propose_cure(build_evidence_in(tmp_path))
    cure = check_cure(found, "ANSWER_DELAYED")
    assert cure.after[0].endswith("BackgroundTask(write, *values, **names)")


def test_a_dear_middleware_becomes_pure_asgi(tmp_path: Path) -> None:
    file = write_app(tmp_path, MIDDLEWARE)
    finding = MiddlewareCost(
        severity="info", confidence="high", file="main.py", function="dispatch",
        line=find_line(file, "async def dispatch"), median_ms=0.3,
    )  # fmt: skip
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "MIDDLEWARE_COST")
    assert cure.before == ("class Report(BaseHTTPMiddleware):",)
    assert cure.after[0] == "class Report:"
    ast.parse("\n".join(cure.after))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(BaseHTTPMiddleware):", "(BaseHTTPMiddleware):\n    def __init__(self, app): ...\n"),
        ("(BaseHTTPMiddleware):", "(Tracing, BaseHTTPMiddleware):"),
        ("(BaseHTTPMiddleware):", "(\n    BaseHTTPMiddleware\n):"),
    ],
)
def test_a_class_that_relies_on_its_base_keeps_it(old: str, new: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, MIDDLEWARE.replace(old, new))
    finding = MiddlewareCost(
        severity="info", confidence="high", file="main.py", function="dispatch",
        line=find_line(file, "async def dispatch"), median_ms=0.3,
    )  # fmt: skip
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "MIDDLEWARE_COST")
    assert (cure.line, cure.before) == (find_line(file, "class Report"), ())
    assert "dispatch() then no longer runs" in cure.reason
    apply_cure(file, cure)
    ast.parse(file.read_text())


def test_a_dear_function_becomes_a_class_that_is_pure_asgi(tmp_path: Path) -> None:
    text = "async def report_all(request, call_next):\n    return await call_next(request)\n"
    write_app(tmp_path, text)
    finding = MiddlewareCost(
        severity="info", confidence="high", file="main.py", function="report_all", line=1,
        median_ms=0.3,
    )  # fmt: skip
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "MIDDLEWARE_COST")
    assert (cure.before, cure.after[1]) == ((), "class ReportAll:")
    assert "app.add_middleware(ReportAll)" in cure.after[0]
    ast.parse("\n".join(cure.after))


def test_tasks_that_pile_up_go_to_a_queue(tmp_path: Path) -> None:
    text = "def index(): ...\n\nasync def save(tasks):\n    tasks.add_task(index)\n    note()\n"
    file = write_app(tmp_path, text)
    finding = BackgroundBacklog(
        severity="error", confidence="high", file="main.py", line=1, function="index"
    )
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "BACKGROUND_BACKLOG")
    assert (cure.line, cure.before) == (find_line(file, "add_task"), ("    tasks.add_task(index)",))
    file = write_app(tmp_path, text.replace("    note()\n", ""))
    parse_source.cache_clear()
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "BACKGROUND_BACKLOG")
    assert (cure.line, cure.before) == (find_line(file, "add_task"), ())
    apply_cure(file, cure)
    ast.parse(file.read_text())


def make_client(line: int, function: str, call: str) -> ClientPerRequest:
    return ClientPerRequest(
        severity="warning", confidence="high", file="main.py", line=line, function=function,
        call=call, median_ms=20.0, asked=9,
    )  # fmt: skip


def test_a_client_for_all_requests_is_made_once(tmp_path: Path) -> None:
    text = """
        async def ask():
            async with httpx.AsyncClient(timeout=5) as client:
                # the slow one

                answer = await client.get(URL)
                return answer.text
        """
    file = write_app(tmp_path, text)
    finding = make_client(2, "ask", "httpx.AsyncClient")
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), "CLIENT_PER_REQUEST")
    assert cure.after == (
        "    # once, at startup: client = httpx.AsyncClient(timeout=5)",
        "    # the slow one",
        "",
        "    answer = await client.get(URL)",
        "    return answer.text",
    )
    apply_cure(file, cure)
    ast.parse(file.read_text())


MAKE = "client = httpx.AsyncClient()"


@pytest.mark.parametrize(
    "body",
    [
        "client = httpx.AsyncClient(auth=token)\n    await client.get(URL)",
        "client = httpx.AsyncClient(auth=read_token())\n    await client.get(URL)",
        "async with httpx.AsyncClient(auth=token) as client:\n        await client.get(URL)",
        f"{MAKE}\n    await client.get(URL)\n    await client.aclose()",
        f"{MAKE}\n    client.mount('https://', adapter)",
        f"{MAKE}\n    client.timeout = 5\n    await client.get(URL)",
        f"{MAKE}\n    client.headers['a'] = 'b'\n    await client.get(URL)",
        f"{MAKE}\n    async with client:\n        await client.get(URL)",
        f"{MAKE}\n    return client",
        f"{MAKE}\n    yield client",
        f"{MAKE}\n    sign(client)",
        f"{MAKE}\n    app.state.client = client",
        "async with httpx.AsyncClient() as c:\n        await c.get(\nURL)\n        note()",
        f"{MAKE}\n    await client.post(URL, data=token)\n    await client.get(URL)",  # a login
        f"client = None\n    {MAKE}\n    await client.get(URL)",
        f"if URL:\n        {MAKE}\n    await client.get(URL)",
    ],
)
def test_a_client_that_requests_cannot_share_stays_where_it_is(body: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, f"async def ask(token):\n    {body}\n")
    finding = make_client(find_line(file, "httpx.AsyncClient"), "ask", "httpx.AsyncClient")
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), finding.code)
    assert cure.before == ()
    assert cure.after[0].endswith("# once, at startup: create it, and share it")
    assert "Pass to each call what differs" in cure.reason


@pytest.mark.parametrize(
    ("body", "is_shared"),
    [
        ("return await http.get(URL)", True),
        ("http.headers['a'] = 'b'\n    return await http.get(URL)", False),
        ("await http.post(URL)\n    return await http.get(URL)", False),
        ("return await read(http)", False),
    ],
)
def test_a_client_is_shared_if_the_function_that_gets_it_only_uses_it(
    body: str, is_shared: bool, tmp_path: Path
) -> None:
    fetch = f"async def fetch(url, http):\n    {body}\n\nasync def read(http): ...\n"
    ask = f"async def ask():\n    {MAKE}\n    return await fetch(URL, http=client)\n"
    file = write_app(tmp_path, f"{fetch}\n{ask}")
    finding = make_client(find_line(file, MAKE), "ask", "httpx.AsyncClient")
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), finding.code)
    assert bool(cure.before) is is_shared


def test_another_function_of_the_factory_has_its_own_client(tmp_path: Path) -> None:
    ask = f"    async def ask():\n        {MAKE}\n        await client.get(URL)\n"
    other = ask.replace("ask", "other").replace(MAKE, "client = Mail()")
    file = write_app(tmp_path, f"def create():\n{ask}\n{other}")
    finding = make_client(find_line(file, "httpx.AsyncClient"), "ask", "httpx.AsyncClient")
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), finding.code)
    assert cure.after == (f"        # once, at startup: {MAKE}",)


def test_a_connection_is_taken_from_a_pool_and_not_shared(tmp_path: Path) -> None:
    file = write_app(tmp_path, "def one():\n    connection = psycopg.connect(DSN)\n")
    finding = make_client(2, "one", min(CONNECTIONS))
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), finding.code)
    assert (cure.line, cure.before) == (find_line(file, "connection ="), ())
    assert "pool" in cure.after[0]


def test_a_context_or_an_executor_is_made_once(tmp_path: Path) -> None:
    text = """
        def one():
            context = ssl.create_default_context()
            ask(context)

        def two():
            pool = ThreadPoolExecutor(4)
            pool.submit(work)
        """
    file = write_app(tmp_path, text)
    evidence = build_evidence_in(tmp_path)
    tls = make_client(find_line(file, "context ="), "one", "TLS context")
    cure = check_cure(tls.propose_cure(evidence), "CLIENT_PER_REQUEST")
    assert cure.after == ("    # once, at startup: context = ssl.create_default_context()",)
    growth = ThreadGrowth(
        severity="error", confidence="high", file="main.py", line=find_line(file, "pool ="),
        function="two", call="ThreadPoolExecutor", threads=200,
    )  # fmt: skip
    made = check_cure(growth.propose_cure(evidence), growth.code)
    assert made.after == ("    # once, at startup: pool = ThreadPoolExecutor(4)",)
    thread = check_cure(
        replace(growth, call="threading.Thread").propose_cure(evidence), growth.code
    )
    assert thread.before == ()


def test_an_unusual_pool_gets_its_usual_size(tmp_path: Path) -> None:
    finding = LimiterSize(
        severity="info", confidence="high", cause="small", tokens=1.0, borrowed=1.0
    )
    evidence = build_evidence_in(tmp_path)
    assert check_cure(finding.propose_cure(evidence), finding.code).trial == "pool=40"
    assert isinstance(replace(finding, cause="exceeded").propose_cure(evidence), str)


@pytest.mark.parametrize("call", ["numpy.core", GIL_OPTION, None])
def test_the_gil_goes_off(call: str | None, tmp_path: Path) -> None:
    finding = GilReenabled(
        severity="warning", confidence="high", call=call, python="3.14.0", processes=1
    )
    cure = finding.propose_cure(build_evidence_in(tmp_path))
    assert isinstance(cure, str) is (call is None)
    if isinstance(cure, Cure) and call != GIL_OPTION:
        assert cure.after == ("pip install --upgrade numpy",)


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (("--limit-concurrency", "5"), "--limit-concurrency 5"),
        (("--limit-concurrency=5",), "--limit-concurrency=5"),
        ((), None),
    ],
)
def test_a_limit_of_the_server_is_raised(
    words: tuple[str, ...], before: str | None, tmp_path: Path
) -> None:
    evidence = build_evidence_in(tmp_path)
    record = replace(
        evidence.record,
        command=("uvicorn", "main:app", *words),
        phases=(Phase("together", 0.0, 9.0, 20),),
    )
    finding = RefusedRequests(severity="error", confidence="high", limit=5)
    cure = check_cure(finding.propose_cure(replace(evidence, record=record)), finding.code)
    assert cure.before == (() if before is None else (before,))
    assert cure.after[0].endswith("50")  # twice the 20 users' and the background request's


def test_a_full_accept_queue_gets_longer(tmp_path: Path) -> None:
    finding = AcceptQueue(
        severity="error", confidence="medium", cause="backlog", dropped=3, backlog=64
    )
    cure = check_cure(finding.propose_cure(build_evidence_in(tmp_path)), finding.code)
    assert cure.after == ("--backlog 128",)


def test_a_kill_and_a_full_queue_have_the_cure_of_the_block_behind_them(tmp_path: Path) -> None:
    file = write_app(tmp_path, "import time\n\nasync def report():\n    time.sleep(2)\n")
    audit = AuditBuilder()
    audit.block(6.4, 1.6, [[("main", str(file), 4, "report", 3), *ROUTED]] * 9)
    audit.ask("/report", 7.0, None)
    audit.asked[-1] |= {"ended_s": 8.02, "error": "ServerDisconnectedError"}
    evidence = place_in(audit.build(), tmp_path)
    ends = (WorkerEnd(PID, 8.0, "timeout", "", gone_s=8.1),)
    server = ServerRecord(ServerSettings(timeout_s=2.0, heartbeat_every_s=1.0), ends)
    evidence = replace(evidence, record=replace(evidence.record, server=server))
    found = {each.code: each for each in find_all(evidence).findings}
    killed, blocked = found["WORKER_KILLED"], found["LOOP_BLOCKED"]
    cure = check_cure(killed.cure, killed.code)
    assert cure.after == ("    await asyncio.sleep(2)",)
    assert blocked.cure == replace(cure, rule="one-blocks-all")
    queue = AcceptQueue(
        severity="error", confidence="high", cause="blocked", route="/report", phase="endpoint",
        file="main.py", line=4, function="report", dropped=0, backlog=64,
    )  # fmt: skip
    assert check_cure(queue.propose_cure(evidence), queue.code) == blocked.cure
    crashed = replace(killed, cause="signal")
    assert isinstance(crashed.propose_cure(evidence), str)


def test_the_source_of_an_installed_service_is_read_where_it_is_installed(tmp_path: Path) -> None:
    package = tmp_path / "lib/python3.13/site-packages/shop"
    package.mkdir(parents=True)
    write_app(package, "limiter.total_tokens = 4\n")
    evidence = build_evidence_in(tmp_path, crowd(11))
    assert read_source(evidence, "shop/main.py") is None
    evidence = replace(evidence, endpoints=(make_code(package),))
    source = read_source(evidence, "shop/main.py")
    assert source is not None
    assert source.lines == ("limiter.total_tokens = 4",)
