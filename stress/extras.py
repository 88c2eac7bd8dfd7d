"""What an installation may have left out, and the command that brings it."""

import json
import shlex
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from scenarios.errors import build_cannot_run_error
from stress.places import IS_CLONE

PROJECT = "asyncio-vs-threads"
Extra = Literal["database", "profile"]
MARKS: dict[Extra, str] = {"database": "psycopg-pool", "profile": "py-spy"}
"""Of each extra in pyproject.toml, a package that nothing else brings."""


def check_extra(extra: Extra, needed_by: str) -> None:
    """Raises UserError where it was left out."""
    if is_installed(MARKS[extra]):
        return
    kept = {each for each, mark in MARKS.items() if is_installed(mark)}
    raise build_cannot_run_error(
        f"{needed_by} needs the extra [{extra}]: {build_install_command({*kept, extra})}"
    )


def is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def build_install_command(extras: Iterable[Extra]) -> str:
    """For the tool that has installed us, from where it took us."""
    if IS_CLONE:
        return "sh setup.sh"
    ours, prefix = distribution(PROJECT), Path(sys.prefix)
    origin = json.loads(ours.read_text("direct_url.json") or "{}").get("url")
    wanted = f"{PROJECT}[{','.join(sorted(extras))}]" + (f" @ {origin}" if origin else "")
    lead: tuple[str, ...]
    if (prefix / "uv-receipt.toml").is_file():
        lead = ("uv", "tool", "install", "--force")
    elif (prefix / "pipx_metadata.json").is_file():
        lead = ("pipx", "install", "--force")
    elif (ours.read_text("INSTALLER") or "").strip() == "uv":
        lead = ("uv", "pip", "install", "--python", sys.executable)
    else:
        lead = (sys.executable, "-m", "pip", "install")
    return shlex.join((*lead, wanted))
