"""Following a build: a stand-in for its script waits for a pipe, as for a compiler."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from scenarios.errors import UserError
from stress import programs
from stress.interruption import CellInterruptedError, Interruption
from stress.places import ROOT
from stress.programs import (
    BuildProgress,
    BuildWatch,
    format_build,
    is_built,
    run_build_script,
)
from study.cli import main


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Print a word, and continue when the test writes into its pipe."""
    monkeypatch.setattr(programs, "LONG_BUILD_S", 0.0)
    monkeypatch.setattr(programs, "LOOK_S", 0.01)
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "rusty" / "build.sh"
    path.parent.mkdir()
    path.write_text(
        f'echo $$ >"{tmp_path}/pid"\n'
        'echo "    Compiling  half 1.0" >&2\n'
        'printf "    Compil" >&2\n'
        f'read answer <"{tmp_path}/pipe"\n'
        'echo "ing other" >&2\n'
        '[ "$answer" = well ] || { echo "error: $answer" >&2; exit 3; }\n'
        "echo /built/rusty\n"
    )
    return path


def answer_when_it_compiles(script: Path, answer: str, heard: list[BuildProgress]) -> BuildWatch:
    def listener(moment: BuildProgress) -> None:
        heard.append(moment)
        pipe = script.parent.parent / "pipe"
        if moment.last_words and stat.S_ISFIFO(pipe.stat().st_mode):
            with pipe.open("w") as file:
                file.write(f"{answer}\n")
            pipe.unlink()
            pipe.touch()

    return BuildWatch(listener)


def test_a_long_build_says_what_it_does_and_how_long_it_took(script: Path) -> None:
    heard: list[BuildProgress] = []
    watch = answer_when_it_compiles(script, "well", heard)
    assert run_build_script(script, "without it", watch) == "/built/rusty"
    assert {each.program for each in heard} == {"rusty"}
    assert [each.state for each in heard][:: len(heard) - 1] == ["begins", "ended"]
    said = [each.last_words for each in heard if each.last_words]
    assert said[0] == "Compiling half 1.0"  # a half line is not shown
    times = [each.since_s for each in heard]
    assert times == sorted(times)


def test_a_build_that_fails_gives_its_last_words_and_what_to_do(script: Path) -> None:
    heard: list[BuildProgress] = []
    with pytest.raises(UserError, match="error: badly; the rest can run") as refused:
        run_build_script(
            script, "the rest can run", answer_when_it_compiles(script, "badly", heard)
        )
    assert refused.value.exit_code == 3
    assert "ended" not in {each.state for each in heard}


def test_an_interruption_ends_the_build_with_all_that_it_started(script: Path) -> None:
    interruption = Interruption()
    pids: list[int] = []

    def interrupt(moment: BuildProgress) -> None:
        if moment.last_words:
            pids.append(int((script.parent.parent / "pid").read_text()))
            interruption.reason = "Ctrl-C"

    with pytest.raises(CellInterruptedError, match="Ctrl-C"):
        run_build_script(script, "", BuildWatch(interrupt, interruption))
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("code", "expected"), [(0, True), (4, False)])
def test_what_is_built_can_start_at_once(tmp_path: Path, code: int, expected: bool) -> None:
    path = tmp_path / "build.sh"
    path.write_text(f'[ "$1" = --kept ] || exit 9\nexit {code}\n')
    assert is_built(path, "") is expected


def test_what_cannot_be_built_is_refused_in_the_words_of_its_script(tmp_path: Path) -> None:
    path = tmp_path / "build.sh"
    path.write_text("echo 'build.sh: no cargo' >&2; exit 3\n")
    with pytest.raises(UserError, match=r"^build\.sh: no cargo; others run$"):
        is_built(path, "others run")


def test_a_build_is_shown_with_its_time() -> None:
    going = BuildProgress("axum", "goes on", 34.4, "Compiling tokio v1.50")
    assert format_build(going) == "building axum, once: 34 s so far (Compiling tokio v1.50)"
    assert format_build(BuildProgress("gin", "begins", 2.0)) == "building gin, once: 2 s so far"
    assert format_build(BuildProgress("axum", "ended", 143.0)) == "built axum in 143 s"


def test_the_upstream_writes_into_the_folder_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []

    def start(_: str, words: tuple[str, ...], environment: dict[str, str]) -> None:
        started.append((words, environment["PYTHONPATH"], Path.cwd()))
        raise SystemExit

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", start)
    with pytest.raises(SystemExit):
        main(["upstream", "--upstream", "python", "--log", "waits.csv"])
    words = (sys.executable, "-P", "-m", "slow_upstream", "--log", "waits.csv")
    assert started == [(words, str(ROOT), tmp_path)]
