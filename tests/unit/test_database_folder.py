"""The embedded database's folder goes with its run, or with the next one."""

import os
import tempfile
from pathlib import Path

import pytest

from stress.database_folder import (
    PREFIX,
    DatabaseFolder,
    create_database_folder,
    remove_abandoned_folders,
)


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_killed_runs_folder_is_removed_by_the_next_one(tmp_path: Path) -> None:
    killed = create_database_folder()
    (killed.data / "pages").write_text("rows")
    os.close(killed.lock)  # the kernel does it when the process is killed
    running = create_database_folder()
    assert not killed.path.exists()
    remove_abandoned_folders()
    assert running.data.is_dir()
    running.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Neither a folder without our lock nor what a link leads to."""
    (tmp_path / f"{PREFIX}else").mkdir()
    own = tmp_path / "own"
    own.mkdir()
    (own / "lock").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(own)
    remove_abandoned_folders()
    assert (tmp_path / f"{PREFIX}else").is_dir()
    assert own.is_dir()


def test_a_folder_is_only_entered_by_its_owner_and_the_database() -> None:
    folder: DatabaseFolder = create_database_folder()
    mode = folder.path.stat().st_mode & 0o777
    assert mode == (0o711 if os.geteuid() == 0 else 0o700)
    folder.remove()
