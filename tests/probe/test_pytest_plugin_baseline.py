"""The plug-in's baseline: which blocks are known, and which runs write it."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.probe.plugin_support import BLOCKING, run, unwrap_apps

pytest_plugins = ("pytester",)
__all__ = ["unwrap_apps"]


def test_known_blocks_do_not_fail_but_new_ones_do(pytester: pytest.Pytester) -> None:
    options = ("--loop-blocking=50ms", "--loop-blocking-baseline=known.json")
    run(pytester, BLOCKING, *options, WRITE).assert_outcomes(passed=2)
    assert "time.sleep" in (pytester.path / "known.json").read_text()
    run(pytester, "\n\n" + BLOCKING, *options).assert_outcomes(passed=2)
    new = BLOCKING + "\ndef test_new():\n    async def main():\n        time.sleep(0.1)\n"
    result = run(pytester, new + "    asyncio.run(main())\n", *options)
    result.assert_outcomes(passed=2, failed=1)


WRITE = "--loop-blocking-write-baseline"
TEARDOWN = """
@pytest.fixture
def shop(loop_blocking):
    yield
    async def close():
        time.sleep(0.1)
    with loop_blocking(max="20ms"):
        asyncio.run(close())

def test_uses(shop):
    pass
"""
PORTABLE = """
class Shop:
    async def fetch(self):
        time.sleep(0.1)

    async def fetch_all(self):
        return [time.sleep(0.1) for _ in (1,)]

async def schedule():
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    await asyncio.sleep(0)

@pytest.mark.parametrize("function", [Shop().fetch, Shop().fetch_all, schedule])
def test_blocks(function):
    asyncio.run(function())
"""


def test_a_block_of_a_fixture_s_end_is_written_too(pytester: pytest.Pytester) -> None:
    run(pytester, TEARDOWN, *KNOWN, WRITE).assert_outcomes(passed=1)
    assert "time.sleep" in (pytester.path / "known.json").read_text()
    run(pytester, TEARDOWN, *KNOWN).assert_outcomes(passed=1)


def test_a_baseline_fits_each_machine_and_python_version(pytester: pytest.Pytester) -> None:
    run(pytester, PORTABLE, *KNOWN, WRITE).assert_outcomes(passed=3)
    content = json.loads((pytester.path / "known.json").read_text())
    assert [tuple(each.values()) for each in content["blocks"]] == [
        ("asyncio/events.py", "Handle._run", "time.sleep"),
        ("test_inner.py", "Shop.fetch", "time.sleep"),
        ("test_inner.py", "Shop.fetch_all", "time.sleep"),
    ]
    for each in content["blocks"]:  # as earlier versions of the plug-in wrote it, on Python 3.9
        each["function"] = each["function"].rpartition(".")[2]
        each["file"] = each["file"].replace("asyncio/", "/opt/a/lib/python3.9/asyncio/")
    (pytester.path / "known.json").write_text(json.dumps(content))
    run(pytester, PORTABLE, *KNOWN).assert_outcomes(passed=3)


EMPTY = '{"version": 1, "blocks": []}'
KNOWN = ("--loop-blocking=50ms", "--loop-blocking-baseline=known.json")
STOPPED = """
import shutil

def test_stops(request):
    STOP

def test_blocks():
    asyncio.run(run_blocking())
"""


@pytest.mark.parametrize(
    ("stop", "options", "reason"),
    [
        ("pass", ["none.py"], "not all tests ran"),
        ("pass", ["--collect-only"], "not all tests ran"),
        ("pass", ["-k", "none"], "not all tests ran"),
        ("raise KeyboardInterrupt", [], "not all tests ran"),
        ("pytest.exit('', returncode=0)", [], "not all tests ran"),
        ("assert False", ["-x"], "not all tests ran"),
        ("request.config.hook.pytest_enter_pdb(config=request.config, pdb=None)", [],
         "a debugger ran"),
    ],
)  # fmt: skip
def test_a_run_that_is_not_whole_leaves_the_baseline(
    pytester: pytest.Pytester, stop: str, options: list[str], reason: str
) -> None:
    known = pytester.path / "known.json"
    known.write_text(EMPTY)
    source = STOPPED.replace("STOP", stop)
    result = run(pytester, source, *KNOWN, WRITE, *options)
    result.stdout.fnmatch_lines([f"--loop-blocking-baseline: *known.json is not written: {reason}"])
    assert known.read_text() == EMPTY
    assert {each.name for each in pytester.path.glob("*.json*")} == {"known.json"}


def test_a_run_that_checks_nothing_leaves_the_baseline(pytester: pytest.Pytester) -> None:
    (pytester.path / "known.json").write_text(EMPTY)
    source = "@pytest.mark.skip\ndef test_skipped(): ..."
    result = run(pytester, source, *KNOWN, WRITE)
    result.stdout.fnmatch_lines(["*known.json is not written: no test was checked"])
    assert (pytester.path / "known.json").read_text() == EMPTY


def test_a_baseline_that_cannot_be_written_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.mkdir("folder")
    source = STOPPED.replace("STOP", "shutil.rmtree(request.config.rootpath / 'folder')")
    options = ("--loop-blocking=50ms", "--loop-blocking-baseline=folder/known.json")
    result = run(pytester, source, *options, WRITE)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["* is not written: No such file or directory"])


ONE = """
def test_one():
    asyncio.run(run_blocking())
"""
TWO = """
import asyncio, time

async def other():
    time.sleep(0.1)

def test_two():
    asyncio.run(other())
"""
LEAVE_OUT = """
import pytest

def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=items[1:])
    del items[1:]
"""
SKIP = """
import pytest

def pytest_collection_modifyitems(items):
    items[1].add_marker(pytest.mark.skip)
"""


NO_STACKS = """
import pytest

@pytest.fixture(autouse=True)
def hide(request, monkeypatch):
    from asgi_probe.testing import sampler
    if request.node.name == "test_two":
        monkeypatch.setattr(sampler, "read_stack", lambda _: [])
"""


def read_functions(pytester: pytest.Pytester) -> set[str]:
    blocks = json.loads((pytester.path / "known.json").read_text())["blocks"]
    return {each["function"].rpartition(".")[2] for each in blocks}


@pytest.mark.parametrize(
    ("options", "conftest"),
    [
        (["-k", "test_one"], ""),
        (["test_inner.py"], ""),
        (["--deselect=test_two.py"], ""),
        (["--ignore=test_two.py"], ""),
        ([], LEAVE_OUT),
        ([], SKIP),
        ([], NO_STACKS),
    ],
)
def test_a_run_of_a_part_of_the_tests_keeps_the_others_blocks(
    pytester: pytest.Pytester, options: list[str], conftest: str
) -> None:
    """Of the tests that the run left out, it is not known whether they still block."""
    pytester.makepyfile(test_two=TWO)
    run(pytester, ONE, *KNOWN, WRITE)
    pytester.makeconftest(conftest)
    result = run(pytester, ONE, *KNOWN, WRITE, *options)
    assert read_functions(pytester) == {"block", "other"}
    expected = "1 found, 1 kept from earlier runs: this one did not check all tests"
    result.stdout.fnmatch_lines([f"--loop-blocking-baseline: *known.json: {expected}"])


@pytest.mark.parametrize("source", ["import pytest; pytest.skip(allow_module_level=True)", "1 / 0"])
def test_a_module_that_is_not_collected_keeps_its_blocks(
    pytester: pytest.Pytester, source: str
) -> None:
    """`importorskip` skips a whole module where its package is missing."""
    pytester.makepyfile(test_two=TWO)
    run(pytester, ONE, *KNOWN, WRITE)
    pytester.makepyfile(test_two=source)
    result = run(pytester, ONE, *KNOWN, WRITE, "--continue-on-collection-errors")
    assert read_functions(pytester) == {"block", "other"}
    result.stdout.fnmatch_lines(["*known.json: 1 found, 1 kept from earlier runs: *"])


def test_a_run_of_all_tests_removes_what_is_gone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_two=TWO)
    result = run(pytester, ONE, *KNOWN, WRITE)
    result.stdout.fnmatch_lines(["*known.json: 2 found"])
    assert read_functions(pytester) == {"block", "other"}
    pytester.makepyfile(test_two=TWO.replace("time.sleep(0.1)", "..."))
    result = run(pytester, ONE, *KNOWN, WRITE)
    result.stdout.fnmatch_lines(["*known.json: 1 found, 1 removed: no test blocks there now"])
    assert read_functions(pytester) == {"block"}


def test_another_file_is_not_replaced(pytester: pytest.Pytester) -> None:
    (pytester.path / "known.json").write_text("[project]")
    result = run(pytester, ONE, *KNOWN, WRITE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (pytester.path / "known.json").read_text() == "[project]"


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full here")
@pytest.mark.parametrize("is_writing", [False, True])
def test_a_baseline_is_a_regular_file(pytester: pytest.Pytester, is_writing: bool) -> None:
    """A pipe would wait for ever."""
    os.mkfifo(pytester.path / "known.json")
    options = [WRITE] if is_writing else []
    for path in ("known.json", "/dev/full", "."):
        known = f"--loop-blocking-baseline={path}"
        result = run(pytester, BLOCKING, "--loop-blocking=50ms", known, *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [each for each in result.stderr.lines if each.strip()]
        assert line.endswith("no regular file")
