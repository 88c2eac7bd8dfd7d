"""The manifest's facts about machine and software: no variables, no host name, no user."""

import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil

from scenarios.resolution import MachineResources
from stress.places import ROOT
from stress.processes import list_debugging
from stress.servers import load_adapters
from study import __version__

PACKAGES = (
    "aiofiles", "aiohttp", "aiosqlite", "anyio", "asyncpg", "fastapi", "gevent",
    "geventhttpclient", "h11", "httpcore", "httpcore2", "httptools", "httpx", "httpx2", "locust",
    "niquests", "polars", "psutil", "psycopg", "psycopg-pool", "pydantic", "pyreqwest", "requests",
    "sqlalchemy", "starlette", "structlog", "urllib3", "urllib3-future", "uvloop",
)  # fmt: skip
"""The adapters name the packages of the servers."""
GIT = ("git", "-C", str(ROOT), f"--git-dir={ROOT / '.git'}")
"""With an explicit folder: an installed wheel may lie in another project's repository."""


def detect_resources() -> MachineResources:
    return MachineResources(
        uvloop=importlib.util.find_spec("uvloop") is not None,
        httptools=importlib.util.find_spec("httptools") is not None,
        go=shutil.which("go") is not None,
    )


def collect_environment() -> dict[str, object]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": read_cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": is_gil_enabled(),
        "debugging": ", ".join(list_debugging(os.environ)) or None,
        "descriptors_soft": soft,
        "descriptors_hard": hard,
        "go": read_go_version(),
        **{name: read_word(1, name, "--version") for name in ("rustc", "oha")},
        "study": __version__,
        "git_revision": capture_output(*GIT, "rev-parse", "HEAD"),
        "git_changed": bool(capture_output(*GIT, "status", "--porcelain")),
        "packages": {name: find_package_version(name) for name in list_packages()},
    }


def list_packages() -> list[str]:
    of_servers = [name for each in load_adapters().values() for name in each.packages]
    return sorted((*PACKAGES, *of_servers))


def find_package_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_gil_enabled() -> bool:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return True
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    return bool(enabled())


def read_cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def read_go_version() -> str | None:
    return read_word(2, "go", "version")


def read_word(place: int, *argv: str) -> str | None:
    """Return the word at `place` of a program's output."""
    words = (capture_output(*argv) or "").split()
    return words[place] if len(words) > place else None


def capture_output(*argv: str) -> str | None:
    """Return a program's output; None if it is missing or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def find_in_repository(folder: Path) -> str | None:
    """Return the folder's path from the root of its git repository; None outside of one."""
    folder = folder.resolve()
    for root in (folder, *folder.parents):
        if (root / ".git").exists():  # a file in a worktree
            return "" if root == folder else folder.relative_to(root).as_posix()
    return None
