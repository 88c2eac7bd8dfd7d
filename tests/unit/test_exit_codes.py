"""What each exit code of `study` means; the run's own are in test_run_order and test_report."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from records.rundir import RunDir, create_run
from scenarios.errors import (
    ALL_WELL,
    BROKEN,
    CANNOT,
    INTERRUPTED,
    NOT_AS_EXPECTED,
    WRONG_USE,
    UserError,
    build_cannot_run_error,
)
from study.cli import main

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"


class Panic(BaseException):
    """What a library in Rust raises."""


def test_the_codes_are_those_of_the_readme() -> None:
    assert (ALL_WELL, NOT_AS_EXPECTED, WRONG_USE, CANNOT, BROKEN, INTERRUPTED) == (
        0, 1, 2, 3, 4, 130,
    )  # fmt: skip
    assert UserError("x").exit_code == WRONG_USE
    assert build_cannot_run_error("x").exit_code == CANNOT


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (UserError("no such thing"), WRONG_USE, 1),
        (build_cannot_run_error("port 1 is taken"), CANNOT, 1),
        (OSError(28, "No space left on device", "/x"), BROKEN, 1),
        (OSError(13, "Permission denied", "/x"), CANNOT, 1),
        (KeyboardInterrupt(), INTERRUPTED, 0),
        (KeyError("a fault of ours"), BROKEN, 1),
        (Panic("a fault of ours"), BROKEN, 1),
    ],
)
def test_how_each_end_of_a_command_is_reported(
    error: BaseException,
    code: int,
    lines: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("study.doctor.print_findings", raising(error))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main(["doctor"]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == lines
    assert "Traceback" not in said
    reports = list(tmp_path.glob("study-error-*.log"))
    assert len(reports) == isinstance(error, (KeyError, Panic))
    for each in reports:
        assert str(each) in said
        assert "a fault of ours" in each.read_text()


def test_a_value_that_ends_a_library_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", "0")
    assert main(["report", str(SAMPLE)]) == WRONG_USE
    said = "study: POLARS_MAX_THREADS=0: set it to 1 or more, or unset it\n"
    assert capsys.readouterr().err == said


def raising(error: BaseException) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise error

    return fail


def test_a_comparison_that_finds_a_difference_is_no_threshold() -> None:
    assert main(["compare", str(SAMPLE), str(SAMPLE)]) == ALL_WELL
    assert main(["compare", str(SAMPLE), str(SAMPLE.parent)]) == WRONG_USE


def test_a_report_whose_threshold_is_not_met_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.report.write_report_page", lambda *_: True)
    copy = tmp_path / "run"
    shutil.copytree(SAMPLE, copy)
    run = RunDir(copy)
    manifest = run.load_manifest()
    for text, code in (("*: failures == 0", ALL_WELL), ("*: failures > 0", NOT_AS_EXPECTED)):
        run.save_manifest({**manifest, "expectations": [text]})
        assert main(["report", str(copy)]) == code


@pytest.mark.parametrize("points_to", ["nowhere", "."])
def test_a_link_that_leads_nowhere_is_no_folder(points_to: str, tmp_path: Path) -> None:
    """A run's folder was tried for ever under one name after the other."""
    link = tmp_path / "results"
    link.symlink_to(link.name if points_to == "." else points_to)
    with pytest.raises(UserError, match="it is no folder"):
        create_run(link, "run")
