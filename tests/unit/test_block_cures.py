"""The cure of a blocked loop: the change at the user's own line."""

import ast
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import find_all
from analysis.findings.base import AuditFinding, ShownFrame
from analysis.findings.blocks.causes import Cause
from analysis.findings.cures.block_cures import cure_block
from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.cures.code_sites import UNKNOWN
from analysis.findings.cures.process_cures import cure_with_process
from analysis.findings.framework import BlockPhase
from analysis.findings.places import BlockPlace
from analysis.findings.remedies import Cure
from tests.unit.audit_samples import PID, ROUTED, AuditBuilder, Entry, library
from tests.unit.cure_samples import (
    OLD_S,
    VERSIONS,
    check_cure,
    find_line,
    place_in,
    write_app,
)


def block(
    file: Path,
    frames: Sequence[tuple[str, str]],
    below: Sequence[Entry] = (),
    hop_ms: float | None = 0.1,
    cpu_s: float = 0.0,
    unseen_s: float = 0.0,
    versions: dict[str, str] = VERSIONS,
) -> AuditFinding:
    """frames: text of the line and its function; innermost first. Each of ten requests blocks for
    0.1 s there."""
    own = [("main", str(file), find_line(file, text), name, 1) for text, name in frames]
    audit = AuditBuilder()
    for number in range(10):
        audit.ask("/report", number, number + 0.2)
        stacks = [[*below, *own, *ROUTED]] * 5
        audit.block(number, 0.1, stacks, cpu_s=cpu_s, unseen_s=unseen_s)
    (finding,) = find_all(place_in(audit.build(), file.parent, hop_ms, versions)).findings
    return finding


def get_cure(finding: AuditFinding) -> Cure:
    return check_cure(finding.cure, finding.code)


ENDPOINT = """
import time
import requests
import subprocess as sub
from fastapi import FastAPI

app = FastAPI()


@app.get("/report")
async def report(number: int = 1) -> str:
    {line}
"""
EDITS = {
    "time.sleep(0.1)": "await asyncio.sleep(0.1)",
    "return requests.get('http://a/', timeout=5).text": (
        "return (await client.get('http://a/', timeout=5)).text"
    ),
    "done = sub.run(['ls'], check=True)": (
        "done = await anyio.run_process(['ls'], check=True, stdout=None, stderr=None)"
    ),
    "out = sub.check_output(['ls'])": (
        "out = (await anyio.run_process(['ls'], stderr=None)).stdout"
    ),
    "requests.head('http://a/')": (
        "await client.head('http://a/', timeout=None, follow_redirects=False)"
    ),
}


@pytest.mark.parametrize("line", EDITS)
def test_the_twin_of_a_call_takes_its_place(line: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, ENDPOINT.format(line=line))
    cure = get_cure(block(file, [(line, "report")]))
    assert (cure.file, cure.line) == ("main.py", find_line(file, line))
    assert cure.before == (f"    {line}",)
    assert cure.after == (f"    {EDITS[line]}",)
    assert (cure.rule, cure.trial, cure.costs_ms) == ("one-blocks-all", "offload=/report", 0.0)
    assert cure.saves_ms == pytest.approx(100.0)


@pytest.mark.parametrize(
    "line",
    [
        "return requests.get('http://a/', stream=True).text",
        "return requests.get('http://a/', timeout=(1, 2)).text",
        "return str(requests.get('http://a/').ok)",
        "return requests.get('http://a/').reason",
        "sub.run('ls', shell=True)",
        "queue.get()",
    ],
)
def test_without_a_twin_an_endpoint_that_awaits_nothing_becomes_def(
    line: str, tmp_path: Path
) -> None:
    file = write_app(tmp_path, ENDPOINT.format(line=line))
    cure = get_cure(block(file, [(line, "report")]))
    assert cure.line == find_line(file, "async def report")
    assert cure.before == ("async def report(number: int = 1) -> str:",)
    assert cure.after == ("def report(number: int = 1) -> str:",)
    assert "Check that no other file calls it." in cure.reason
    assert (cure.rule, cure.trial, cure.costs_ms) == ("offload", "offload=/report", 0.1)


AWAITING = """
import anyio
from fastapi import FastAPI

app = FastAPI()


@app.get("/report")
async def report(number: int = 1) -> str:
    await anyio.sleep(0)
    {line}
"""
OFFLOADS = {
    "return load(number)": "return await anyio.to_thread.run_sync(load, number)",
    "return load(number).text": (
        "return await anyio.to_thread.run_sync(lambda: load(number).text)"
    ),
    "found = self.queue.get(timeout=1)": (
        "found = await anyio.to_thread.run_sync(lambda: self.queue.get(timeout=1))"
    ),
    "return load(parse(number))": (
        "return await anyio.to_thread.run_sync(lambda: load(parse(number)))"
    ),
    "rows = [load(each) for each in range(9)]": (
        "rows = await anyio.to_thread.run_sync(lambda: [load(each) for each in range(9)])"
    ),
    "assert load('ü', number), 'ä'": (
        "assert await anyio.to_thread.run_sync(load, 'ü', number), 'ä'"
    ),
}


@pytest.mark.parametrize("line", OFFLOADS)
def test_in_an_endpoint_that_awaits_the_call_is_handed_to_a_thread(
    line: str, tmp_path: Path
) -> None:
    file = write_app(tmp_path, AWAITING.format(line=line))
    cure = get_cure(block(file, [(line, "report")]))
    assert cure.before == (f"    {line}",)
    assert cure.after == (f"    {OFFLOADS[line]}",)
    assert (cure.rule, cure.trial, cure.costs_ms) == ("offload", None, 0.1)


def test_the_coroutine_that_calls_the_blocking_function_is_edited(tmp_path: Path) -> None:
    text = """
        async def report(number: int) -> str:
            await start()
            text = load(number)
            return text

        def load(number: int) -> str:
            return FILE.read_text()
        """
    file = write_app(tmp_path, text)
    frames = [("FILE.read_text()", "load"), ("load(number)\n"[:-1], "report")]
    frames[1] = ("text = load", "report")
    cure = get_cure(block(file, frames))
    assert cure.line == find_line(file, "text = load")
    assert cure.after == ("    text = await anyio.to_thread.run_sync(load, number)",)
    assert cure.reason.startswith("load() then runs in a thread")
    assert "import anyio.to_thread" in cure.reason
    assert "sqlite3" not in cure.reason


def test_that_the_blocking_file_uses_sqlite_is_said_at_the_line_that_awaits(
    tmp_path: Path,
) -> None:
    """The connection must allow threads, in the file that creates it."""
    awaiting = "async def report(number):\n    await start()\n    text = load(number)\n"
    file = write_app(tmp_path, awaiting)
    store = tmp_path / "store.py"
    store.write_text("import sqlite3\ndef load(number):\n    return DB.execute(QUERY)\n")
    os.utime(store, (OLD_S, OLD_S))
    frames = [
        ("store", str(store), 3, "load", 2),
        ("main", str(file), find_line(file, "text = load"), "report", 1),
    ]
    cure = get_cure(block(file, [], below=frames))
    assert cure.file == "main.py"
    assert "check_same_thread=False" in cure.reason


def test_a_call_in_a_loop_is_not_handed_over_each_time(tmp_path: Path) -> None:
    text = """
        async def report() -> str:
            await start()
            for each in range(1000):
                load(each)
        """
    cure = get_cure(block(write_app(tmp_path, text), [("load(each)", "report")]))
    assert cure.before == ()
    assert cure.after[0].startswith("        # move this")


def test_the_source_must_be_that_which_ran(tmp_path: Path) -> None:
    text = "async def report():\n    time.sleep(0.1)\n"
    file = write_app(tmp_path, text)
    finding = block(file, [("time.sleep", "report")])
    assert get_cure(finding).before
    os.utime(file)  # the file was changed since
    found = get_cure(block(file, [("time.sleep", "report")]))
    assert (found.before, found.line) == ((), 2)
    assert all(each.lstrip().startswith("#") for each in found.after)
    other = block(write_app(tmp_path, text), [("time.sleep", "other_function")])
    assert get_cure(other).before == ()


@pytest.mark.parametrize("lacks_folder", [True, False])
def test_what_is_unknown_of_the_source_is_said(lacks_folder: bool, tmp_path: Path) -> None:
    """The records of `Probe(app, folder)`: an unchanged source is not called a changed one."""
    file, audit = write_app(tmp_path, "async def report():\n    time.sleep(0.1)\n"), AuditBuilder()
    audit.block(0, 0.1, [[("main", str(file), 2, "report", 1), *ROUTED]] * 5)
    evidence = place_in(audit.build(), tmp_path)
    known = evidence.record
    record = replace(known, folder="") if lacks_folder else replace(known, started_utc="")
    (finding,) = find_all(replace(evidence, record=record)).findings
    found = get_cure(finding)
    assert (found.before, found.reason) == ((), UNKNOWN)


def test_a_hop_that_costs_more_than_the_block_is_no_cure(tmp_path: Path) -> None:
    file = write_app(tmp_path, AWAITING.format(line="return load(number)"))
    finding = block(file, [("load(number)", "report")], hop_ms=150.0)
    assert finding.cure is None
    assert finding.uncured is not None
    assert "150 ms" in finding.uncured
    assert "150 ms" in finding.message


@pytest.mark.parametrize("unseen_s", [0.0, 0.033, 0.06])
def test_a_computation_goes_where_the_gil_lets_it(unseen_s: float, tmp_path: Path) -> None:
    """A thread if the call releases the GIL; turns in a thread if it passes the GIL on."""
    file = write_app(tmp_path, ENDPOINT.format(line="return self.render(number)"))
    finding = block(file, [("self.render", "report")], cpu_s=0.1, unseen_s=unseen_s)
    cure = get_cure(finding)
    assert cure.rule == ("offload" if unseen_s == 0 else "cpu")
    assert cure.trial == ("workers=2" if unseen_s > 0.05 else "offload=/report")
    assert bool(cure.before) is (unseen_s < 0.05)


@pytest.mark.parametrize(
    ("count", "every_s", "workers"), [(25, 1.0, 2), (3, 0.1, 6), (40, 0.0, 64)]
)
def test_twice_the_workers_that_serve_at_once_are_tried(
    count: int, every_s: float, workers: int
) -> None:
    """Each of the workers serves for 0.9 s."""
    audit = AuditBuilder()
    for number in range(count):
        for at_s in (0.0, 0.9):
            audit.handle("/report", pid=PID + number, arrived_s=number * every_s + at_s)
    place = BlockPlace("/report", "endpoint", "main.py", 1, "report")
    code = BlockedCode(place, (), "gil", None, 100.0, 0.9)
    assert cure_with_process(code, audit.build()).trial == f"workers={workers}"


def test_a_function_of_the_module_goes_to_a_process(tmp_path: Path) -> None:
    text = "def render(n): ...\n\nasync def report(n: int):\n    return render(n).encode()\n"
    file = write_app(tmp_path, text)
    finding = block(file, [("render(n).", "report")], cpu_s=0.1, unseen_s=0.1)
    cure = get_cure(finding)
    assert cure.after == ("    return (await anyio.to_process.run_sync(render, n)).encode()",)
    assert "import anyio.to_process" in cure.reason


def test_what_other_code_passes_to_a_coroutine_may_be_no_plain_data(tmp_path: Path) -> None:
    text = "def render(db): ...\n\nasync def build(db, n):\n    return render(db)\n"
    file = write_app(tmp_path, text)
    finding = block(file, [("return render(db)", "build")], cpu_s=0.1, unseen_s=0.1)
    assert get_cure(finding).before == ()


def test_a_client_that_is_made_in_the_request_is_made_once(tmp_path: Path) -> None:
    text = "async def report():\n    await start()\n    client = Client()\n    await client.get()\n"
    file = write_app(tmp_path, text)
    below = [library("ssl", "create_default_context"), library("httpx._client", "__init__")]
    finding = block(file, [("client = Client()", "report")], below, cpu_s=0.1)
    cure = get_cure(finding)
    assert cure.rule == "client-life"
    assert cure.after == ("    # once, at startup: client = Client()",)


def test_an_endpoint_that_needs_the_loop_stays_a_coroutine(tmp_path: Path) -> None:
    lines = "asyncio.get_running_loop().call_soon(note); load(number)"
    file = write_app(tmp_path, ENDPOINT.format(line=lines.replace("; ", "\n    ")))
    cure = get_cure(block(file, [("load(number)", "report")]))
    assert cure.after == ("    await anyio.to_thread.run_sync(load, number)",)
    assert cure.trial is None
    own = "call_later(note); load(number)"  # a function of the app
    (tmp_path / "own").mkdir()
    file = write_app(tmp_path / "own", ENDPOINT.format(line=own.replace("; ", "\n    ")))
    assert get_cure(block(file, [("load(number)", "report")])).trial == "offload=/report"


@pytest.mark.parametrize("decorator", ["@app.websocket('/report')", "@retry(times=3)"])
def test_a_function_that_another_one_wraps_stays_a_coroutine(
    decorator: str, tmp_path: Path
) -> None:
    text = ENDPOINT.format(line="return load(number)").replace('@app.get("/report")', decorator)
    cure = get_cure(block(write_app(tmp_path, text), [("return load(number)", "report")]))
    assert cure.trial is None
    assert cure.after == ("    return await anyio.to_thread.run_sync(load, number)",)


def test_a_library_alone_has_no_line_to_change(tmp_path: Path) -> None:
    """Like FastAPI's encoding of a response: the place is the endpoint's first line."""
    file = write_app(tmp_path, ENDPOINT.format(line="return number"))
    audit = AuditBuilder()
    for number in range(10):
        audit.ask("/report", number, number + 0.2)
        stack = [
            library("json.encoder", "encode"),
            library("starlette.responses", "render"),
            library("fastapi.routing", "serialize_response"),
            *ROUTED,
        ]
        audit.block(number, 0.1, [stack] * 5)
    endpoint = f"{file}:{find_line(file, 'async def')} report"
    audit.handlers = [{**row, "endpoint": endpoint} for row in audit.handlers]
    (finding,) = find_all(place_in(audit.build(), tmp_path)).findings
    assert finding.cure is None
    assert finding.uncured


@pytest.mark.parametrize(
    ("phase", "cause"), [("startup", "wait"), ("endpoint", "unexplained"), ("endpoint", "paused")]
)
def test_a_startup_and_an_unknown_cause_have_no_cure(phase: BlockPhase, cause: Cause) -> None:
    place = BlockPlace("/report", phase, "main.py", 1, "report")
    code = BlockedCode(place, (), cause, "time.sleep", 100.0, 0.0)
    assert isinstance(cure_block(code, AuditBuilder().build()), str)


def test_a_file_is_opened_and_read_in_threads(tmp_path: Path) -> None:
    text = """
        async def report(path):
            await start()
            with open(path, encoding="utf-8") as file:
                head = file.read(10).strip()
                return head, file.read()
        """
    file = write_app(tmp_path, text)
    cure = get_cure(block(file, [("head =", "report")]))
    assert cure.after == (
        '    async with await anyio.open_file(path, encoding="utf-8") as file:',
        "        head = (await file.read(10)).strip()",
        "        return head, await file.read()",
    )
    assert cure.costs_ms == pytest.approx(0.4)  # opened, read twice, closed
    ast.parse("async def report():\n" + "\n".join(cure.after))


@pytest.mark.parametrize(
    ("opened", "line", "after"),
    [
        ("path", "json.loads(file.read())", "json.loads(await file.read())"),
        ("path", "file.read().splitlines()", "(await file.read()).splitlines()"),
        ("os.path.join(a, b)", "file.read()", "await file.read()"),
    ],
)
def test_other_calls_in_the_line_of_a_file_stay(
    opened: str, line: str, after: str, tmp_path: Path
) -> None:
    text = f"await start()\n    with open({opened}) as file:\n        {line}\n"
    file = write_app(tmp_path, f"async def report(path):\n    {text}")
    at = "with open" if "join" in opened else line
    cure = get_cure(block(file, [(at, "report")]))
    assert cure.after == (
        f"    async with await anyio.open_file({opened}) as file:",
        f"        {after}",
    )


USES = [
    "for each in file: use(each)",
    "use(file)",
    "file.fileno()",
    "file.seek(max(0, file.tell() - 9))",
]


@pytest.mark.parametrize("use", USES)
def test_a_file_that_is_used_otherwise_is_not(use: str, tmp_path: Path) -> None:
    text = (
        f"async def report(path):\n    await start()\n    with open(path) as file:\n        {use}\n"
    )
    cure = get_cure(block(write_app(tmp_path, text), [("with open(path)", "report")]))
    assert "open_file" not in "".join(cure.after)


def test_a_file_is_not_moved_if_another_call_blocks(tmp_path: Path) -> None:
    text = """
        async def report(path):
            await start()
            with open(path, "wb") as file:
                file.write(urlopen(URL).read())
        """
    below = [library("urllib.request", "urlopen")]
    cure = get_cure(block(write_app(tmp_path, text), [("file.write", "report")], below))
    assert cure.before == ("        file.write(urlopen(URL).read())",)
    assert "open_file" not in "".join(cure.after)


@pytest.mark.parametrize(
    ("line", "caller", "after"),
    [
        ("r = httpx.get(URL)", ("httpx._api", "get"), "r = await client.get(URL)"),
        (
            "r = urlopen(URL)",
            ("urllib.request", "urlopen"),
            "r = await anyio.to_thread.run_sync(urlopen, URL)",
        ),
        (
            "mail = smtplib.SMTP_SSL(HOST)",
            ("smtplib", "__init__"),
            "mail = await anyio.to_thread.run_sync(smtplib.SMTP_SSL, HOST)",
        ),
    ],
)
def test_a_request_with_its_own_tls_context_is_not_made_once(
    line: str, caller: tuple[str, str], after: str, tmp_path: Path
) -> None:
    text = f"import httpx, smtplib\nasync def report():\n    await start()\n    {line}\n"
    file = write_app(tmp_path, text)
    below = [library("ssl", "create_default_context"), library(*caller)]
    cure = get_cure(block(file, [(line, "report")], below, cpu_s=0.1))
    assert cure.after == (f"    {after}",)


@pytest.mark.parametrize(
    ("call", "frames", "is_shared"),
    [
        ("create_client(URL)", [("supabase.client", "create_client")], True),
        ("Mailer(HOST)", [("smtplib", "__init__"), ("mailer.core", "__init__")], False),
        ("Connection(HOST)", [("pg8000.core", "__init__")], False),
    ],
)
def test_only_what_requests_can_share_is_made_once(
    call: str, frames: list[tuple[str, str]], is_shared: bool, tmp_path: Path
) -> None:
    file = write_app(tmp_path, f"async def report():\n    await start()\n    made = {call}\n")
    below = [library("ssl", "create_default_context"), *(library(*each) for each in frames)]
    cure = get_cure(block(file, [("made =", "report")], below, cpu_s=0.1))
    assert (cure.rule == "client-life") is is_shared


@pytest.mark.parametrize(
    ("cause", "makes_once"), [("gil", True), ("wait", False), ("compute", False)]
)
def test_a_thread_with_its_own_tls_context_is_advised_to_share_one(
    cause: Cause, makes_once: bool, tmp_path: Path
) -> None:
    write_app(tmp_path, "def report():\n    r = urlopen(URL)\n")
    place = BlockPlace("/report", "endpoint", "main.py", 2, "report")
    names = [("ssl", "create_default_context"), ("urllib.request", "urlopen")]
    inner = [ShownFrame(module, "lib.py", 1, name) for module, name in names]
    stack = (*inner, ShownFrame("main", "main.py", 2, "report"))
    code = BlockedCode(place, stack, cause, None, 50.0, 0.9)
    cure = cure_block(code, place_in(AuditBuilder().build(), tmp_path))
    assert ("created once, at startup" in get_text(cure)) is makes_once


@pytest.mark.parametrize(
    "line",
    [
        "value = await r.get(KEY)",
        "value = (await r.get(KEY)).text",
        "async with r.pipeline() as pipe:\n        use(pipe)",
    ],
)
def test_an_awaited_call_that_makes_a_tls_context_does_not_go_to_a_thread(
    line: str, tmp_path: Path
) -> None:
    """Like a new client of redis.asyncio, which connects in its first call."""
    file = write_app(tmp_path, f"async def report():\n    r = open_client()\n    {line}\n")
    below = [library("ssl", "create_default_context"), library("redis.asyncio.client", "execute")]
    at = line.partition("\n")[0]
    cure = get_cure(block(file, [(at, "report")], below, cpu_s=0.1))
    assert get_text(cure) == "    # once, at startup: create it, and share it"
    below = [library("redis.asyncio.client", "execute")]
    cure = get_cure(block(file, [(at, "report")], below))
    assert get_text(cure) == "    # await a call here that does not block the event loop"


def get_text(cure: Cure | str) -> str:
    assert isinstance(cure, Cure)
    assert cure.before == ()
    return cure.after[0]


@pytest.mark.parametrize("line", ["time.sleep(0.1)", "load(number)", "file.read()"])
def test_an_await_does_not_go_into_a_with_that_may_hold_a_lock(line: str, tmp_path: Path) -> None:
    inner = "with open(PATH) as file:\n            " if "file" in line else ""
    held = f"import time\n    with LOCK:\n        {inner}{line}"
    file = write_app(tmp_path, AWAITING.format(line=held))
    cure = get_cure(block(file, [(line, "report")]))
    assert (cure.before, cure.line) == ((), find_line(file, "with LOCK"))
    assert cure.after[0].startswith("    # move the whole `with` into its own function, and: await")
    (tmp_path / "def").mkdir()
    file = write_app(tmp_path / "def", ENDPOINT.format(line=held))
    cure = get_cure(block(file, [(line, "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


@pytest.mark.parametrize(
    "held",
    [
        "with suppress(OSError):",
        "with TRACER.start_as_current_span('load'):",
        "with anyio.move_on_after(5):",
        "async with LOCK:",
        "with span():\n        await start()",
    ],
)
def test_an_await_goes_where_the_with_holds_nothing(held: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, AWAITING.format(line=f"{held}\n        load(number)"))
    cure = get_cure(block(file, [("load(number)", "report")]))
    assert cure.after == ("        await anyio.to_thread.run_sync(load, number)",)


@pytest.mark.parametrize("scope", ["anyio.fail_after(5)", "move_on_after(5)"])
def test_a_cancel_scope_does_not_go_into_a_thread(scope: str, tmp_path: Path) -> None:
    body = f"with {scope}:\n        load(number)"
    text = "from anyio import move_on_after\n" + ENDPOINT.format(line=body)
    cure = get_cure(block(write_app(tmp_path, text), [("load(number)", "report")]))
    assert cure.after == ("        await anyio.to_thread.run_sync(load, number)",)
    held = f"with LOCK, {scope}:\n        load(number)"
    (tmp_path / "held").mkdir()
    file = write_app(tmp_path / "held", AWAITING.format(line=held))
    text = get_text(get_cure(block(file, [("load(number)", "report")])))
    assert text.startswith("    # move this out of the `with`, into its own function")


def test_a_process_is_not_awaited_inside_a_lock(tmp_path: Path) -> None:
    text = "def render(n): ...\n\nasync def report(n):\n    with LOCK:\n        return render(n)\n"
    file = write_app(tmp_path, text)
    cure = get_cure(block(file, [("return render", "report")], cpu_s=0.1, unseen_s=0.1))
    assert "outside the `with`, in a process: await anyio.to_process" in get_text(cure)


@pytest.mark.parametrize(
    "text",
    [
        ENDPOINT + "\n\nasync def show():\n    return await report()\n",
        ENDPOINT + "\n\nasync def show():\n    group.start_soon(report)\n",
        ENDPOINT.replace("{line}", "HITS[number] += 1\n    {line}"),
        ENDPOINT.replace("{line}", "hits = app.state.hits\n    hits[number] += 1\n    {line}"),
        ENDPOINT.replace("{line}", "request.app.state.hits += 1\n    {line}"),
        ENDPOINT.replace("{line}", "for each in HITS:\n        each[1] += 1\n    {line}"),
        ENDPOINT.replace("{line}", "for n in list(HITS):\n        n[1] += 1\n    {line}"),
        ENDPOINT.replace(
            "{line}", "for each in each.all:\n        each.n += 1\n    {line}"
        ).replace("number: int = 1", "number, each=Depends(get_hits)"),
        "from db import hits\n"
        + ENDPOINT.replace("{line}", "n = hits.get()\n    n[1] += 1\n    {line}"),
        ENDPOINT.replace("number: int = 1", "number, hits=Depends(get_hits)").replace(
            "{line}", "hits.count += 1\n    {line}"
        ),
        ENDPOINT.replace("{line}", "global total\n    {line}"),
        ENDPOINT.replace("{line}", "USER.set(number)\n    {line}"),  # lost in a copied context
        "from structlog.contextvars import bind_contextvars\n"
        + ENDPOINT.replace("{line}", "bind_contextvars(n=number)\n    {line}"),
    ],
)
def test_a_coroutine_that_others_need_does_not_become_def(text: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, text.format(line="return load(number)"))
    cure = get_cure(block(file, [("return load(number)", "report")]))
    assert cure.after == ("    return await anyio.to_thread.run_sync(load, number)",)
    assert cure.trial is None


@pytest.mark.parametrize(
    "change",
    [
        "hits = {{}}\n    for each in words:\n        hits[each] += 1",
        "hits: dict[int, int] = defaultdict(int)\n    hits[number] += 1",
        "number.state.hits += 1",
        "ways = [1] + [0] * number\n    ways[1] += ways[0]",
        "sums = np.zeros(number)\n    sums[0] += 1",
        "rows = [{{}}]\n    for row in rows:\n        row['sum'] += 1",
        "for place, row in enumerate(number.rows):\n        row.cells[place] += 1",
    ],
)
def test_what_is_only_of_one_request_may_change_in_a_thread(change: str, tmp_path: Path) -> None:
    text = ENDPOINT.replace("{line}", f"{change}\n    {{line}}").format(line="return load(number)")
    text = f"import numpy as np\n{text}"
    cure = get_cure(block(write_app(tmp_path, text), [("return load(number)", "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


@pytest.mark.parametrize("character", ["\x0c", "\x0b", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line(character: str, tmp_path: Path) -> None:
    """An editor's page break is a line for str.splitlines, but not for the parser."""
    text = AWAITING.replace("app = ", f"NAME = '{character}'\n\x0c\napp = ")
    file = write_app(tmp_path, text.format(line="load(number)"))
    cure = get_cure(block(file, [("load(number)", "report")]))
    assert (cure.line, cure.before) == (find_line(file, "load(number)"), ("    load(number)",))


def test_a_method_of_the_same_name_is_another_function(tmp_path: Path) -> None:
    file = write_app(tmp_path, ENDPOINT.format(line="return EVENT.report(number)"))
    cure = get_cure(block(file, [("return EVENT", "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


@pytest.mark.parametrize("error", ["requests.RequestException", "OSError"])
def test_no_twin_if_its_exceptions_would_not_be_caught(error: str, tmp_path: Path) -> None:
    line = f"try:\n        return requests.get(URL).text\n    except {error}:\n        return ''"
    file = write_app(tmp_path, ENDPOINT.format(line=line))
    cure = get_cure(block(file, [("requests.get", "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


def test_no_twin_for_a_response_that_is_closed_by_a_with(tmp_path: Path) -> None:
    line = "with requests.get(URL) as answer:\n        return answer.text"
    file = write_app(tmp_path, ENDPOINT.format(line=line))
    cure = get_cure(block(file, [("requests.get", "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


@pytest.mark.parametrize(
    "line",
    [
        "return requests.get(URL, params={'page': page})",
        "return requests.post(URL, data=file)",
        "import httpx\n    return httpx.post(URL, data=file)",
        "return requests.get(URL) or None",
        "return bool(requests.get(URL))",
        "if requests.head(URL):\n        return 'up'",
        "return sub.run(f'/srv/{number}.sh')",
        "answer = requests.get(URL)\n    if not answer:\n        raise ValueError",
        "answer = requests.get(URL)\n    return answer or None",
    ],
)
def test_no_twin_that_would_do_something_else(line: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, ENDPOINT.format(line=line))
    (asks,) = (each.strip() for each in line.split("\n") if "(" in each and "raise" not in each)
    cure = get_cure(block(file, [(asks, "report")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


@pytest.mark.parametrize(
    "line",
    [
        "return requests.get(URL)",
        "check(requests.get(URL))",
        "answer = requests.get(URL)\n    check(answer)",
        "answer = requests.get(URL)\n    answer.close()",
        "answer = requests.get(URL)\n    return answer.cookies.get_dict()",
        "number.answer = requests.get(URL)",
        "return requests.get(URL, headers={'A': number.token}).text",
        "import httpx as requests\n    answer = requests.get(URL)\n    answer.close()",
    ],
)
def test_no_twin_for_a_response_that_other_code_gets(line: str, tmp_path: Path) -> None:
    text = ENDPOINT.replace("import requests\n", "") if "httpx" in line else ENDPOINT
    file = write_app(tmp_path, text.format(line=line))
    cure = get_cure(block(file, [("requests.get(", "report")], [library("requests.api", "get")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


def test_a_response_that_is_only_read_has_a_twin(tmp_path: Path) -> None:
    call = "answer = requests.get(URL, headers={'A': f'{number}'})"
    rest = "answer.raise_for_status()\n    return answer.json()"
    file = write_app(tmp_path, ENDPOINT.format(line=f"{call}\n    {rest}"))
    cure = get_cure(block(file, [(call, "report")], [library("requests.api", "get")]))
    after = "answer = await client.get(URL, headers={'A': f'{number}'}, timeout=None)"
    assert cure.after == (f"    {after}",)


@pytest.mark.parametrize(
    ("before", "line", "package"),
    [
        ("import pymysql\nCURSOR = pymysql.connect().cursor()", "CURSOR.execute(1)", "pymysql"),
        ("LINK = open_link()", "cursor = LINK.cursor()\n    cursor.execute(1)", "pymysql"),
        ("LINK = open_link()", "with LINK.cursor() as c:\n        c.execute(1)", "MySQLdb"),
        ("from db import session", "session.execute(1)", "sqlalchemy"),
        ("Own = scoped_session(maker)", "Own().execute(1)", "sqlalchemy"),
        ("LINK = open_link()", "LINK.execute(1)", ""),
        ("from db import session", "session.query(User).execute(1).all()", "sqlalchemy"),
        (
            "from db import session",
            "for row in session.found:  # execute(1)\n        print(row)",
            "sqlalchemy",
        ),
    ],
)
def test_threads_do_not_get_a_connection_that_requests_share(
    before: str, line: str, package: str, tmp_path: Path
) -> None:
    file = write_app(tmp_path, f"{before}\n{ENDPOINT.format(line=line)}")
    below = [library(package, "execute")] if package else []
    cure = get_cure(block(file, [("execute(1)", "report")], below))
    text = "give each request its own connection from a pool, and make this call in a thread"
    assert get_text(cure).strip() == f"# {text}"
    assert ("sqlalchemy.ext.asyncio can be awaited" in cure.reason) is (package == "sqlalchemy")
    assert cure.trial is None


@pytest.mark.parametrize(
    "line",
    [
        "db = SessionLocal()\n    db.execute(1)",
        "with ENGINE.connect() as db:\n        db.execute(1)",
        "with open_link() as link, link.cursor() as cursor:\n        cursor.execute(1)",
        "number.execute(1)",
        "return number.query(models.User).filter(models.User.id == 1).first()",
        "return number.connect(users.select()).execute(1)",
        "return urlopen(URL).read()",
    ],
)
def test_a_thread_gets_the_request_s_own_connection(line: str, tmp_path: Path) -> None:
    """What a query names, such as a table of the module, is no connection."""
    before = "from app import models, users\nENGINE = create_engine(URL)"
    file = write_app(tmp_path, f"{before}\n{ENDPOINT.format(line=line)}")
    last = line.split("\n")[-1].strip()
    cure = get_cure(block(file, [(last, "report")], [library("sqlalchemy", "execute")]))
    assert cure.after == ("def report(number: int = 1) -> str:",)


def test_threads_do_not_share_pyplot(tmp_path: Path) -> None:
    text = f"from matplotlib import pyplot as plt\n{ENDPOINT.format(line='plt.savefig(number)')}"
    below = [library("matplotlib.pyplot", "savefig")]
    cure = get_cure(block(write_app(tmp_path, text), [("plt.savefig", "report")], below))
    assert get_text(cure).strip().startswith("# draw in a thread, on a matplotlib.figure.Figure")


@pytest.mark.parametrize(
    "helper",
    [
        "asyncio.create_task(n)",
        "USER.set(n)",
        "global hits\n    hits += 1",
        "note(n)\n\ndef note(n):\n    QUEUE.put_nowait(n)",
    ],
)
@pytest.mark.parametrize("text", [ENDPOINT, AWAITING])
def test_what_needs_the_loop_is_not_moved_with_its_caller(
    helper: str, text: str, tmp_path: Path
) -> None:
    load = f"\n\ndef load(n):\n    time.sleep(9)\n    {helper}\n"
    file = write_app(tmp_path, text.format(line="return load(number)") + load)
    cure = get_cure(block(file, [("time.sleep(9)", "load"), ("return load", "report")]))
    assert get_text(cure).startswith("    # move only what blocks into its own function")
    assert cure.trial is None


@pytest.mark.parametrize(
    "line",
    [
        "app.state.total += load(number)",
        "STATS['bytes'] += len(load(number))",
        "STATS['bytes'] = STATS['bytes'] + len(load(number))",
        "user.password = form.password",
        "task = asyncio.create_task(store(load(number)))",
        "found = [each async for each in pages(load)]",
        "row = super().load(number)",
        "session.get(User, number).seen = 1",
        "try:\n        await ask()\n    finally:\n        cursor.close()",
    ],
)
def test_what_would_mean_something_else_in_a_thread_is_not_moved(line: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, AWAITING.format(line=line))
    below = [("main", str(file), 1, "password", 1)] if "password" in line else []
    last = line.split("\n")[-1].strip()
    cure = get_cure(block(file, [(last, "report")], below))
    assert cure.before == ()
    if any(each in line for each in ("+", "create_task", "finally")):
        assert "move this" not in cure.after[0]


def test_the_call_of_a_generator_does_not_do_its_work(tmp_path: Path) -> None:
    text = "import time\n\ndef rows(n):\n    time.sleep(0.1)\n    yield n\n"
    loop = "for row in rows(number):\n        print(row)"
    file = write_app(tmp_path, text + AWAITING.format(line=loop))
    cure = get_cure(block(file, [("time.sleep", "rows"), ("for row", "report")]))
    assert cure.before == ()


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("def render(n):\n    yield n", "return render(number)"),
        (
            "def render(n):\n    return rows(n)\n\ndef rows(n):\n    yield n",
            "return render(number)",
        ),
        ("def render(n):\n    return map(str, n)", "return render(number)"),
        (
            "def render(n):\n    found = (2 * each for each in n)\n    return found",
            "render(number)",
        ),
        ("def render(n):\n    counts = {n: 1}\n    return counts.items()", "render(number)"),
        ("def render(n):\n    return Soup(n)", "return render(number).find('a')"),
        ("def render(n):\n    SEEN[n] = 1", "return render(number)"),
        ("def render(n):\n    global total\n    total = n", "return render(number)"),
        ("def render(n): ...", "return render(request)"),
        ("def render(n): ...", "return render(number).title"),
        ("def render(n): ...", "return render(connect())"),
        ("def render(n):\n    return HTML[n]\n\ndef start():\n    HTML[1] = 2", "render(number)"),
        ("def render(n):\n    return HTML\n\ndef start():\n    global HTML", "render(number)"),
        ("def render(n):\n    return note(n)\n\ndef note(n):\n    SEEN[n] = 1", "render(number)"),
        ("def render(n):\n    return MODEL\n\ndef start():\n    MODEL.load(1)", "render(number)"),
        ("def render(n):\n    return app.state.model", "return render(number)"),
        ("def render(n):\n    raise HTTPException(status_code=404)", "return render(number)"),
        ("def render(n):\n    return helper(n)\n\nfrom . import helper", "return render(number)"),
        ("@timed\ndef render(n): ...", "return render(number)"),
        ("import statistics", "statistics.mode([number])"),
        ("import lxml.html", "return lxml.html.fromstring('<p>')"),
        ("from app.core import templates", "return templates.render(number)"),
    ],
)
def test_no_process_for_what_cannot_be_sent_there(function: str, line: str, tmp_path: Path) -> None:
    file = write_app(tmp_path, f"{function}\n{AWAITING.format(line=line)}")
    cure = get_cure(block(file, [(line, "report")], cpu_s=0.1, unseen_s=0.1))
    assert cure.before == ()


@pytest.mark.parametrize(
    ("line", "is_sent"),
    [
        ("size = 2 * number\n    return render(size, [1, f'{size}'])", True),
        ("data = await file.read()\n    return render(data)", True),
        ("page = render(number)\n    return page.encode()", True),
        ("page = render(number)\n    return page.title", False),
        ("with open(PATH) as file:\n        return render(file)", False),
        ("client = connect()\n    return render(client)", False),
        ("first, second = connect()\n    return render(first)", False),
        ("return render(self)", False),
        ("return render(job.n)", True),
        ("return render(job.page)", False),
        ("return render(job.other)", False),
        ("numbers = [2 * each for each in range(number)]\n    return render(numbers)", True),
        ("pages = {each: connect() for each in range(9)}\n    return render(pages)", False),
        ("pages = [each for each in connect()]\n    return render(pages)", False),
        ("page = render(number)\n    return dict(page.items())", True),
        ("page = render(number)\n    for each in page:\n        print(each[0])", True),
        ("page = render(number)\n    return page.commit()", False),
        ("return render(job.size)", True),
        ("page = statistics.multimode(number)  # render(\n    return [*map(str, page)]", True),
        ("page = statistics.pages(number)  # render(\n    return [n for n in page]", False),
    ],
)
def test_a_process_gets_and_gives_plain_data(line: str, is_sent: bool, tmp_path: Path) -> None:
    job = "import statistics\nclass Job(BaseModel):\n    n: list[int] = []\n    page: Page\n"
    job += "    size: Annotated[int, Field(ge=1)] = 1\n"
    text = AWAITING.replace("number: int = 1", "job: Job, number: int = 1").format(line=line)
    file = write_app(tmp_path, f"{job}def render(*n): ...\n{text}")
    (at,) = [each.strip() for each in line.split("\n") if "render(" in each]
    cure = get_cure(block(file, [(at, "report")], cpu_s=0.1, unseen_s=0.1))
    assert bool(cure.before) is is_sent


@pytest.mark.parametrize("folder", ["drawing", "other"])
def test_no_process_for_a_function_of_another_file(folder: str, tmp_path: Path) -> None:
    """The audit does not read what that file keeps."""
    text = f"from drawing import render\n{AWAITING.format(line='return render(number)')}"
    file = write_app(tmp_path, text)
    (tmp_path / folder).mkdir()
    cure = get_cure(block(file, [("return render", "report")], cpu_s=0.1, unseen_s=0.1))
    assert bool(cure.before) is (folder != "drawing")


def test_no_process_gets_the_session_of_a_dependency(tmp_path: Path) -> None:
    text = "def render(db): ...\n" + AWAITING.replace("number: int = 1", "db = Depends(get_db)")
    file = write_app(tmp_path, text.format(line="return render(db)"))
    assert (
        get_cure(block(file, [("return render", "report")], cpu_s=0.1, unseen_s=0.1)).before == ()
    )


def test_a_file_is_not_awaited_within_a_lock(tmp_path: Path) -> None:
    line = "with open(PATH, 'a') as file:\n        with LOCK:\n            file.write('x')"
    file = write_app(tmp_path, AWAITING.format(line=line))
    cure = get_cure(block(file, [("with open", "report")]))
    assert not any("open_file" in each for each in cure.after)


def test_an_edit_uses_only_imports_of_the_whole_module(tmp_path: Path) -> None:
    own = "def show():\n    import asyncio as own\n\nasync def report():\n    time.sleep(0.1)\n"
    file = write_app(tmp_path, f"import time\n{own}")
    cure = get_cure(block(file, [("time.sleep", "report")]))
    assert cure.after == ("    await asyncio.sleep(0.1)",)
    assert "Add `import asyncio`" in cure.reason


@pytest.mark.parametrize(
    ("before", "call", "after"),
    [
        ("import subprocess\n    ", "subprocess.run(['ls'])", "subprocess.run, ['ls']"),
        ("with open(number) as file:\n        ", "file.read()", "file.read"),
    ],
)
def test_without_anyio_an_edit_uses_asyncio(
    before: str, call: str, after: str, tmp_path: Path
) -> None:
    file = write_app(tmp_path, AWAITING.format(line=before + call))
    cure = get_cure(block(file, [(call, "report")], versions={}))
    assert cure.after[0].lstrip() == f"await asyncio.to_thread({after})"


def test_without_anyio_a_process_is_awaited_with_asyncio(tmp_path: Path) -> None:
    file = write_app(tmp_path, "def render(n): ...\n\nasync def report(n):\n    render(n)\n")
    finding = block(file, [("    render(n)", "report")], cpu_s=0.1, unseen_s=0.1, versions={})
    assert "asyncio.get_running_loop().run_in_executor(processes, f)" in get_text(get_cure(finding))
