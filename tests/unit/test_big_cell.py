"""The cell of benchmarks/summarise_rows, in small, and what it is made for: judging a big one."""

from pathlib import Path

import pytest

from analysis.report.write import load_cell_summary
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from benchmarks.big_cell import FEWEST_ROWS, USERS, make_cell
from benchmarks.summarise_rows import summarize_naively, summarize_ours
from records.rundir import TABLES, CellDir
from scenarios.errors import UserError
from tests.unit.samples import InMemoryTables

ROWS = 20_000


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> CellDir:
    folder = tmp_path_factory.mktemp("cell")
    make_cell(folder, ROWS)
    return CellDir(folder)


@pytest.fixture(scope="module")
def summary(cell: CellDir) -> CellSummary:
    return load_cell_summary(cell)


def test_the_naive_way_finds_the_same(cell: CellDir) -> None:
    assert summarize_ours(cell.path) == summarize_naively(cell.path)


def test_memory_and_disk_make_the_same_summary(cell: CellDir, summary: CellSummary) -> None:
    """Whole tables, or only the columns that each metric needs."""
    whole = InMemoryTables(**{name: cell.load_table(name) for name in TABLES})
    assert compute_summary(cell.load_record(), whole) == summary


def test_it_is_what_a_healthy_cell_looks_like(summary: CellSummary) -> None:
    """Only the last request of each user is unanswered."""
    account = summary.fates
    assert account.contradictions == {}
    assert account.sent == ROWS
    assert account.received_never_answered == account.sent_never_received == USERS // 2
    assert [verdict.code for verdict in summary.verdicts] == ["UNFINISHED"]
    assert summary.threads_unique == summary.threads_active_peak == USERS
    assert summary.users_seen == pytest.approx(USERS, rel=0.02)  # the window's edges


def test_the_smallest_has_a_window(tmp_path: Path) -> None:
    make_cell(tmp_path, FEWEST_ROWS)
    assert summarize_ours(tmp_path).requests > 0


def test_a_column_that_is_missing_is_named(cell: CellDir, tmp_path: Path) -> None:
    torn = CellDir(tmp_path)
    torn.save_table("upstream", cell.load_table("upstream").drop("asked_ms"))
    with pytest.raises(UserError, match=r"upstream\.parquet is damaged .*asked_ms"):
        torn.load_table("upstream", ("at_s", "asked_ms"))
