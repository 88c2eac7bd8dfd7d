"""The pytest plug-in: what fails a test, and what its message says."""

from __future__ import annotations

import re
import sys
import threading
from asyncio import events
from pathlib import Path
from runpy import run_path
from types import CodeType, SimpleNamespace
from typing import cast

import asgi_probe
import pytest
from asgi_probe.testing.found_blocks import BlockFinder, is_allowed
from asgi_probe.testing.source_calls import list_calls

from tests.probe import reentrant_loop
from tests.probe.plugin_support import BLOCKING, SERVER, run, unwrap_apps

pytest_plugins = ("pytester",)
__all__ = ["unwrap_apps"]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps run delays")


def test_a_blocking_call_fails_its_test_and_no_other(pytester: pytest.Pytester) -> None:
    result = run(pytester, BLOCKING, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"The event loop was blocked for \d+ ms; the maximum is 50 ms\.",
            r"  test_inner\.py:\d+ in block: time\.sleep",
            r"  Cause: the thread waited in this call\.",
        ]
    )


def test_an_older_pytest_runs_without_the_checks_and_refuses_to_make_them(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run of pytest loads the plug-in, where the package is installed."""
    monkeypatch.delattr(pytest, "StashKey")
    plugin = run_path(str(Path(asgi_probe.__file__).with_name("pytest_plugin.py")))
    with pytest.raises(pytest.UsageError, match="Update to pytest 8"):
        plugin["find_checks"](pytestconfig)


def test_without_an_option_nothing_is_watched(pytester: pytest.Pytester) -> None:
    run(pytester, BLOCKING).assert_outcomes(passed=2)


def test_neither_its_timing_nor_its_thread_is_left(pytester: pytest.Pytester) -> None:
    original = events.Handle._run
    run(pytester, BLOCKING, "--loop-blocking=50ms")
    assert events.Handle._run is original
    assert "probe test sampler" not in {each.name for each in threading.enumerate()}


def test_a_computation_is_named(pytester: pytest.Pytester) -> None:
    source = """
def test_computes():
    async def main():
        compute()
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  Cause: the thread computed."])


def test_the_call_below_a_library_is_named(pytester: pytest.Pytester) -> None:
    source = """
def test_waits_in_a_library():
    async def main():
        threading.Timer(0.1, print).start()
        server = __import__("socket").create_server(("127.0.0.1", 0))
        server.settimeout(0.2)
        try:
            server.accept()
        except TimeoutError:
            pass
        except OSError:  # Python 3.9
            pass
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [r"  test_inner\.py:\d+ in \S*main: server\.accept", r"  below it: socket\.\S*accept \(.*"]
    )


@pytest.mark.slow
def test_another_thread_that_holds_the_gil_is_named(pytester: pytest.Pytester) -> None:
    source = """
done = threading.Event()

def hold(numbers):
    numbers.sort()  # one call into C; most of it is excused on a busy machine
    done.wait()  # the clock of an ended thread cannot be read

def test_waits_for_the_gil():
    numbers = [(each * 7919) % 3_000_017 for each in range(3_000_000)]
    worker = threading.Thread(target=hold, args=(numbers,))

    async def main():
        worker.start()
        time.sleep(0.01)
    asyncio.run(main())
    done.set()
    worker.join()
"""
    result = run(pytester, source, "--loop-blocking=20ms")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  Cause: another thread held the GIL*"])


def test_a_garbage_collection_is_named(pytester: pytest.Pytester) -> None:
    source = """
import gc

def test_collects():
    links = [[] for _ in range(1_000_000)]
    async def main():
        gc.collect()
        gc.collect()
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=20ms")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  Cause: garbage collection."])


CLIENTS = """
def test_test_client():
    TestClient(app).get("/items/1")

def test_test_client_with_lifespan():
    with TestClient(app) as client:
        client.get("/quick")

def test_transport():
    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await client.get("/items/1")
    asyncio.run(main())

class TestUnittest(unittest.IsolatedAsyncioTestCase):
    async def test_unittest(self):
        block()

    async def test_unittest_waits(self):
        await asyncio.sleep(0.1)

@pytest.mark.anyio
async def test_anyio():
    block()

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def test_every_client_is_watched_and_the_route_is_named(pytester: pytest.Pytester) -> None:
    result = run(pytester, CLIENTS, "--loop-blocking=50ms", "-rA")
    result.assert_outcomes(passed=2, failed=4)
    text = result.stdout.str()
    assert len(re.findall(r"^The event loop .* in /items/\{item\}; the maximum", text, re.M)) == 2
    assert "PASSED test_inner.py::test_test_client_with_lifespan" in text
    assert "PASSED test_inner.py::TestUnittest::test_unittest_waits" in text


def test_code_after_a_response_has_no_route(pytester: pytest.Pytester) -> None:
    source = """
def test_after():
    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await client.get("/quick")
            block()
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.stdout.re_match_lines([r"The event loop was blocked for \d+ ms; the maximum.*"])


def test_pytest_asyncio_is_watched(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")
    source = """
@pytest.mark.asyncio
async def test_blocks():
    block()

@pytest.mark.asyncio
async def test_waits():
    await asyncio.sleep(0.1)
"""
    result = run(pytester, source, "--loop-blocking=50ms", "-W", "ignore")
    result.assert_outcomes(passed=1, failed=1)


MARKED = """
@pytest.mark.loop_blocking(max="30ms")
def test_strict():
    async def main():
        time.sleep(0.05)
    asyncio.run(main())

@pytest.mark.loop_blocking(max="30ms", allow=["time.sleep"])
def test_allowed_call():
    asyncio.run(run_blocking())

@pytest.mark.loop_blocking(max="30ms", allow=["test_inner.b*"])
def test_allowed_function():
    asyncio.run(run_blocking())

@pytest.mark.loop_blocking(max="30ms", allow=["test_inner.block"])
def test_only_that_is_allowed():
    async def main():
        block()
        compute()
    asyncio.run(main())

def test_without_a_marker():
    asyncio.run(run_blocking())
"""


def test_a_marker_needs_no_option(pytester: pytest.Pytester) -> None:
    result = run(pytester, MARKED, "-rA")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "FAILED test_inner.py::test_strict*",
            "FAILED test_inner.py::test_only_that_is_allowed*",
        ]
    )


@pytest.mark.parametrize("seconds", [0.3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_block_fails_the_test_in_which_it_began(
    pytester: pytest.Pytester, seconds: float
) -> None:
    """One ends while the plug-in waits for it; the other goes on until the next test ends it."""
    source = f"""
def test_guilty(server):
    server.call_soon_threadsafe(hold, {seconds})
    assert began.wait(10)

def test_innocent(server):
    time.sleep(0.1)
    end_block(server)
"""
    result = run(pytester, SERVER + source, "--loop-blocking=50ms", "-rA")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([r"  test_inner\.py:\d+ in hold: threading\.Event\.wait"])
    result.stdout.fnmatch_lines(["PASSED test_inner.py::test_innocent", "FAILED *::test_guilty*"])


def test_a_block_of_a_fixtures_set_up_fails_no_test(pytester: pytest.Pytester) -> None:
    source = """
@pytest.fixture
def prepared(server):
    server.call_soon_threadsafe(hold, 10)
    assert began.wait(10)

def test_innocent(server, prepared):
    time.sleep(0.1)
    end_block(server)
"""
    run(pytester, SERVER + source, "--loop-blocking=50ms").assert_outcomes(passed=1)


class Proxy:
    """As werkzeug's outside of their context."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def test_a_call_of_a_proxy_that_raises_has_its_name_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text("current(request.user)\n")
    names = {"current": Proxy(), "request": Proxy()}
    assert list_calls(str(tmp_path / "views.py"), 1, names) == ["current"]


def test_a_callback_that_is_a_proxy_does_not_hide_its_block(pytester: pytest.Pytester) -> None:
    source = """
class Proxy:
    def __getattr__(self, name):
        raise RuntimeError(name)
    def __call__(self):
        time.sleep(0.1)

def test_calls():
    async def main():
        asyncio.get_running_loop().call_soon(Proxy())
        await asyncio.sleep(0)
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.stdout.fnmatch_lines(["The event loop was blocked for *"])


@pytest.mark.parametrize("is_debugging", [False, True])
def test_a_callback_without_a_frame_is_named(pytester: pytest.Pytester, is_debugging: bool) -> None:
    """In its debug mode, asyncio also keeps the line that scheduled it."""
    source = f"""
import functools

def schedule():
    asyncio.get_running_loop().call_soon(functools.partial(time.sleep, 0.1))

async def main():
    schedule()
    await asyncio.sleep(0)

def test_blocks():
    asyncio.run(main(), debug={is_debugging})

@pytest.mark.loop_blocking(allow=["time.sleep"])
def test_allowed():
    asyncio.run(main(), debug={is_debugging})
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, failed=1)
    where = r"test_inner\.py:\d+ in schedule" if is_debugging else r".*events\.py:\d+ in .*_run"
    result.stdout.re_match_lines([rf"  {where}: time\.sleep"])


def test_a_folder_next_to_the_root_is_not_the_users(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name begins with that of the root."""
    neighbour = pytester.path.with_name(f"{pytester.path.name}2")
    neighbour.mkdir()
    (neighbour / "helper_next_door.py").write_text("import time\ndef fetch():\n    time.sleep(0.1)")
    monkeypatch.syspath_prepend(neighbour)
    source = """
import helper_next_door

def test_fetches():
    async def main():
        helper_next_door.fetch()
    asyncio.run(main())
"""
    result = run(pytester, source, "--loop-blocking=50ms")
    result.stdout.re_match_lines(
        [
            r"  test_inner\.py:\d+ in \S*main: helper_next_door\.fetch",
            r"  below it: helper_next_door\.fetch \(helper_next_door\.py:3\): time\.sleep",
        ]
    )


def test_a_method_is_allowed_with_its_class_on_each_python_version() -> None:
    """Before Python 3.11, a code object does not have it."""
    code = BlockFinder.locate.__code__
    names = ("co_filename", "co_firstlineno", "co_name")
    bare = SimpleNamespace(**{each: getattr(code, each) for each in names})
    stack = [(cast(CodeType, bare), None, {"__name__": "shop.orders"})]
    assert is_allowed(stack, ["shop.orders.BlockFinder.locate"], [])
    assert is_allowed(stack, ["shop.orders.locate"], [])
    assert not is_allowed(stack, ["shop.orders.Other.*"], [])


CHECKED = """
def test_block(loop_blocking):
    async def main():
        block()
        async with loop_blocking(max="20ms"):
            await asyncio.sleep(0.05)
        with loop_blocking(max="20ms", allow=["time.sleep"]):
            block()
        with pytest.raises(pytest.fail.Exception, match="the maximum is 20 ms"):
            with loop_blocking(max="20ms"):
                block()
        with pytest.raises(pytest.fail.Exception, match="the maximum is 20 ms"):
            async with loop_blocking(max="20ms"):
                await asyncio.sleep(0)
                block()
                await asyncio.sleep(0)
        block()
    asyncio.run(main())

def test_wrong_value(loop_blocking):
    with pytest.raises(ValueError, match="a duration such as"):
        loop_blocking(max="soon")
"""


def test_the_fixture_checks_one_block_of_code(pytester: pytest.Pytester) -> None:
    run(pytester, CHECKED).assert_outcomes(passed=2)


def test_inside_the_fixture_only_its_maximum_counts(pytester: pytest.Pytester) -> None:
    source = """
def test_wide(loop_blocking):
    async def main():
        with loop_blocking(max="10s"):
            block()
    asyncio.run(main())
"""
    run(pytester, source, "--loop-blocking=50ms").assert_outcomes(passed=1)


def test_warn_fails_no_test(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nloop_blocking = 50ms\nloop_blocking_action = warn\n")
    result = run(pytester, BLOCKING, "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*LoopBlockingWarning: The event loop was blocked for *"])


def test_a_failed_test_keeps_its_own_error(pytester: pytest.Pytester) -> None:
    source = BLOCKING.replace("(run_blocking())", "(run_blocking()); assert 0")
    result = run(pytester, source, "--loop-blocking=50ms")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*assert 0", "* event loop *", "The event loop was blocked for *"])


@pytest.mark.parametrize("options", [(), ("--loop-blocking=50ms",)])
def test_a_block_before_an_expected_error_fails_its_test(
    options: tuple[str, ...], pytester: pytest.Pytester
) -> None:
    source = """
def test_expects(loop_blocking):
    async def main():
        with pytest.raises(ValueError):
            with loop_blocking(max="20ms"):
                time.sleep(0.1)
                raise ValueError
    asyncio.run(main())
"""
    result = run(pytester, source, *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The event loop was blocked for *"])


FAILS_ONCE = """
first = iter([True])

@pytest.fixture
def check(loop_blocking):
    def block_first():
        if next(first, False):
            with loop_blocking(max="20ms"):
                asyncio.run(run_blocking())
                assert False
    return block_first

@pytest.fixture
def failing(check):
    check()
"""
RUNS_AGAIN = {
    "in a check": "def test_fails_once(check): check()",
    "in a check of a fixture": "def test_fails_once(failing): ...",
    "outside of one": "def test_fails_once(): next(first, False) and asyncio.run(run_blocking())",
}


@pytest.mark.parametrize("test", RUNS_AGAIN.values(), ids=RUNS_AGAIN)
def test_a_test_that_runs_again_has_only_its_own_blocks(
    test: str, pytester: pytest.Pytester
) -> None:
    """As plug-ins do that repeat a failed test."""
    pytester.makeconftest("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, log=False, nextitem=nextitem)
    runtestprotocol(item, nextitem=nextitem)
    return True
""")
    run(pytester, FAILS_ONCE + test, "--loop-blocking=50ms").assert_outcomes(passed=1)


def test_the_first_check_sees_the_step_that_it_is_in(pytester: pytest.Pytester) -> None:
    source = """
def test_first(loop_blocking):
    async def main():
        with loop_blocking(max="20ms"):
            time.sleep(0.1)
    asyncio.run(main())
"""
    run(pytester, source).assert_outcomes(failed=1)


REENTRANT = """
from reentrant_loop import ReentrantLoop

@pytest.mark.parametrize("place", ["nowhere", "before", "inside", "between", "after"])
def test_runs_inside(place):
    loop = ReentrantLoop()

    def pass_by(name):
        if name == place:
            block()

    async def wait():
        await asyncio.sleep(0.1)
        pass_by("inside")

    async def main():
        pass_by("before")
        loop.run_until_complete(wait())
        pass_by("between")
        loop.run_until_complete(asyncio.sleep(0.1))
        pass_by("after")

    loop.run_until_complete(main())
    loop.close()
"""


def test_a_handle_that_runs_its_own_loop_blocks_it_only_outside_those_runs(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(reentrant_loop=Path(reentrant_loop.__file__).read_text())
    # without the summary, which in CI repeats each message
    result = run(pytester, REENTRANT, "--loop-blocking=50ms", "-rN")
    result.assert_outcomes(passed=1, failed=4)
    shown = re.findall(r"in block: time\.sleep$", result.stdout.str(), re.MULTILINE)
    assert len(shown) == 4


def test_a_debugger_blocks_no_loop(pytester: pytest.Pytester) -> None:
    source = """
def test_debugged(request):
    request.config.hook.pytest_enter_pdb(config=request.config, pdb=None)
    asyncio.run(run_blocking())
"""
    run(pytester, source, "--loop-blocking=50ms").assert_outcomes(passed=1)


def test_a_loop_that_it_cannot_see_is_named_once(pytester: pytest.Pytester) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not installed")
    source = """
import uvloop

@pytest.mark.parametrize("turn", range(2))
def test_uvloop(turn):
    loop = uvloop.new_event_loop()
    loop.run_until_complete(run_blocking())
    loop.close()
"""
    result = run(pytester, source, "--loop-blocking=50ms", "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*LoopBlockingWarning: uvloop ran during *"])


def test_an_error_of_the_plug_in_fails_no_test(pytester: pytest.Pytester) -> None:
    source = """
@pytest.fixture(autouse=True)
def fail(monkeypatch):
    from asgi_probe.testing import timed_thread
    monkeypatch.setattr(timed_thread.LoopThread, "_show_running", lambda _: 1 / 0)
"""
    result = run(pytester, source + BLOCKING, "--loop-blocking=50ms", "-W", "default")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*LoopBlockingWarning: the plug-in watches nothing more*"])


WRONG = {
    "--loop-blocking=fast": '--loop-blocking: a duration such as "50ms"',
    "--loop-blocking=0ms": "--loop-blocking: a duration",
    "--loop-blocking=": "--loop-blocking: a duration",
    "--pool-wait=50": "--pool-wait: a duration",
    "--pool-wait=": "--pool-wait: a duration",
    "--loop-blocking-action=ignore": "--loop-blocking-action: fail or warn, not 'ignore'",
    "--loop-blocking-action=": "--loop-blocking-action: fail or warn, not ''",
    "--loop-blocking=50ms --loop-blocking-baseline=none.json": "none.json is missing",
    "--loop-blocking=50ms --loop-blocking-baseline=": "name the file",
    "--loop-blocking-baseline=test_inner.py": "name the longest block with --loop-blocking=50ms",
    "--loop-blocking-write-baseline": "name the file with --loop-blocking-baseline",
    "--loop-blocking-write-baseline --loop-blocking-baseline=new.json": "name the longest block",
}


@pytest.mark.parametrize("options", WRONG)
def test_a_wrong_option_is_one_line(pytester: pytest.Pytester, options: str) -> None:
    result = run(pytester, BLOCKING, *options.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [each for each in result.stderr.lines if each.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("ERROR: ")
    assert WRONG[options] in lines[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('"50ms"', "name its arguments"),
        ("max=50", "a duration such as"),
        ("maximum='50ms'", "max and allow, not maximum"),
        ("allow=['x.y']", "is missing"),
        ("max='50ms', allow='x.y'", "allow is a list"),
    ],
)
def test_a_wrong_marker_is_one_line(pytester: pytest.Pytester, given: str, expected: str) -> None:
    result = run(pytester, f"@pytest.mark.loop_blocking({given})\ndef test_it(): ...")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert expected in result.stderr.str()
