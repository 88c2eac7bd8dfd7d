"""The app that an exercise edits: a clone's own, or a copy where an installed wheel has it."""

import os
import shlex
from pathlib import Path

from stress.places import IS_CLONE, ROOT, SPECIMEN_VARIABLE, find_specimen_folder
from study.paths import format_path


def place_specimen(out: Path) -> None:
    """Outside a clone: copies `app` to `out`, once, and has it measured instead of ours."""
    if IS_CLONE:
        return
    folder = out.resolve() / "workshop"
    os.environ[SPECIMEN_VARIABLE] = str(folder)
    if not (folder / "app").exists():  # whole or not at all: half a copy has another name
        half = folder / f"app.{os.getpid()}"
        for source in (*ROOT.glob("app/**/*.py"), *ROOT.glob("app/*.json")):
            target = half / source.relative_to(ROOT / "app")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())  # not its mode, which may be read-only
        half.rename(folder / "app")


def build_restore_command() -> str:
    """What takes all edits back, from the folder where the user stands."""
    if not IS_CLONE:
        return shlex.join(("rm", "-r", name_file("app")))
    folder = () if Path.cwd() == ROOT else ("-C", str(ROOT))
    return shlex.join(("git", *folder, "restore", "app"))


def name_file(file: str) -> str:
    """As it is reached from here."""
    return format_path(find_specimen_folder() / file)
