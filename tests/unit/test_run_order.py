"""The order of a run, with a fake cell that "measures" given values: no server, no waiting."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.summary.cell import compute_summary
from analysis.summary.comparison import list_differences
from analysis.summary.model import CellSummary
from analysis.summary.thresholds import Threshold, parse_thresholds
from records.rundir import CellDir, create_run
from scenarios.catalogue import select_scenarios
from scenarios.errors import BROKEN, UserError, build_cannot_run_error
from stress.interruption import CellInterruptedError, Interruption
from stress.programs import BuildWatch
from stress.runtime import CellRun, Runtime
from stress.servers import ServerAdapter
from study import run as subject
from study import runner
from study.progress import QuietDisplay
from study.schedule import FixedPlan, schedule_trials
from tests.unit.samples import record, tables

Ran = list[tuple[str, int]]
CELL = compute_summary(record(), tables([(3.0, 4.0, None)]))
NAMES = [each.name for each in select_scenarios(("control",))]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """The cells that ran, in order; each has the same small figures."""
    seen: Ran = []

    def remember(cell: CellRun, _: Runtime) -> None:
        seen.append((cell.scenario.name, cell.trial))

    def summary_of(cell: CellDir, _: object) -> CellSummary:
        scenario, _, trial = cell.path.name.rpartition(".")
        return replace(CELL, scenario=scenario, trial=int(trial))

    monkeypatch.setattr(runner, "run_cell", remember)
    monkeypatch.setattr(runner, "load_cell_summary", summary_of)
    monkeypatch.setattr(subject, "check_machine", lambda *_: None)
    monkeypatch.setattr(subject, "write_report_page", lambda *_, **__: True)
    monkeypatch.setattr(subject, "collect_environment", dict)
    return seen


def run_cells(folder: Path, trials: int = 1) -> list[CellSummary]:
    directory = create_run(folder, "test")
    plan = FixedPlan(schedule_trials(select_scenarios(("control",)), trials, seed=1))
    display = QuietDisplay()
    runtime = Runtime(0, Interruption(), display.show_phase)
    found = runner.Runner(directory, {"command": "study run control"}, runtime, display)
    found.run_plan(lambda _: plan)
    return found.cells


def run(
    folder: Path,
    trials: int = 1,
    seed: int | None = None,
    expectations: tuple[Threshold, ...] = (),
    json_output: bool = False,
) -> tuple[int, dict[str, Any]]:
    """The exit code and the manifest."""
    order = subject.RunOptions(
        "test", trials, 0, folder, "study run control",
        json_output=json_output, seed=seed, expectations=expectations, predict=False,
    )  # fmt: skip
    code = subject.run_study(select_scenarios(("control",)), order)
    (directory,) = folder.iterdir()
    return code, json.loads((directory / "manifest.json").read_text())


def failing(after: int, error: Exception) -> Callable[..., None]:
    """Raise `error` after that many cells; record an interruption as the user's request."""
    left = iter(range(after))

    def run_cell(_: CellRun, runtime: Runtime) -> None:
        if next(left, None) is not None:
            return
        if isinstance(error, CellInterruptedError):
            runtime.interruption.reason = str(error)
        raise error

    return run_cell


def test_each_trial_runs_every_scenario_once(ran: Ran, tmp_path: Path) -> None:
    assert len(run_cells(tmp_path, trials=2)) == 6
    assert sorted(ran[:3]) == sorted((name, 1) for name in NAMES)
    assert sorted(ran[3:]) == sorted((name, 2) for name in NAMES)


def test_the_order_is_recorded_before_it_is_run(ran: Ran, tmp_path: Path) -> None:
    code, manifest = run(tmp_path, trials=5, seed=7)
    assert code == 0
    assert manifest["seed"] == 7
    assert [tuple(each) for each in manifest["order"]] == ran
    (directory,) = tmp_path.iterdir()
    content = json.loads((directory / "summary.json").read_text())
    reported = [(cell["scenario"], cell["trial"]) for cell in content["cells"]]
    assert reported == [(name, trial) for name in NAMES for trial in range(1, 6)] != ran
    assert [(each["scenario"], each["trials"]) for each in content["scenarios"]] == [
        (name, 5) for name in NAMES
    ]
    assert "expectations" not in content


@pytest.mark.usefixtures("ran")
def test_a_seed_that_is_not_given_is_drawn_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "randbelow", lambda below: below - 1)
    _, manifest = run(tmp_path, trials=2)
    again = schedule_trials(select_scenarios(("control",)), 2, manifest["seed"])
    assert manifest["order"] == [[turn.scenario.name, turn.trial] for turn in again]


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(("text", "code", "sign"), [("< 5", 0, "✓"), ("> 5", 1, "✗")])
@pytest.mark.parametrize("json_output", [False, True])
def test_a_threshold_that_fails_is_exit_code_1(
    text: str,
    code: int,
    sign: str,
    json_output: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = parse_thresholds(f"async-sleep: failures {text}")
    found, manifest = run(tmp_path, expectations=expected, json_output=json_output)
    assert found == code
    assert manifest["expectations"] == [f"async-sleep: failures {text}"]
    said = capsys.readouterr()
    assert f"{sign} async-sleep: failures 0 {text}" in (said.err if json_output else said.out)
    if json_output:
        (outcome,) = json.loads(said.out)["expectations"]
        assert (outcome["scenario"], outcome["met"]) == ("async-sleep", code == 0)


@pytest.mark.usefixtures("ran")
def test_quiet_prints_the_table_and_what_failed_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = parse_thresholds("async-sleep: failures < 5, failures > 5")
    order = subject.RunOptions(
        "test", 1, 0, tmp_path, "study run control",
        quiet=True, expectations=expected, predict=False, report=False,
    )  # fmt: skip
    assert subject.run_study(select_scenarios(("control",)), order) == 1
    said = capsys.readouterr()
    heading, _, *rows = said.out.splitlines()
    assert heading.startswith("scenario")
    assert [row.split()[0] for row in rows] == NAMES
    assert said.err == "✗ async-sleep: failures 0 > 5\n"


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("text", ["disk: failures == 0", "control: p98_ms < 5"])
def test_what_can_never_be_judged_is_refused_before_anything_is_written(
    text: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError):
        run(out, expectations=parse_thresholds(text))
    assert not out.exists()


@pytest.mark.usefixtures("ran")
def test_a_load_that_breaks_down_wins_over_a_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Ctrl-C: an automatic run must see the difference."""

    def interrupted(*_: object) -> CellSummary:
        return replace(CELL, scenario=NAMES[0], interrupted="the load ended by itself")

    monkeypatch.setattr(runner, "load_cell_summary", interrupted)
    code, _ = run(tmp_path, expectations=parse_thresholds("*: failures == 0"))
    assert code == BROKEN
    said = capsys.readouterr()
    assert f"✗ {NAMES[0]}: failures == 0: interrupted" in said.out
    assert f"✗ {NAMES[1]}: failures == 0: no trial was measured" in said.out
    assert "interrupted (the load ended by itself)" in said.err


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(("after", "kept"), [(1, "kept: "), (0, "nothing was measured yet")])
def test_an_interruption_wins_over_a_threshold(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    after: int,
    kept: str,
) -> None:
    monkeypatch.setattr(runner, "run_cell", failing(after, CellInterruptedError("Ctrl-C")))
    order = subject.RunOptions(
        "test", 1, 0, tmp_path, "study run control",
        expectations=parse_thresholds("*: failures == 0"), predict=False,
    )  # fmt: skip
    assert subject.run_study(select_scenarios(("control",)), order) == 130
    assert f"interrupted (Ctrl-C); {kept}" in capsys.readouterr().err
    assert bool(list(tmp_path.iterdir())) is (after > 0)  # an empty folder is useless


@pytest.mark.usefixtures("ran")
def test_a_cell_that_cannot_begin_names_itself_and_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_cell", failing(1, build_cannot_run_error("port 1 is taken")))
    with pytest.raises(UserError) as refused:
        run_cells(tmp_path)
    (directory,) = tmp_path.iterdir()
    assert str(refused.value) == (
        f"async-sleep: port 1 is taken; the cells before it (1) are in {directory}"
    )
    assert refused.value.exit_code == 3
    assert (directory / "summary.json").is_file()


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x"), "async-sleep: internal error (KeyError: 'x')"),
        (OSError(28, "No space left"), "async-sleep: internal error (OSError: [Errno 28] "),
        (CellInterruptedError("the upstream ended"), "async-sleep: the upstream ended; "),
    ],
)
def test_what_breaks_of_ours_is_one_line_and_keeps_the_cells_before_it(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*_: object) -> None:
        if next(left, None) is None:
            raise error

    left = iter(range(1))
    monkeypatch.setattr(runner, "run_cell", breaking)
    with pytest.raises(UserError) as broken:
        run_cells(tmp_path)
    (directory,) = tmp_path.iterdir()
    assert broken.value.exit_code == BROKEN == 4
    assert str(broken.value).startswith(said)
    assert str(broken.value).endswith(f"; the cells before it (1) are in {directory}")
    assert len(str(broken.value).splitlines()) == 1
    assert (directory / "summary.json").is_file()
    expected = not isinstance(error, CellInterruptedError)
    assert (directory / "error.log").exists() is expected


@pytest.mark.usefixtures("ran")
def test_an_interruption_before_the_load_ends_the_run_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_cell", failing(2, CellInterruptedError("Ctrl-C")))
    assert len(run_cells(tmp_path)) == 2


def build_failing(refused: list[str]) -> Callable[[str], object]:
    """For `find_adapter`: building axum fails, and the others need no build."""

    def find(kind: str) -> ServerAdapter:
        def build(_: BuildWatch) -> None:
            if kind == "axum":
                refused.append(kind)
                raise build_cannot_run_error("cargo failed")

        return ServerAdapter(lambda *_: (), build_program=build)

    return find


def test_a_server_that_cannot_be_built_is_left_out_and_the_others_are_measured(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused: list[str] = []
    monkeypatch.setattr(runner, "find_adapter", build_failing(refused))
    scenarios = select_scenarios(("axum-http-shared", "gin-http-shared", "async-http-shared"))
    plan = FixedPlan(schedule_trials(scenarios, 2, seed=1))
    display = QuietDisplay()
    runtime = Runtime(0, Interruption(), display.show_phase)
    directory = create_run(tmp_path, "test")
    found = runner.Runner(directory, {"command": "study run"}, runtime, display)
    found.run_plan(lambda _: plan)
    assert sorted(ran) == [
        (name, n) for name in ("async-http-shared", "gin-http-shared") for n in (1, 2)
    ]
    assert refused == ["axum"]  # once: it takes minutes
    assert capsys.readouterr().err == "study: left out axum-http-shared: cargo failed\n"


def test_where_only_that_server_was_chosen_its_reason_ends_the_run(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "find_adapter", build_failing([]))
    plan = FixedPlan(schedule_trials(select_scenarios(("axum-http-shared",)), 2, seed=1))
    display = QuietDisplay()
    runtime = Runtime(0, Interruption(), display.show_phase)
    found = runner.Runner(create_run(tmp_path, "test"), {}, runtime, display)
    with pytest.raises(UserError, match="axum-http-shared: cargo failed") as refused:
        found.run_plan(lambda _: plan)
    assert refused.value.exit_code == 3
    assert not ran


@pytest.mark.parametrize("option", ["--profile", "--served", "--database-url"])
def test_what_changes_the_figures_of_all_scenarios_is_recorded_and_compared(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(given: str) -> dict[str, object]:
        url = "postgresql://user:secret@db" if given == "--database-url" else ""
        monkeypatch.setenv("STUDY_DATABASE_URL", url)
        order = subject.RunOptions("x", 1, 0, tmp_path, "study run", profile=given == "--profile")
        return subject.build_head(select_scenarios(("users-sync",)), order, given == "--served")

    plain, other = build(""), build(option)
    assert list_differences(plain, plain) == list_differences(other, other) == []
    assert list_differences(plain, other) == [f"{option} is none in A, set in B"]
    earlier = {name: value for name, value in plain.items() if name != "options"}
    assert list_differences(earlier, plain) == []  # a run of an earlier version
    assert "secret" not in json.dumps(other)
