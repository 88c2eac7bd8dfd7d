"""The place of an audited folder in its repository."""

from pathlib import Path

import pytest

from study.machine_facts import find_in_repository


@pytest.mark.parametrize(
    ("root", "folder", "found"),
    [("", "", ""), ("", "services/shop", "services/shop"), ("services", "services/shop", "shop")],
)
def test_the_nearest_repository_counts(root: str, folder: str, found: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / ".git").mkdir()
    if root:
        (tmp_path / root / ".git").write_text("gitdir: elsewhere")  # as in a worktree
    assert find_in_repository(tmp_path / folder) == found


def test_without_a_repository_it_is_unknown(tmp_path: Path) -> None:
    assert find_in_repository(tmp_path) is None
