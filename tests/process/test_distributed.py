"""Load from other machines: here they are other processes, then ones with another clock, then
ones behind an address of their own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import polars as pl
import psutil
import pytest

from records.cell import CellRecord
from records.rundir import CellDir, open_run
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
from tests.process.test_faults import gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SHORT, MEDIUM, LONG = ((*SMALL, "--duration", each) for each in ("1s", "3s", "30s"))
WARD_S = 60
"""Every load worker of a test ends after this many seconds, even if the test fails."""


class LoadWorker:
    """A running `study load-worker`; `prefix` puts it into another namespace."""

    def __init__(self, log: Path, *arguments: str, prefix: tuple[str, ...], root: Path) -> None:
        self.log = log
        command = (sys.executable, "-m", "study", "load-worker", *arguments)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ("timeout", "--foreground", "-k", "5", str(WARD_S), *prefix, *command),
                cwd=root, env={**environment(), "PYTHONPATH": str(root)},
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def locust(self) -> psutil.Process:
        """Its load process."""
        (found,) = [each for each in self.family() if "--worker" in each.cmdline()]
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the study's own process, which started the load process."""
        self.locust().parent().send_signal(number)  # type: ignore[union-attr]

    def end(self) -> int:
        """End it like Ctrl-C. Returns its exit code; no process is left."""
        family = self.family()
        self.send(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        assert gone(family)
        return code


@contextmanager
def load_worker(
    log: Path, *arguments: str, prefix: tuple[str, ...] = (), root: Path = ROOT
) -> Iterator[LoadWorker]:
    worker = LoadWorker(log, *arguments, prefix=prefix, root=root)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.process.terminate()  # `timeout` passes it on, and kills what does not end
            worker.process.wait(PATIENCE_S)


@contextmanager
def load_workers(
    tmp_path: Path, number: int, master: str, prefix: tuple[str, ...] = ()
) -> Iterator[list[LoadWorker]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                load_worker(tmp_path / f"worker-{each}.log", "--master", master, prefix=prefix)
            )
            for each in range(number)
        ]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def distributed(port: str, workers: int, out: Path) -> tuple[str, ...]:
    return (
        "--distributed", "--expect-workers", str(workers), "--master-port", port,
        "--wait-workers", "30s", "--port", "0", "--out", str(out),
    )  # fmt: skip


def saved(out: Path) -> list[CellDir]:
    return list(open_run(only_run(out)).list_saved_cells())


def table(cell: CellDir, name: str) -> pl.DataFrame:
    return pl.read_parquet(cell.path / f"{name}.parquet")


def assert_offsets(record: CellRecord, truth_s: float) -> None:
    for clock in record.clocks:
        assert abs(clock.first_offset_s - truth_s) <= clock.uncertainty_s
        assert abs(clock.last_offset_s - truth_s) <= clock.uncertainty_s
        assert clock.samples >= 6  # four a second, through ramp, warm-up, window and drain
        # A round trip on one machine takes some ms under load; half a second would be a stall.
        assert clock.uncertainty_s < 0.25


@pytest.mark.untimed
def test_load_workers_serve_cell_after_cell_and_one_too_many_gets_no_users(tmp_path: Path) -> None:
    out, port = tmp_path / "out", free_port()
    with load_workers(tmp_path, 3, f"127.0.0.1:{port}") as workers:
        done = study("run", "async-sleep", "sync-sleep", *SHORT, *distributed(port, 2, out))
        assert done.returncode == 0, done.stderr
        wait_for(lambda: said(workers, ": 10 users") == 4, "two workers' word of each cell")
        wait_for(lambda: said(workers, "a cell ended that had enough") == 2, "the third one's")
        wait_for(lambda: all(has_locust(each) for each in workers), "their next load processes")
        assert [worker.end() for worker in workers] == [130, 130, 130]
        assert said(workers, "the load process ended") == 0
    assert "waiting for load workers" in done.stderr
    manifest = json.loads((only_run(out) / "manifest.json").read_text())
    assert manifest["distribution"]["expect_workers"] == 2
    for cell, summary in zip(saved(out), cells(out), strict=True):
        assert not {"COUNTS_DISAGREE", "LOAD_PROCESS_DIED"} & set(codes(summary))
        rows = table(cell, "requests")
        assert rows["process"].unique().sort().to_list() == [0, 1]
        assert rows.group_by("process").agg(pl.col("user").n_unique())["user"].to_list() == [10, 10]
        own = table(cell, "machine").filter(pl.col("role") == "load", pl.col("pid") < 2)
        assert set(own["pid"].to_list()) == {0, 1}
        assert own["cpu_s"].max() > 0  # type: ignore[operator]
        record = cell.load_record()
        assert record.load_processes_lost == 0
        assert_offsets(record, 0.0)  # they share this machine's clock


def said(workers: list[LoadWorker], words: str) -> int:
    return sum(worker.text().count(words) for worker in workers)


def has_locust(worker: LoadWorker) -> bool:
    return any("--worker" in each.cmdline() for each in worker.family())


@pytest.mark.parametrize("how", ["killed", "Ctrl-C"])
def test_a_lost_worker_keeps_what_it_sent_and_its_users_stay_lost(tmp_path: Path, how: str) -> None:
    out, port = tmp_path / "out", free_port()
    with load_workers(tmp_path, 2, f"127.0.0.1:{port}") as workers:
        with running(out, "run", "async-sleep", *MEDIUM, *distributed(port, 2, out)) as run:
            run.wait_for_phase("window")
            if how == "killed":
                workers[0].locust().send_signal(signal.SIGKILL)
            else:
                workers[0].send(signal.SIGINT)
            lost_s = monotonic()
            assert run.finish() == 0, run.text()
        if how == "killed":  # its replacement, which the cell does not use
            assert "killed by SIGKILL" in workers[0].text()
        else:
            assert workers[0].process.wait(PATIENCE_S) == 130
            assert "10 users" in workers[0].text()
    (summary,), (cell,) = cells(out), saved(out)
    assert "LOAD_PROCESS_DIED" in codes(summary)
    assert not summary["interrupted"]
    record, rows = cell.load_record(), table(cell, "requests")
    assert record.load_processes_lost == 1
    last = rows.group_by("process").agg(
        pl.col("ended_s").max().alias("last_s"), pl.col("user").n_unique().alias("users")
    )
    (dead,), (alive,) = (
        last.sort("last_s").head(1).to_dicts(),
        last.sort("last_s").tail(1).to_dicts(),
    )
    assert (dead["users"], alive["users"]) == (10, 10)
    # A report leaves each quarter of a second, a request takes 50 ms; as much again for two cores
    # that run five processes.
    assert lost_s - record.t0_s - 0.6 <= dead["last_s"] <= lost_s - record.t0_s + 0.6
    assert record.phases.window_end_s is not None
    assert alive["last_s"] >= record.phases.window_end_s
    lost = rows.filter(pl.col("process") == dead["process"], pl.col("ended_s").is_null())
    assert lost.height <= 10  # at most the one unfinished request of each of its users


@pytest.mark.untimed
def test_without_any_worker_left_the_cell_is_cut_short(tmp_path: Path) -> None:
    out, port = tmp_path / "out", free_port()
    with (
        load_workers(tmp_path, 2, f"127.0.0.1:{port}") as workers,
        running(out, "run", "async-sleep", *LONG, *distributed(port, 2, out)) as run,
    ):
        run.wait_for_phase("window")
        workers[0].locust().send_signal(signal.SIGKILL)
        workers[1].send(signal.SIGINT)
        assert run.finish() == 4, run.text()
    (summary,), (cell,) = cells(out), saved(out)
    assert summary["interrupted"] == "all 2 load processes are gone"
    rows = table(cell, "requests")
    assert set(rows["process"].to_list()) == {0, 1}
    assert rows["ended_s"].drop_nulls().len() > 20


@pytest.mark.untimed
def test_too_few_workers_are_one_line_that_says_what_to_type(tmp_path: Path) -> None:
    """The worker that comes has another revision; its message says so."""
    other, out, port = tmp_path / "other", tmp_path / "out", free_port()
    for folder in ("analysis", "records", "scenarios", "stress", "study"):
        shutil.copytree(ROOT / folder, other / folder)
    with (other / "stress" / "ledger.py").open("a") as source:
        source.write("# another revision\n")
    # The wait begins before the master's Locust does, and the worker's begins with it: each takes
    # some seconds to load, four times as long where other tests run too.
    wait = ("--wait-workers", "20s")
    with load_worker(
        tmp_path / "worker.log", "--master", f"127.0.0.1:{port}", root=other
    ) as worker:
        done = study("run", "async-sleep", *SHORT, *distributed(port, 2, out), *wait)
        assert worker.process.wait(PATIENCE_S) == 3
    assert done.returncode == 3
    said = done.stderr.splitlines()[-1]
    assert "0 of 2 load workers connected within 20 s" in said
    assert f"study load-worker --master 127.0.0.1:{port}" in said
    assert re.search(r"one was refused: it has load code \w+ instead of \w+ \(update", said)
    assert "Traceback" not in done.stderr
    assert "refused this machine: it has load code" in worker.text()
    assert not [each for each in psutil.process_iter(["cmdline"])
                if f"--master-bind-port={port}" in (each.info["cmdline"] or [])]  # fmt: skip


@pytest.mark.untimed
def test_a_load_worker_that_hears_of_nobody_ends(tmp_path: Path) -> None:
    with load_worker(
        tmp_path / "log", "--master", f"127.0.0.1:{free_port()}", "--idle", "2s"
    ) as worker:
        assert worker.process.wait(PATIENCE_S) == 0
    assert worker.text().splitlines()[-1] == "load-worker: no study replied for 2 s; ended"


AHEAD_S = 5000.0


def test_a_worker_with_another_clock(tmp_path: Path) -> None:
    """A time namespace (Linux 5.6): its monotonic clock is 5000 s ahead of ours."""
    prefix = ("unshare", "--time", "--monotonic", str(int(AHEAD_S)), "--")
    needs((*prefix, "true"), "a time namespace")
    out, port = tmp_path / "out", free_port()
    with load_workers(tmp_path, 1, f"127.0.0.1:{port}", prefix):
        done = study("run", "async-sleep", *SHORT, *distributed(port, 1, out))
    assert done.returncode == 0, done.stderr
    (cell,) = saved(out)
    record = cell.load_record()
    assert_offsets(record, AHEAD_S)
    (clock,) = record.clocks
    rows = table(cell, "requests").join(table(cell, "handlers"), on="request_id", suffix="_there")
    assert rows.height == table(cell, "requests").height
    # Events out of order: sent, arrived, answered, received, by two clocks.
    early = rows.filter(pl.col("arrived_s") < pl.col("started_s") - clock.uncertainty_s)
    late = rows.filter(pl.col("sent_s") > pl.col("ended_s") + clock.uncertainty_s)
    assert early.is_empty()
    assert late.is_empty()
    took_s = rows["ended_s"] - rows["started_s"]
    assert took_s.min() >= 0.049  # type: ignore[operator]  # a delay of 50 ms
    own = table(cell, "machine").filter(pl.col("pid") == 0, pl.col("role") == "load")
    assert own["at_s"].is_between(-clock.uncertainty_s, 60.0).all()


@contextmanager
def namespace() -> Iterator[tuple[str, str]]:
    """Another network with a cable to this one: its name, and this side's address on the cable."""
    number = os.getpid() % 10_000
    name, here, there = f"avt-test-{number}", f"avth{number}", f"avtt{number}"
    address = "198.18.77.1"  # from a range reserved for benchmarks (RFC 2544)
    steps = (
        ("netns", "add", name),
        ("link", "add", here, "type", "veth", "peer", "name", there),
        ("link", "set", there, "netns", name),
        ("addr", "add", f"{address}/30", "dev", here),
        ("link", "set", here, "up"),
        ("-n", name, "addr", "add", "198.18.77.2/30", "dev", there),
        ("-n", name, "link", "set", there, "up"),
    )
    try:
        for step in steps:
            needs(("ip", *step), "a network namespace and a veth pair")
        yield name, address
    finally:
        for step in (("link", "del", here), ("netns", "del", name)):
            subprocess.run(("ip", *step), capture_output=True, timeout=20, check=False)


def needs(command: tuple[str, ...], what: str) -> None:
    """Skip if it does not work here, with the system's own error."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing; it makes {what}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        pytest.skip(f"{what} can't be made here: {done.stderr.strip()}")


@pytest.mark.untimed
def test_workers_with_an_address_of_their_own(tmp_path: Path) -> None:
    out, port = tmp_path / "out", free_port()
    with (
        namespace() as (name, address),
        load_workers(tmp_path, 2, f"{address}:{port}", ("ip", "netns", "exec", name)),
    ):
        done = study(
            "run", "async-http-shared", *SHORT, *distributed(port, 2, out), "--listen", address
        )
    assert done.returncode == 0, done.stderr
    (summary,), (cell,) = cells(out), saved(out)
    assert "COUNTS_DISAGREE" not in codes(summary)
    fates = summary["fates"]
    assert isinstance(fates, dict)
    assert fates["sent"] == fates["app_received"] == fates["upstream_received"] > 100
    record = cell.load_record()
    server, upstream = record.commands["server"], record.commands["upstream"]
    assert any(word.startswith(f"--bind={address}:") for word in server)
    assert "127.0.0.1" in upstream
    own = table(cell, "machine").filter(pl.col("role") == "load", pl.col("pid") < 2)
    assert set(own["pid"].to_list()) == {0, 1}
    assert_offsets(record, 0.0)
