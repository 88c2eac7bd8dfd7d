"""`study probe MODULE:ATTR`: any ASGI app under the probe, and what it saw when the app ends."""

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analysis import formats
from analysis.quantiles import quantile
from analysis.workers import THREADS, at_once, blocked_by, loop_lag
from records.harvest import handlers_table, probe_table, read_journals
from records.rundir import new_run
from scenarios.problems import Problem
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import free_port
from stress.plan import HOST, Command
from stress.processes import Process
from stress.readiness import wait_until
from stress.stack import ROOT
from study.interrupts import noted

LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """module:attribute, the folder it is found from, and how to serve it."""

    name: str
    folder: Path
    port: int
    workers: int
    loop: str
    http: str


def probe(target: Target, out: Path) -> int:
    """Serves until Ctrl-C; then writes handlers.parquet and probe.parquet and prints a table."""
    if ":" not in target.name:
        raise Problem(f"{target.name!r}: give module:attribute, such as main:app")
    if not target.folder.is_dir():
        raise Problem(f"--app-dir {target.folder}: no such folder")
    port = free_port(target.port)
    folder = new_run(out, "probe").path
    interruption = Interruption()
    begun_s = time.monotonic()
    with noted(interruption):
        process = Process(command(target, port, folder), folder / "server.log", os.environ)
        try:
            try:
                wait_until(lambda: listens(port), process, interruption)
            except Problem as problem:
                raise refused(process, problem) from problem
            print(f"{target.name} under the probe on http://{HOST}:{port}; Ctrl-C ends it")
            sys.stdout.flush()
            while not interruption.reason and process.exit_code() is None:
                time.sleep(LOOK_EVERY_S)
        except CellInterruptedError:
            return 130
        finally:
            process.end()
    tell(folder, begun_s)
    if not interruption.reason:
        raise Problem(f"the server ended by itself: {process.last_words()} ({process.log})", 3)
    return 0


def refused(process: Process, problem: Problem) -> Problem:
    """A target that cannot be loaded is wrong use; the entry module says so in one line."""
    words = process.last_words()
    return Problem(words.removeprefix("probe: ")) if words.startswith("probe: ") else problem


def listens(port: int) -> bool:
    """Any app: nothing is asked of it but to accept a connection."""
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0


def command(target: Target, port: int, folder: Path) -> Command:
    argv = (
        sys.executable, "-m", "uvicorn", "avt_probe_entry:app",
        f"--host={HOST}", f"--port={port}", f"--workers={target.workers}",
        f"--loop={target.loop}", f"--http={target.http}",
    )  # fmt: skip
    env = {
        "PYTHONPATH": str(ROOT / "probe" / "entry"),
        "PROBE_TARGET": target.name,
        "PROBE_DIR": str(folder.resolve()),
    }
    return Command("server", argv, target.folder, env)


def tell(folder: Path, begun_s: float) -> None:
    """The tables, and for people: by route who ran where, and what held the loop."""
    journals, _ = read_journals(sorted(folder.glob("probe-*.journal")))
    end_s = time.monotonic()
    handlers = handlers_table(journals, begun_s, end_s)
    samples = probe_table(journals, begun_s, end_s)
    handlers.write_parquet(folder / "handlers.parquet")
    samples.write_parquet(folder / "probe.parquet")
    for line in route_lines(handlers):
        print(line)
    worst = formats.milliseconds(loop_lag(samples)[1])
    print(
        f"threads at most {formats.whole(at_once(samples, THREADS))}, loop lag at most {worst} ms"
    )
    if place := blocked_by(samples):
        print(f"the loop was held by {place}")
    print(f"handlers.parquet and probe.parquet are in\n{folder}/")


def route_lines(handlers: pl.DataFrame) -> list[str]:
    lines = [
        f"{'route':<32} {'requests':>8} {'median ms':>9} {'pool wait ms':>12} {'threads':>7} on"
    ]
    for (route,), rows in handlers.group_by("route", maintain_order=True):
        took_ms = 1000 * (rows["sent_s"] - rows["arrived_s"]).drop_nulls().to_numpy()
        waited_ms = 1000 * rows["pool_wait_s"].drop_nulls().to_numpy()
        kinds = sorted(set(rows["thread_kind"].drop_nulls())) or ["unknown"]
        threads = rows.select("pid", "thread_id").drop_nulls().n_unique()
        lines.append(
            f"{str(route)[:32]:<32} {rows.height:>8} "
            f"{formats.milliseconds(quantile(took_ms, 0.5)):>9} "
            f"{formats.milliseconds(quantile(waited_ms, 0.5)):>12} {threads:>7} {', '.join(kinds)}"
        )
    return lines
