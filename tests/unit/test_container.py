"""The Dockerfile, parsed: it cannot be built without a container engine."""

import json
import shlex
import tomllib
from pathlib import Path

from dockerfile_parse import DockerfileParser

from study.cli import main

ROOT = Path(__file__).resolve().parents[2]
STEPS: list[tuple[str, str]] = [
    (each["instruction"], each["value"])
    for each in DockerfileParser(path=str(ROOT / "Dockerfile")).structure
    if each["instruction"] != "COMMENT"
]


def find(instruction: str) -> str:
    (value,) = [value for name, value in STEPS if name == instruction]
    return value


def test_it_begins_with_a_python_that_is_supported() -> None:
    assert STEPS[0][0] == "FROM"
    name, _, tag = STEPS[0][1].partition(":")
    assert name == "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = tuple(map(int, tag.removesuffix("-slim").split(".")))
    assert version >= tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))


def test_it_runs_the_command_as_an_ordinary_user() -> None:
    assert json.loads(find("ENTRYPOINT")) == ["study"]
    assert main(json.loads(find("CMD"))) == 0
    assert find("USER") != "root"


def test_what_it_installs_is_copied_and_not_left_out() -> None:
    source, target = shlex.split(find("COPY"))
    ignored = (ROOT / ".dockerignore").read_text().split()
    needed = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "hatch_build.py")
    assert source == "."
    assert not {*needed, "study", "app", "docs"} & set(ignored)
    words = shlex.split(find("RUN"))
    assert f"{target}[all]" in words
    assert f"{target}/constraints.txt" in words
