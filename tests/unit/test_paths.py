"""Paths are printed relative to the user's current folder."""

from pathlib import Path

import pytest

from study.paths import format_path


def test_it_is_relative_below_the_current_folder_and_absolute_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "here" / "results" / "run"
    run.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for path in (run, Path("results/run"), Path("../here/results/run")):
        assert format_path(path) == "results/run"
    assert Path(format_path(tmp_path / "elsewhere")) == tmp_path / "elsewhere"
    for path in (run, tmp_path / "elsewhere"):
        assert Path(format_path(path)).resolve() == path
