"""A module in the catalogue's folder is found automatically."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios import catalogue

MODULE = """
from scenarios.model import Endpoint, Scenario, Server
{rank}
SCENARIOS = (
    Scenario(
        "{name}",
        group="mine",
        question="?",
        expect="!",
        why=".",
        endpoint=Endpoint("/ping", "async def"),
        server=Server(),
    ),
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(catalogue, "__path__", [*catalogue.__path__, str(tmp_path)])
    yield tmp_path
    for each in tmp_path.glob("*.py"):
        sys.modules.pop(f"scenarios.catalogue.{each.stem}", None)


def test_a_new_module_is_listed_by_its_rank_or_else_last(folder: Path) -> None:
    (folder / "mine_last.py").write_text(MODULE.format(name="mine-last", rank=""))
    (folder / "mine_first.py").write_text(MODULE.format(name="mine-first", rank="RANK = 0"))
    names = [each.name for each in catalogue.collect_scenarios()]
    assert names == ["mine-first", *(each.name for each in catalogue.CATALOGUE), "mine-last"]


def test_no_two_modules_have_the_same_rank() -> None:
    """Otherwise their order in `study list` would depend on file names."""
    ranks = [
        getattr(sys.modules[name], "RANK", None)
        for name in sys.modules
        if name.startswith("scenarios.catalogue.")
    ]
    assert None not in ranks
    assert len(set(ranks)) == len(ranks)
