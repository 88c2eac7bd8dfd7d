"""The entry in its own process: the app that it loads, and no other module of the project."""

import subprocess
import sys
from pathlib import Path

import asgi_probe
import pytest

HOME = Path(asgi_probe.__file__).parent.parent
OUR_NAMES = ("app", "analysis", "probe", "records", "scenarios", "stress", "study")
SERVICE = "async def api(scope, receive, send): ...\n\ndef create():\n    return api\n"


def load(folder: Path, target: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Load a target of `folder` like a server."""
    return subprocess.run(
        (sys.executable, *options, "-c", "import asgi_probe.entry"),
        cwd=folder,
        env={"PYTHONPATH": str(HOME), "PROBE_TARGET": target, "PROBE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_folder_on_the_path_holds_the_package_alone() -> None:
    """Another module or folder would hide the user's module of the same name."""
    importable = {
        each.name
        for each in HOME.iterdir()
        if each.suffix in {".py", ".pyc", ".so", ".pth"}
        or (each.is_dir() and each.name.isidentifier())
    }
    assert importable - {"__pycache__"} == {"asgi_probe"}


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    done = load(tmp_path, "service:api", "-S")  # no site-packages
    assert (done.returncode, done.stderr) == (0, "")


def test_the_users_own_modules_are_loaded_whatever_their_names(tmp_path: Path) -> None:
    for name in OUR_NAMES:
        (tmp_path / f"{name}.py").write_text(SERVICE)
    (tmp_path / "service.py").write_text(f"import {', '.join(OUR_NAMES)}\n{SERVICE}")
    for target in ("service:api", "service:create()", "stress:api"):
        done = load(tmp_path, target)
        assert (done.returncode, done.stderr) == (0, "")


def test_no_module_of_ours_is_in_reach(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(
        "from importlib.util import find_spec\n"
        f"assert not any(map(find_spec, {OUR_NAMES}))\n"
        f"{SERVICE}"
    )
    done = load(tmp_path, "service:api")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nothing:app", "No module named 'nothing'"),
        ("service:missing", "module 'service' has no attribute 'missing'"),
        ("service", "expected module:attribute, such as main:app"),
        ("service:__name__", "a str is not an ASGI app"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, target: str, reason: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    done = load(tmp_path, target)
    assert done.returncode == 1
    assert done.stderr == f"probe: cannot load {target!r}: {reason}\n"
