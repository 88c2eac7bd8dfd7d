"""`study list` and `study show`: short, within 80 columns, and complete."""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.report.table import WIDTH
from scenarios.catalogue import CATALOGUE, GROUP_QUESTIONS, GROUPS
from scenarios.errors import WRONG_USE
from scenarios.model import Scenario
from study.catalogue import list_groups, list_scenarios, show_scenarios
from study.cli import main

MOST_LINES = 45
"""As many as a large terminal shows at once."""


def test_the_groups_fit_a_screen() -> None:
    lines = list(list_groups())
    assert len(lines) <= MOST_LINES
    assert not [line for line in lines if len(line) > WIDTH]
    assert all(GROUP_QUESTIONS[group] in "\n".join(lines) for group in GROUPS)


def test_each_group_has_a_question_and_no_question_is_left_over() -> None:
    assert set(GROUP_QUESTIONS) == set(GROUPS)
    assert all(text.endswith("?") for text in GROUP_QUESTIONS.values())


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_scenarios_and_no_other(group: str) -> None:
    members = [each for each in CATALOGUE if each.group == group]
    lines = list(list_scenarios(members))
    assert max(map(len, lines)) <= WIDTH
    listed = {line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "}
    assert listed == {each.name for each in members}


@pytest.mark.parametrize("scenario", CATALOGUE, ids=lambda each: each.name)
def test_a_scenario_is_shown_whole(scenario: Scenario) -> None:
    lines = list(show_scenarios([scenario]))
    assert max(map(len, lines)) <= WIDTH
    words = " ".join(" ".join(lines).split())
    ours = (scenario.name, scenario.question, scenario.expect, scenario.endpoint.path)
    for text in (*ours, f"study run {scenario.name}"):
        assert text in words


def test_all_lists_every_scenario_and_a_name_only_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list", "--all"]) == 0
    everything = capsys.readouterr().out
    assert all(each.name in everything for each in CATALOGUE)
    assert main(["list", "control"]) == 0
    control = capsys.readouterr().out
    assert "async-sleep-sync" in control
    assert "sync-http" not in control


def test_show_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_list_waits_for_no_dataframes() -> None:
    code = (
        "import sys; from study.cli import main; main(['list']); "
        "sys.exit('polars' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_takes_no_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--all", "fair"]) == WRONG_USE
    assert "leave the names out" in capsys.readouterr().err


def test_a_text_of_a_file_cannot_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from scenarios import Endpoint, Scenario, Server\n"
        "MINE = Scenario(name='mine', group='m', question='q\\x1b[31m', expect='e\\x07',"
        " why='w\\u202e', endpoint=Endpoint('/async/sleep', 'async def'), server=Server(),"
        " delay_s=0.1)\n"
    )
    assert main(["show", str(path)]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\x07", "\u202e"}
