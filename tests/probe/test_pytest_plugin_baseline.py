"""The plug-in's baseline: which blocks are known, and which runs write it."""

from __future__ import annotations

import os
import sys

import pytest

from tests.probe.plugin_support import BLOCKING, run, unwrap_apps

pytest_plugins = ("pytester",)
__all__ = ["unwrap_apps"]


def test_known_blocks_do_not_fail_but_new_ones_do(pytester: pytest.Pytester) -> None:
    options = ("--loop-blocking=50ms", "--loop-blocking-baseline=known.json")
    run(pytester, BLOCKING, *options, "--loop-blocking-write-baseline").assert_outcomes(passed=2)
    assert "time.sleep" in (pytester.path / "known.json").read_text()
    run(pytester, "\n\n" + BLOCKING, *options).assert_outcomes(passed=2)
    new = BLOCKING + "\ndef test_new():\n    async def main():\n        time.sleep(0.1)\n"
    result = run(pytester, new + "    asyncio.run(main())\n", *options)
    result.assert_outcomes(passed=2, failed=1)


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
    known.write_text("what it was")
    source = STOPPED.replace("STOP", stop)
    result = run(pytester, source, *KNOWN, "--loop-blocking-write-baseline", *options)
    result.stdout.fnmatch_lines([f"--loop-blocking-baseline: *known.json is not written: {reason}"])
    assert known.read_text() == "what it was"
    assert {each.name for each in pytester.path.glob("*.json*")} == {"known.json"}


def test_a_run_that_checks_nothing_leaves_the_baseline(pytester: pytest.Pytester) -> None:
    (pytester.path / "known.json").write_text("what it was")
    source = "@pytest.mark.skip\ndef test_skipped(): ..."
    result = run(pytester, source, *KNOWN, "--loop-blocking-write-baseline")
    result.stdout.fnmatch_lines(["*known.json is not written: no test was checked"])
    assert (pytester.path / "known.json").read_text() == "what it was"


def test_a_baseline_that_cannot_be_written_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.mkdir("folder")
    source = STOPPED.replace("STOP", "shutil.rmtree(request.config.rootpath / 'folder')")
    options = ("--loop-blocking=50ms", "--loop-blocking-baseline=folder/known.json")
    result = run(pytester, source, *options, "--loop-blocking-write-baseline")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["* is not written: No such file or directory"])


def test_a_part_of_the_tests_writes_the_baseline(pytester: pytest.Pytester) -> None:
    """Deselected tests are not part of the run."""
    (pytester.path / "known.json").write_text("what it was")
    run(pytester, BLOCKING, *KNOWN, "--loop-blocking-write-baseline", "-k", "test_blocks")
    assert "time.sleep" in (pytester.path / "known.json").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full here")
@pytest.mark.parametrize("is_writing", [False, True])
def test_a_baseline_is_a_regular_file(pytester: pytest.Pytester, is_writing: bool) -> None:
    """A pipe would wait for ever."""
    os.mkfifo(pytester.path / "known.json")
    options = ["--loop-blocking-write-baseline"] if is_writing else []
    for path in ("known.json", "/dev/full", "."):
        known = f"--loop-blocking-baseline={path}"
        result = run(pytester, BLOCKING, "--loop-blocking=50ms", known, *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [each for each in result.stderr.lines if each.strip()]
        assert line.endswith("no regular file")
