"""Optional packages, and the command that installs a missing one."""

import json
import shlex
import sys
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from scenarios.errors import build_cannot_run_error
from scenarios.model import Library
from stress.places import IS_CLONE

PROJECT = "asyncio-vs-threads"
Extra = Literal["database", "niquests", "profile"]
MARKS: dict[Extra, str] = {
    "database": "psycopg-pool",
    "niquests": "niquests",
    "profile": "py-spy",
}
"""Maps each extra in pyproject.toml to a package that only this extra installs."""
ON_URLLIB3: tuple[Library, ...] = ("urllib3", "requests", "niquests")
KEEP_URLLIB3 = ("env", "URLLIB3_NO_OVERRIDE=1")
BUILT_HERE = "urllib3-future"
"""A dependency of niquests. Its wheel replaces urllib3 for the whole environment; built from source
with this variable, it leaves urllib3 alone (source: its README)."""


def check_extra(extra: Extra, needed_by: str) -> None:
    """Raise UserError if the extra is not installed."""
    if is_installed(MARKS[extra]):
        return
    raise build_cannot_run_error(
        f"{needed_by} needs the extra [{extra}]: {build_adding_command(extra)}"
    )


def build_adding_command(*extras: Extra) -> str:
    """Return the install command for the extras and those already installed."""
    kept = {each for each, mark in MARKS.items() if is_installed(mark)}
    return build_install_command({*kept, *extras})


def check_client_library(library: Library) -> None:
    """Raise UserError if the library is missing, or if another would be measured instead."""
    needed_by = f"a scenario with {library}"
    if library == "niquests":
        check_extra("niquests", needed_by)
    if library in ON_URLLIB3 and is_urllib3_replaced():
        raise build_cannot_run_error(
            f"{needed_by}: {BUILT_HERE} has replaced urllib3 in this environment and would be "
            f"measured instead; uninstall it, reinstall urllib3, then: {build_adding_command()}"
        )


def is_urllib3_replaced() -> bool:
    import urllib3

    return str(vars(urllib3)["__version__"]) != version("urllib3")


def is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def build_install_command(extras: Collection[Extra]) -> str:
    """Return the command for the tool and the source that installed this project."""
    if IS_CLONE:
        return "sh setup.sh"
    ours, prefix = distribution(PROJECT), Path(sys.prefix)
    origin = json.loads(ours.read_text("direct_url.json") or "{}").get("url")
    wanted = f"{PROJECT}[{','.join(sorted(extras))}]" + (f" @ {origin}" if origin else "")
    lead: tuple[str, ...]
    build: tuple[str, ...]
    if (prefix / "uv-receipt.toml").is_file():
        lead, build = ("uv", "tool", "install", "--force"), ("--no-binary-package", BUILT_HERE)
    elif (prefix / "pipx_metadata.json").is_file():
        lead, build = ("pipx", "install", "--force"), (f"--pip-args=--no-binary={BUILT_HERE}",)
    elif (ours.read_text("INSTALLER") or "").strip() == "uv":
        lead = ("uv", "pip", "install", "--python", sys.executable)
        build = ("--no-binary", BUILT_HERE)
    else:
        lead = (sys.executable, "-m", "pip", "install")
        build = ("--no-binary", BUILT_HERE)
    if "niquests" in extras:
        lead = (*KEEP_URLLIB3, *lead, *build)
    return shlex.join((*lead, wanted))
