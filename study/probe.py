"""`study probe MODULE:ATTR`: any ASGI app under the probe, and what it saw when the app ends."""

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analysis.measures.probe_metrics import (
    THREADS,
    compute_loop_lag,
    compute_simultaneous_peak,
    find_blocking_sites,
)
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.stats.quantiles import estimate_quantile
from records.build_tables import build_handlers_table, build_probe_table, read_journals
from records.rundir import create_run
from scenarios.errors import CANNOT, INTERRUPTED, UserError
from stress.interruption import CellInterruptedError, record_signals
from stress.machine import find_free_port
from stress.places import ROOT
from stress.plan import HOST, Command
from stress.processes import Process
from study.final_output import print_table

LOOK_EVERY_S = 0.1
MEDIAN_NOTE = (
    "median: from the moment the app sees a request until its answer is sent; the wait before, "
    "for a busy event loop to read it, is not in it"
)


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """module:attribute, the folder it is found from, and how to serve it."""

    name: str
    folder: Path
    port: int
    workers: int
    loop: str
    http: str


def probe_app(target: ProbeTarget, out: Path) -> int:
    """Serves until Ctrl-C; then writes handlers.parquet and probe.parquet and prints a table."""
    if ":" not in target.name:
        raise UserError(f"{target.name!r}: give module:attribute, such as main:app")
    if not target.folder.is_dir():
        raise UserError(f"--app-dir {target.folder}: no such folder")
    port = find_free_port(target.port)
    folder = create_run(out, "probe").path
    begun_s = time.monotonic()
    with record_signals() as interruption:
        process = Process("server", folder / "server.log")
        process.start(build_probe_command(target, port, folder))
        try:
            try:
                process.wait_until(lambda: is_listening(port), interruption)
            except UserError as problem:
                raise build_target_error(process, problem) from problem
            print(f"{target.name} under the probe on http://{HOST}:{port}; Ctrl-C ends it")
            sys.stdout.flush()
            while not interruption.reason and process.get_exit_code() is None:
                time.sleep(LOOK_EVERY_S)
        except CellInterruptedError:
            return INTERRUPTED
        finally:
            process.end()
    print_probe_tables(folder, begun_s)
    if not interruption.reason:
        raise UserError(
            f"the server ended by itself: {process.read_last_log_line()} ({process.log})", CANNOT
        )
    return 0


def build_target_error(process: Process, problem: UserError) -> UserError:
    """A target that cannot be loaded is wrong use; the entry module says so in one line."""
    words = process.read_last_log_line()
    return UserError(words.removeprefix("probe: ")) if words.startswith("probe: ") else problem


def is_listening(port: int) -> bool:
    """Any app: nothing is asked of it but to accept a connection."""
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0


def build_probe_command(target: ProbeTarget, port: int, folder: Path) -> Command:
    argv = (
        sys.executable, "-m", "uvicorn", "asgi_probe.entry:app",
        f"--host={HOST}", f"--port={port}", f"--workers={target.workers}",
        f"--loop={target.loop}", f"--http={target.http}",
    )  # fmt: skip
    env = {
        "PYTHONPATH": str(ROOT / "probe"),
        "PROBE_TARGET": target.name,
        "PROBE_DIR": str(folder.resolve()),
    }
    return Command("server", argv, target.folder, env)


def print_probe_tables(folder: Path, begun_s: float) -> None:
    """The tables, and for people: by route who ran where, and what held the loop."""
    journals, _ = read_journals(sorted(folder.glob("probe-*.journal")))
    end_s = time.monotonic()
    handlers = build_handlers_table(journals, begun_s, end_s)
    samples = build_probe_table(journals, begun_s, end_s)
    handlers.write_parquet(folder / "handlers.parquet")
    samples.write_parquet(folder / "probe.parquet")
    print_table(build_routes_table(handlers))
    worst = formats.milliseconds(compute_loop_lag(samples)[1])
    print(
        f"threads at most {formats.whole(compute_simultaneous_peak(samples, THREADS))}, "
        f"loop lag at most {worst} ms"
    )
    if sites := find_blocking_sites(samples):
        print(f"the loop was held by {sites[0]}")
    print(f"handlers.parquet and probe.parquet are in\n{folder}/")


def build_routes_table(handlers: pl.DataFrame) -> Table:
    columns = (
        Column("route", is_text=True), Column("requests", width=8),
        Column("median ms", format=formats.milliseconds),
        Column("pool wait ms", format=formats.milliseconds),
        Column("threads"), Column("on", is_text=True),
    )  # fmt: skip
    groups = handlers.group_by("route", maintain_order=True)
    rows = [build_route_row(str(route), seen) for (route,), seen in groups]
    return Table(columns, rows, notes=[MEDIAN_NOTE])


def build_route_row(route: str, rows: pl.DataFrame) -> Row:
    took_ms = 1000 * (rows["sent_s"] - rows["arrived_s"]).drop_nulls().to_numpy()
    waited_ms = 1000 * rows["pool_wait_s"].drop_nulls().to_numpy()
    kinds = sorted(set(rows["thread_kind"].drop_nulls())) or ["unknown"]
    figures = (
        rows.height,
        estimate_quantile(took_ms, 0.5),
        estimate_quantile(waited_ms, 0.5),
        rows.select("pid", "thread_id").drop_nulls().n_unique(),
    )
    return Row(route, [*figures, ", ".join(kinds)])
