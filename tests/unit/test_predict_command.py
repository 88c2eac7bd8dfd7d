"""`study predict`: its output and its errors, without a server."""

import json
import os
from pathlib import Path

import pytest

from analysis.theory.formulas import parse_users
from records.prediction import Calibration, CpuSample
from scenarios.errors import WRONG_USE, UserError
from study.cli import main


def test_the_users_of_a_range() -> None:
    assert parse_users("500") == (500,)
    grid = parse_users("100..100000")
    assert (grid[0], grid[-1]) == (100, 100_000)
    for wrong in ("many", "0", "9..3", "1..99999999"):
        with pytest.raises(UserError, match="--users"):
            parse_users(wrong)


def test_predict_prints_a_table_with_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "sync-http", "--cpu", "1ms"]) == 0
    printed = capsys.readouterr().out
    assert "sync-http" in printed
    assert "pool" in printed
    assert all(len(line) <= 80 for line in printed.splitlines())


def test_lifo_says_how_many_starve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "sync-http", "--cpu", "20ms", "--lifo", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["sync-http"]
    # FACTS of anyio 3.6: 35.9 rps, a median of 1.1 to 1.2 s, most of the users starved
    assert found["median_ms"] < 1500
    assert found["starved"] > 300
    assert found["ok_rps"] == pytest.approx(35.9, rel=0.05)


def test_a_sweep_has_a_knee_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "curve.svg"
    words = ["predict", "sync-http", "--users", "10..1000", "--cpu", "1ms", "--plot", str(picture)]
    assert main(words) == 0
    assert "knee at 40 users" in capsys.readouterr().out
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(("p99", "workers"), [("2s", 6), ("900ms", None)])
def test_a_size_is_an_answer_for_programs_too(
    p99: str, workers: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--target", "200/s", "--p99", p99, "--cores", "2", "--cpu", "1ms", "--json"]
    assert main(["predict", "sync-http", *asked]) == 0
    found = json.loads(capsys.readouterr().out)["sync-http"]
    assert (found and found["workers"]) == workers  # null if none is enough


def test_a_rate_that_no_number_of_workers_serves_is_not_blamed_on_a_slow_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A worker serves 40 requests/s, each in one second."""
    asked = ["--target", "1000000/s", "--p99", "1000s", "--cpu", "1ms"]
    assert main(["predict", "sync-http", *asked]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "up to 4,096 workers are not enough" in printed
    assert "or the rate is too high" in printed


def test_a_size_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--target", "200/s", "--p99", "2s", "--cores", "2", "--cpu", "1ms"]
    assert main(["predict", "sync-http", *asked]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "6 workers with 36 threads each, 3 machines" in printed  # Little: 33 at work
    assert "fewer than 6 cannot keep up (pool)" in printed  # 200 rps of 40 each, and not all of it


TARGET = ("--target", "20/s", "--p99", "2s")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--users", "many"], "--users"),
        (["--target", "20000/s"], "--p99"),
        (["--plot", "x.svg"], "--users"),
        (["--users", "1..9", "--plot", "x.pdf"], "--plot"),
        (["--cpu", "fast"], "--cpu"),
        (["--cores", "0"], "--cores"),
        (["nonesuch"], "nonesuch"),
        (["async-json", "--cpu", "0ms"], "--cpu above 0"),
        (["async-sleep", "--cpu", "0ms", "--delay", "0ms"], "--cpu above 0"),
        (["--users", "1..9", "--arrival-rate", "5/s"], "--arrival-rate"),
        (["--users", "1..9", "--lifo"], "--lifo"),
        (["--users", "1..9", "--duration", "9s"], "--duration"),
        (["--target", "0/s", "--p99", "2s"], "--target 0: give 0.1 to"),
        (["--target", "0.001/s", "--p99", "2s"], "--target 0.001: give 0.1 to"),
        ([*TARGET, "--users", "9"], "--users"),
        ([*TARGET, "--think-time", "1s"], "--think-time"),
        ([*TARGET, "--arrival-rate", "5/s"], "--arrival-rate"),
        ([*TARGET, "--arrivals", "constant"], "--arrivals"),
        ([*TARGET, "--duration", "9s"], "--duration"),
        ([*TARGET, "--workers", "2"], "--workers"),
        ([*TARGET, "--lifo"], "--lifo"),
        ([*TARGET, "--think-spread", "1s", "--think-time", "1s"], "--think"),
        (["async-http", *TARGET, "--client-timeout", "500ms"], "times out after 500ms"),
        (["rare-sync", *TARGET], "two styles"),
    ],
)
def test_nonsense_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words if "--cpu" in words else [*words, "--cpu", "1ms"]
    assert main(["predict", *given]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1


def test_a_picture_without_a_folder_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "none" / "x.svg"
    words = ["predict", "sync-http", "--users", "10..100", "--cpu", "1ms", "--plot", str(picture)]
    assert main(words) == WRONG_USE
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "there is no such folder" in said.err


def test_a_picture_is_not_written_to_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "x.svg")
    words = ["--users", "10..100", "--cpu", "1ms", "--plot", str(tmp_path / "x.svg")]
    assert main(["predict", "sync-http", *words]) == WRONG_USE
    assert "it is not a regular file" in capsys.readouterr().err


def plant_calibration(monkeypatch: pytest.MonkeyPatch, found: Calibration) -> None:
    monkeypatch.setattr("study.predictions.calibrate", lambda *_: found)


FEW_IN_FLIGHT = {1: 0.00056, 6: 0.00086, 20: 0.001}
OF_LEVELS = Calibration(
    500, 0.5, 0.00056, 0.001,
    tuple(CpuSample(n, 500, 0.5, cpu_s) for n, cpu_s in FEW_IN_FLIGHT.items()),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        (
            "tasks-per-request",
            Calibration(1000, 2.0, 0.001, 0.004, most_connections=100),
            "may open 200 connections",
        ),
        ("call-async-httpx", OF_LEVELS, "grows with the square"),
    ],
)
def test_what_a_run_has_no_prediction_for_has_none_here(
    name: str,
    found: Calibration,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant_calibration(monkeypatch, found)
    assert main(["predict", name, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[name]
    assert row["ok_rps"] is None
    assert said in row["reason"]
    assert main(["predict", name, "--users", "150..200"]) == WRONG_USE
    assert said.replace("200", "150") in capsys.readouterr().err
    assert main(["predict", name, "--users", "10..200", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[name]
    assert said.removeprefix("may open 200") in row["ends_because"]
    assert row["points"][0]["users"] == 10


def test_no_size_is_recommended_whose_connections_the_database_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers with five connections each; one worker's would be accepted."""
    plant_calibration(monkeypatch, Calibration(1000, 2.0, 0.001, 0.004, most_connections=9))
    assert main(["predict", "users-sync", "--target", "1500/s", "--p99", "2s"]) == WRONG_USE
    assert "users-sync: no prediction: the app may open 10" in capsys.readouterr().err


def test_a_range_waits_for_the_rounds_of_the_loop_as_a_single_number_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = tuple(
        CpuSample(n, 500, 500 * (0.1 + 0.0009 * n) / n, 0.0005, 0.1 if n > 1 else 0.0)
        for n in (1, 6, 20)
    )
    plant_calibration(monkeypatch, Calibration(500, 0.25, 0.0005, 0.001, samples))
    rates = []
    for users in ("100", "99..100"):
        assert main(["predict", "call-async-aiohttp-each", "--users", users, "--json"]) == 0
        row = json.loads(capsys.readouterr().out)["call-async-aiohttp-each"]
        rates.append(row["points"][-1]["ok_rps"] if "points" in row else row["ok_rps"])
    assert rates[0] == pytest.approx(rates[1])
    assert rates[0] < 975  # without rounds 100 users get 990


def test_a_server_of_unknown_code_has_no_prediction_from_told_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from scenarios.model import *\n"
        "A = Scenario('orders', 'mine', '?', '?', '?', Endpoint('/x', 'unknown'), "
        "Server('given'), url='http://127.0.0.1:9')\n"
    )
    assert main(["predict", str(path), "--cpu", "1ms"]) == WRONG_USE
    assert "at the same time is unknown, so there is no prediction" in capsys.readouterr().err


def test_a_clients_patience_decides_which_numbers_of_users_have_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """20 connections and a second each: 100 users wait for four seconds."""
    words = ["predict", "wait-impatient", "--users", "20..100", "--cpu", "1ms", "--json"]
    most = []
    for patience in ("2s", "10s"):
        assert main([*words, "--client-timeout", patience]) == 0
        points = json.loads(capsys.readouterr().out)["wait-impatient"]["points"]
        most.append(points[-1]["users"])
    assert most[0] < 70
    assert most[1] == 100


def test_a_run_that_ends_before_its_requests_fail_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first client gives up after the window: 20 rps and 45 s of latency, without a failure."""
    assert main(["predict", "wait-patient", "--users", "1300", "--cpu", "1ms", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["wait-patient"]
    assert (row["ok_rps"], row["limited_by"]) == (None, "client timeout")
    assert "requests fail with 1,300 users" in row["reason"]
