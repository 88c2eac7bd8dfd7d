"""The app that an exercise edits: the clone's, or a copy of an installed wheel's."""

import os
import shlex
from pathlib import Path

from stress.places import IS_CLONE, ROOT, SPECIMEN_VARIABLE, find_specimen_folder
from study.paths import format_path


def place_specimen(out: Path) -> None:
    """Outside a clone, copy `app` to `out` once and measure the copy."""
    if IS_CLONE:
        return
    folder = out.resolve() / "workshop"
    os.environ[SPECIMEN_VARIABLE] = str(folder)
    if not (folder / "app").exists():  # complete or not at all: a partial copy has another name
        half = folder / f"app.{os.getpid()}"
        for source in (*ROOT.glob("app/**/*.py"), *ROOT.glob("app/*.json")):
            target = half / source.relative_to(ROOT / "app")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())  # without its mode, which may be read-only
        half.rename(folder / "app")


def build_restore_command() -> str:
    """Return the command that reverts all edits, for the current folder."""
    if not IS_CLONE:
        return shlex.join(("rm", "-r", name_file("app")))
    folder = () if Path.cwd() == ROOT else ("-C", str(ROOT))
    return shlex.join(("git", *folder, "restore", "app"))


def name_file(file: str) -> str:
    """Return the file's path from the current folder."""
    return format_path(find_specimen_folder() / file)
