"""Faults during a run: no measurement is lost, no process is left, and the exit code is right."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psutil
import pytest

from stress.load.command import build_load_worker_command
from tests.process.support import (
    PATIENCE_S,
    ROOT,
    SMALL,
    cells,
    codes,
    environment,
    only_run,
    running,
    study,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
UNTIMED = pytest.mark.untimed
LONG = (
    *SMALL[:4],
    "--no-predict",
    "--no-report",
    "--duration",
    "60s",
    "--spawn-rate",
    "50",
    "--port",
    "0",
)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes
    )


@UNTIMED
@pytest.mark.parametrize(
    ("number", "phase"),
    [
        (signal.SIGINT, "start"),
        (signal.SIGTERM, "ramp"),
        (signal.SIGINT, "warm-up"),
        (signal.SIGINT, "window"),
        (signal.SIGTERM, "window"),
        (signal.SIGTERM, "drain"),
    ],
)  # one handler handles both signals, in every phase
def test_interrupted_in_each_phase(tmp_path: Path, phase: str, number: signal.Signals) -> None:
    options = {
        "start": ("async-http-shared", *LONG),
        "ramp": ("async-http-shared", "--users", "20", "--spawn-rate", "0.5", "--port", "0"),
        "warm-up": ("async-sleep", "--users", "3", "--delay", "20s", "--port", "0"),
        "window": ("async-http-shared", *LONG),
        "drain": ("async-sleep-sync", "--users", "5", "--delay", "1s", "--duration", "1s",
                  "--spawn-rate", "50", "--port", "0"),
    }[phase]  # fmt: skip
    with running(tmp_path / "out", "run", *options, "--out", str(tmp_path / "out")) as run:
        run.wait_for_phase(phase)
        if phase != "start":
            wait_for(lambda: has_sent(tmp_path / "out"), "a first request")
        family = run.family()
        run.send(number)
        assert run.finish() == 130, run.text()
        assert gone(family)
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert f"interrupted ({name})" in run.text()
    assert "Traceback" not in run.text()
    if phase == "start":
        return
    (cell,) = cells(tmp_path / "out")
    assert cell["interrupted"] == name
    assert codes(cell)[0] == "INTERRUPTED"
    rows = pl.read_parquet(next(only_run(tmp_path / "out").glob("cells/*/requests.parquet")))
    assert rows.height >= 1
    if phase in ("window", "drain"):
        assert cell["requests"] == rows.filter(in_window(cell, tmp_path / "out")).height


def has_sent(out: Path) -> bool:
    """Return True if the load has written a row: its journal is longer than its header."""
    return any(each.stat().st_size > 500 for each in out.glob("*/cells/*/raw/load-0.journal"))


def in_window(cell: dict[str, object], out: Path) -> pl.Expr:
    from records.rundir import open_run

    (saved,) = open_run(only_run(out)).list_saved_cells()
    phases = saved.load_record().phases
    assert phases.window_start_s is not None
    assert phases.window_end_s is not None
    del cell
    return pl.col("ended_s").is_between(phases.window_start_s, phases.window_end_s, closed="left")


@UNTIMED
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("slow",), "the upstream ended by itself"),
        (("gunicorn", "asgi_probe.entry"), "the server ended by itself"),
        (("locust",), "the load ended by itself"),
    ],
)
def test_a_crash_in_the_window_keeps_what_there_is(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    out = tmp_path / "out"
    with running(out, "run", "async-http-shared", "async-sleep", *LONG, "--out", str(out)) as run:
        run.wait_for_phase("window")
        family = run.family()
        victim = min(
            (each for each in family if all(word in " ".join(each.cmdline()) for word in words)),
            key=lambda each: each.create_time(),
        )
        victim.send_signal(signal.SIGKILL)
        assert run.finish() == 4, run.text()  # not the user's wish, so not 130
        assert gone(family)
    (cell,) = cells(out)  # the next cell did not start
    assert reason in str(cell["interrupted"])
    whole_run = cell["whole_run"]
    assert isinstance(whole_run, dict)
    assert whole_run["requests"] > 0
    assert reason in run.text()


def test_a_worker_killed_in_the_middle_is_seen_and_survived(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (
        *SMALL[:4],
        "--no-predict",
        "--no-report",
        "--duration",
        "6s",
        "--spawn-rate",
        "50",
        "--port",
        "0",
    )
    with running(out, "run", "async-http-shared", *options, "--out", str(out)) as run:
        run.wait_for_phase("window")
        journal = next(only_run(out).glob("cells/*/raw/journals/probe-*.journal"))
        os.kill(int(journal.name.split("-")[1]), signal.SIGKILL)
        assert run.finish() == 0, run.text()
    (cell,) = cells(out)
    assert cell["worker_restarts"] == 1
    assert codes(cell) == ["WORKER_DEATHS"]
    # 20 users' unfinished requests were reset, each recorded once as one failure
    assert 1 <= int(str(cell["failures"])) <= 20
    fates = cell["fates"]
    assert isinstance(fates, dict)
    assert fates["sent"] == sum(
        fates[name]
        for name in ("completed", "received_never_answered", "sent_never_received",
                     "failed_before_sending")
    )  # fmt: skip


@UNTIMED
def test_a_dead_load_process_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (
        *SMALL[:4],
        "--no-predict",
        "--no-report",
        "--duration",
        "4s",
        "--spawn-rate",
        "50",
        "--port",
        "0",
    )
    with running(
        out, "run", "async-sleep", *options, "--load-processes", "2", "--out", str(out)
    ) as run:
        run.wait_for_phase("window")
        run.member("locust").send_signal(signal.SIGKILL)  # the youngest is a worker
        assert run.finish() == 0, run.text()
    (cell,) = cells(out)
    assert codes(cell)[0] == "LOAD_PROCESS_DIED"


@UNTIMED
def test_a_run_directory_that_vanishes_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(out, "run", "async-sleep", *SMALL, "--port", "0", "--out", str(out)) as run:
        run.wait_for_phase("window")
        shutil.rmtree(only_run(out), ignore_errors=True)
        assert run.finish() == 4, run.text()
        assert "Traceback" not in run.text()
        assert "was removed while it was written" in run.text().splitlines()[-1]


@UNTIMED
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_moment_is_guarded_too(number: signal.Signals) -> None:
    """The handlers stand before the slow imports; polars is one of those."""
    with subprocess.Popen(
        (str(ROOT / ".venv" / "bin" / "study"), "report", "nowhere"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_for(lambda: is_importing(process), "the first imports")
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (130, 2)  # 2: it had finished before the signal came
    assert b"Traceback" not in errors


def is_importing(process: subprocess.Popen[bytes]) -> bool:
    """polars is one of the last modules mapped before the project's own."""
    maps = Path(f"/proc/{process.pid}/maps")
    return process.poll() is not None or "polars" in maps.read_text()


@UNTIMED
def test_nothing_survives_a_killed_runner(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running(out, "run", "async-http-shared", *LONG, "--out", str(out)) as run:
        run.wait_for_phase("window")
        family = run.family()
        assert len(family) >= 3
        run.send(signal.SIGKILL)
        run.finish()
        wait_for(lambda: gone(family), "the end of what a killed runner had started")


@UNTIMED
def test_a_taken_port_is_refused_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        done = study("run", "async-sleep", *SMALL, "--port", str(port), "--out", str(tmp_path))
    assert done.returncode == 3
    assert f"port {port} is taken" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@contextmanager
def descriptors(soft: int, hard: int) -> Iterator[list[str]]:
    """A shell prefix, so that the limits apply to the study and not to the tests."""
    yield ["sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "sh"]


def limited(prefix: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "study", *arguments],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@UNTIMED
def test_256_descriptors_are_enough_for_20_users_and_refused_for_500(tmp_path: Path) -> None:
    with descriptors(64, 256) as prefix:
        refused = limited(prefix, "run", "async-sleep", "--port", "0", "--out", str(tmp_path))
        assert refused.returncode == 3
        assert "1128 file descriptors are needed, but the hard limit is 256" in refused.stderr
        assert "--users" in refused.stderr
        assert list(tmp_path.iterdir()) == []
        done = limited(
            prefix, "run", "sync-http-shared", *SMALL, "--port", "0", "--out", str(tmp_path)
        )
    assert done.returncode == 0, done.stderr
    (cell,) = cells(tmp_path)
    assert cell["failures"] == 0
    assert "DESCRIPTORS" not in codes(cell)


@UNTIMED
def test_nonsense_gets_one_line_and_code_2() -> None:
    """Run as a process; other tests call `main` for the other errors and their texts."""
    done = study("run", "--nonsense", env={})
    assert done.returncode == 2, done.stderr
    assert "--nonsense" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


class ClosesAfterReading(threading.Thread):
    """A server that reads a request and closes; it answers /ping. Counts what it was sent."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.ids: list[bytes] = []

    answer = b""

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                head = connection.recv(4096)
                for line in head.split(b"\r\n"):
                    if line.lower().startswith(b"x-request-id: "):
                        self.ids.append(line.split(b": ")[1])
                connection.sendall(self.answer)


class CutsItsAnswers(ClosesAfterReading):
    """Promises 100 bytes and sends 10."""

    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789"


@pytest.mark.parametrize("server_class", [ClosesAfterReading, CutsItsAnswers])
@pytest.mark.parametrize("user_class", ["fast", "requests"])
def test_one_send_one_failure(
    tmp_path: Path, user_class: str, server_class: type[ClosesAfterReading]
) -> None:
    """geventhttpclient alone would send each of these three times and more."""
    import json
    from time import monotonic

    from records.build_tables import build_requests_table, read_journals
    from scenarios.model import Endpoint, Load
    from stress.load.protocol import GO_FILE, PLAN_OPTION, LoadControl, LoadPlan, write_message

    server = server_class()
    server.start()
    port = server.socket.getsockname()[1]
    plan = LoadPlan(
        host=f"http://127.0.0.1:{port}", endpoint=Endpoint("/", "def"), rare=None,
        load=Load(users=2, spawn_rate=10.0, think_s=0.01),
        cell_number=3, folder=str(tmp_path), timeout_s=30.0, distributed=False,
    )  # fmt: skip
    from dataclasses import asdict

    (tmp_path / GO_FILE).touch()
    begun_s = monotonic()
    with subprocess.Popen(
        [
            sys.executable, "-m", "locust",
            "--locustfile", str(ROOT / "stress" / "load" / "locustfile.py"),
            {"fast": "ClosedLoopFastUser", "requests": "ClosedLoopRequestsUser"}[user_class],
            f"{PLAN_OPTION}={json.dumps(asdict(plan))}", "--headless", "--users", "2",
            "--spawn-rate", "10", "--loglevel", "WARNING", "--only-summary",
            "--exit-code-on-error", "0",
        ],
        cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    ) as load:  # fmt: skip
        wait_for(lambda: len(server.ids) > 20, "requests")
        enough_s = monotonic()
        write_message(tmp_path, LoadControl(enough_s, enough_s + 2.0))
        _, said = load.communicate(timeout=PATIENCE_S)
    server.socket.close()
    assert load.returncode == 0, said
    journals, _ = read_journals(sorted(tmp_path.glob("load-*.journal")))
    rows = build_requests_table("c", journals, begun_s)
    assert rows.height > 20
    assert len(server.ids) == len(set(server.ids)) == rows.height
    assert rows["error"].null_count() == 0
    assert rows["error"].str.contains("closed|reset|aborted|IncompleteRead|broken").all()


def test_options_of_locust_cost_no_second_of_each_load_process() -> None:
    """Its workers look them up 56 times for each message that starts users."""
    look_up = """
from time import process_time
from locust import argument_parser
known = argument_parser.default_args_dict()
import stress.load.locustfile
begun_s = process_time()
assert [argument_parser.default_args_dict() for _ in range(1000)] == [known] * 1000
assert process_time() - begun_s < 1.0  # 7 s if each builds the parser
"""
    subprocess.run((sys.executable, "-c", look_up), cwd=ROOT, env=environment(), check=True)


def test_the_user_s_settings_of_locust_change_no_load(tmp_path: Path) -> None:
    (tmp_path / "load").mkdir()
    (tmp_path / ".locust.conf").write_text("run-time = 1s\ntags = none\n")
    read = """
from locust.argument_parser import get_parser
read = get_parser().parse_args(["--headless"])
print(read.run_time, read.tags)
"""
    command = build_load_worker_command(tmp_path / "load", "127.0.0.1", 5557)
    for own, expected in ({}, "1 ['none']"), (command.env, "None None"):
        done = subprocess.run(
            (sys.executable, "-c", read), cwd=command.cwd,
            env={**environment(), "HOME": str(tmp_path), **own}, check=True, capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected
