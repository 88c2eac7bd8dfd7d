"""Locations of this project: a clone, or the folder `asyncio_vs_threads` of an installed wheel,
which may be read-only."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE_FOLDER = ROOT / "probe"
SITE_FOLDER = PROBE_FOLDER / "asgi_probe" / "site"
"""Only `sitecustomize.py`, which attaches the probe to each Python process that has this folder on
its PYTHONPATH."""
IS_CLONE = (ROOT / "setup.sh").is_file()
SPECIMEN_VARIABLE = "STUDY_APP_FOLDER"
"""The folder of an edited copy of `app`, to be measured instead of the original."""


def find_specimen_folder() -> Path:
    return Path(os.environ.get(SPECIMEN_VARIABLE) or ROOT).resolve()


def put_first(folder: Path) -> str:
    """Return the PYTHONPATH of a user's app: our folder, then the user's, unless empty."""
    users = os.environ.get("PYTHONPATH")
    return f"{folder}{os.pathsep}{users}" if users else str(folder)
