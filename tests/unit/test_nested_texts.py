"""Texts of others with more nesting than Python's parsers follow: never an internal error."""

import os
from pathlib import Path

import pytest

from analysis.findings.code_texts import parse_stack
from analysis.guide.recorded import read_cells
from analysis.summary.thresholds import read_thresholds
from records.rundir import RunDir
from scenarios.errors import UserError
from stress.server_words import read_assignments

DEPTH = 100_000
JSON = '{"a": ' * DEPTH + "1" + "}" * DEPTH
DEEP = "[" * DEPTH + "]" * DEPTH


def test_expectations(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(f"a = {DEEP}\n")
    with pytest.raises(UserError, match="this is not valid TOML"):
        read_thresholds(file)


def test_a_summary(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(JSON)
    with pytest.raises(UserError, match="nested too deeply"):
        read_cells(RunDir(tmp_path))


@pytest.mark.parametrize("text", [DEEP, '[["a", "b", 1e999, "c", 0]]'])
def test_a_stack(text: str) -> None:
    """The second has a line number without end."""
    assert parse_stack(text) == ()


@pytest.mark.parametrize("text", [f"workers = {DEEP}", "workers = " + "-" * DEPTH + "1"])
def test_a_configuration_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(text)
    assert read_assignments(file, {"workers": None}) == {"workers": None}


def test_a_configuration_that_comes_through_a_pipe_is_left_to_the_server(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gunicorn.conf.py")
    found = read_assignments(tmp_path / "gunicorn.conf.py", {"workers": None})
    assert found == {"workers": None}
