"""Where this project lies: a clone, or the folder `asyncio_vs_threads` of an installed wheel, which
may be read-only."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE_FOLDER = ROOT / "probe"
IS_CLONE = (ROOT / "setup.sh").is_file()
SPECIMEN_VARIABLE = "STUDY_APP_FOLDER"
"""Names the folder of the `app` to be measured where it is not ours, but a copy that is edited."""


def find_specimen_folder() -> Path:
    return Path(os.environ.get(SPECIMEN_VARIABLE) or ROOT).resolve()


def put_probe_first() -> str:
    """PYTHONPATH of a user's own app: the probe's folder, then what the user has; an empty one is
    none."""
    users = os.environ.get("PYTHONPATH")
    return f"{PROBE_FOLDER}{os.pathsep}{users}" if users else str(PROBE_FOLDER)
