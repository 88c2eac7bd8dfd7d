"""`asgi-probe` as a distribution of its own, built and installed into a new environment."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.process.support import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(300)]
UV = Path(sys.prefix) / "bin/uv"
PROBE = ROOT / "probe"
EXTRAS = {"prometheus", "opentelemetry", "top"}


def run(*command: object) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(each) for each in command], env=environment,
        capture_output=True, text=True, timeout=240, check=True,
    ).stdout  # fmt: skip


def list_tracked() -> set[str]:
    names = run("git", "-C", PROBE, "ls-files", "asgi_probe").splitlines()
    return {name.removeprefix("probe/") for name in names}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, of the tracked files only."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in (*list_tracked(), "pyproject.toml", "README.md", "LICENSE"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROBE / name, source / name)
    run(UV, "build", "--out-dir", built, source)
    return built


def test_wheel_and_archive_have_the_package_and_its_readme(built: Path) -> None:
    (wheel,), (archive,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with ZipFile(wheel) as file:
        packed = {name for name in file.namelist() if ".dist-info/" not in name}
        (about,) = [name for name in file.namelist() if name.endswith("METADATA")]
        facts = Parser().parsestr(file.read(about).decode())
    assert packed == list_tracked()
    assert {"asgi_probe/site/sitecustomize.py", "asgi_probe/py.typed"} <= packed
    assert set(facts.get_all("Provides-Extra", [])) == EXTRAS
    needs = facts.get_all("Requires-Dist", [])
    assert all("extra ==" in each for each in needs)
    assert (facts["License-Expression"], facts["Requires-Python"]) == ("MIT", ">=3.9")
    assert facts.get_payload() == (PROBE / "README.md").read_text()
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {*list_tracked(), "README.md", "LICENSE", "pyproject.toml"} <= names


def test_the_installed_launcher_attaches_the_installed_probe(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    python = tmp_path / "venv/bin/python"
    run(UV, "venv", "--python", sys.executable, tmp_path / "venv")
    run(UV, "pip", "install", "--offline", "--python", python, wheel)
    code = "import json, sys, asgi_probe; print(json.dumps([*sys.modules, asgi_probe.__file__]))"
    launcher = (python, "-m", "asgi_probe", "run", "--directory", tmp_path / "journals", "--")
    *modules, place = json.loads(run(*launcher, python, "-c", code))
    assert "asgi_probe.import_hook" in modules
    assert Path(place).is_relative_to(tmp_path / "venv")


def test_the_license_is_the_projects() -> None:
    assert (PROBE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
