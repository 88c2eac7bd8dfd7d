import os
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Client, Scenario, Upstream
from scenarios.resolution import MachineResources, resolve_scenario
from stress.attached_server import (
    ServerFile,
    find_differences,
    read_server_file,
    reject_differences,
)

ALL = MachineResources(uvloop=True, httptools=True, go=True)


def one(name: str) -> Scenario:
    return resolve_scenario(select_scenarios((name,))[0], ALL)


def held() -> ServerFile:
    return ServerFile(
        port=4242,
        folder="/x",
        upstream_url="http://127.0.0.1:1",
        scenario=one("async-http"),
        pids={"server": 1},
        commands={},
        created="",
    )


@pytest.mark.parametrize(
    "name", ["sync-http", "async-http", "async-http-sync", "sync-json", "async-json"]
)
def test_the_classic_stack_fits_all_five_scripts(name: str) -> None:
    assert list(find_differences(held(), one(name))) == []


def test_each_difference_is_named_with_both_values() -> None:
    other = one("sync-http")
    other = replace(
        other,
        delay_s=0.5,
        server=replace(other.server, workers=3),
        client=Client(library="httpx2"),
    )
    with pytest.raises(UserError) as refused:
        reject_differences(held(), other)
    for part in ("workers is 1, wanted 3", "delay_s is 1.0, wanted 0.5", "is httpx, wanted httpx2"):
        assert part in str(refused.value)


def test_what_a_scenario_does_not_use_may_differ() -> None:
    other = replace(
        one("async-http"),
        delay_s=9.0,
        client=Client(library="aiohttp"),
        upstream=Upstream("python"),
    )
    slow = replace(held(), scenario=other)
    assert list(find_differences(slow, one("sync-json"))) == []


def test_a_file_of_another_size_is_not_measured() -> None:
    """The server reads a document of 1 kB where it was given no file."""
    file = replace(one("async-file"), server=held().scenario.server)
    assert list(find_differences(held(), file)) == ["file_mib is None, wanted 64"]


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_a_broken_run_file_means_that_nothing_is_served(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "serve.json"
    if content is not None:
        path.write_text(content)
    assert read_server_file(path) is None


def test_a_pipe_instead_of_a_run_file_means_that_nothing_is_served(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "serve.json")
    assert read_server_file(tmp_path / "serve.json") is None
