from pathlib import Path

import pytest

from records.clocks import ClockSample
from scenarios.errors import UserError
from stress.load.command import build_too_few_error
from stress.load.protocol import LoadProgress, append_clocks, read_clocks
from stress.runtime import Distribution
from study.distribution import DistributionOptions, build_distribution
from study.load_worker import read_reported_facts, resolve_master

OWN = frozenset({"127.0.0.1", "10.0.0.7"})
ASKED = DistributionOptions(distributed=True, expect_workers=3)


def settled(
    asked: DistributionOptions, load_processes: int | None = None, served: bool = False
) -> Distribution:
    found = build_distribution(asked, load_processes, served, OWN)
    assert found is not None
    return found


def test_without_it_the_load_is_this_machines_own() -> None:
    assert build_distribution(DistributionOptions(distributed=False), 4, True, OWN) is None


def test_loopback_unless_told_otherwise() -> None:
    assert settled(ASKED) == Distribution(3, "127.0.0.1", 5557, 60.0)
    asked = DistributionOptions(True, 1, "10.0.0.7", 6000, 5.0)
    assert settled(asked) == Distribution(1, "10.0.0.7", 6000, 5.0)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            DistributionOptions(False, expect_workers=2),
            "--expect-workers is for load from other machines",
        ),
        (
            DistributionOptions(False, listen="10.0.0.7"),
            "--listen is for load from other machines",
        ),
        (
            DistributionOptions(False, master_port=1),
            "--master-port is for load from other machines",
        ),
        (
            DistributionOptions(False, wait_s=1.0),
            "--wait-workers is for load from other machines",
        ),
        (DistributionOptions(True), "give --expect-workers N too"),
        (DistributionOptions(True, 0), "--expect-workers 0: give 1 to 64"),
        (DistributionOptions(True, 65), "--expect-workers 65: give 1 to 64"),
        (
            DistributionOptions(True, 1, "10.0.0.8"),
            "--listen 10.0.0.8: give an IPv4 address of this machine",
        ),
        (
            DistributionOptions(True, 1, "0.0.0.0"),
            "--listen 0.0.0.0: give an IPv4 address of this machine",
        ),
        (DistributionOptions(True, 1, "here.example"), "(10.0.0.7, 127.0.0.1)"),
        (DistributionOptions(True, 1, "::1"), "--listen ::1: give an IPv4 address"),
        (DistributionOptions(True, 1, None, 0), "--master-port 0: give 1 to 65535"),
        (DistributionOptions(True, 1, None, None, 0.5), "--wait-workers 0.5: give 1 to 3600 s"),
    ],
)
def test_what_does_not_fit_is_one_line(asked: DistributionOptions, message: str) -> None:
    with pytest.raises(UserError) as caught:
        build_distribution(asked, None, False, OWN)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_excludes_it_is_refused() -> None:
    with pytest.raises(UserError, match="--load-processes: with --distributed"):
        settled(ASKED, load_processes=2)
    with pytest.raises(UserError, match="--served: with --distributed"):
        settled(ASKED, served=True)


def test_too_few_says_how_many_came_and_what_to_type() -> None:
    problem = build_too_few_error(LoadProgress(ready=1), Distribution(3, "10.0.0.7"))
    assert str(problem).startswith("1 of 3 load workers connected within 60 s")
    assert str(problem).endswith("study load-worker --master 10.0.0.7")
    assert problem.exit_code == 3
    shown = str(
        build_too_few_error(
            LoadProgress(refused="locust 2.40 instead of 2.47"), Distribution(1, "h", 6000)
        )
    )
    assert "one was refused: it has locust 2.40 instead of 2.47" in shown
    assert shown.endswith("--master h:6000")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1", ("127.0.0.1", 5557)), ("127.0.0.1:80", ("127.0.0.1", 80))],
)
def test_a_master_is_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert resolve_master(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":80", "h:", "h:0", "h:70000", "h:x", "h:²", "::1", f"h:{'9' * 5000}"]
)
def test_a_bad_master_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match="give HOST or HOST:PORT"):
        resolve_master(text)


@pytest.mark.parametrize("text", ["192.168..10", f"{'a' * 64}.example"])
def test_a_master_whose_name_no_host_can_have_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match="cannot resolve"):
        resolve_master(text)


def test_what_locust_says_besides_is_not_taken_for_facts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"heard": "h"}\nsome warning {"x": 1}\n{not json\n{"cell": "00ff"}\n')
    assert read_reported_facts(log) == {"heard": "h", "cell": "00ff"}


def test_a_torn_line_of_the_clocks_is_dropped(tmp_path: Path) -> None:
    assert read_clocks(tmp_path) == []
    samples = [ClockSample(1, 2.0, 2.5, 7.0), ClockSample(0, 2.0, 2.25, 9.0)]
    append_clocks(tmp_path, samples[:1])
    append_clocks(tmp_path, samples[1:])
    with (tmp_path / "load-clocks.jsonl").open("a") as file:
        file.write('{"process": 1, "se')
    assert read_clocks(tmp_path) == samples
