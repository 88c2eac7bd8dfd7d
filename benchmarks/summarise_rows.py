"""How long a big cell takes to judge: `python -m benchmarks.summarise_rows [--rows 1000000]`.

Makes a cell of so many requests (their handlers, upstream rows and probe samples too), then
summarises it from parquet on disk as `study report` does, beside the naive way: pure Python over
the same rows, for the quantiles and counts alone.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from analysis.reports import summary_of
from records.cell import CellRecord, Phases, save_cell
from records.ids import CELL_UNIT, PROCESS_UNIT
from records.rows import BYSTANDER, HANDLERS, MACHINE, PROBE, REQUESTS, UPSTREAM, shaped
from records.rundir import CellDir
from scenarios.catalogue import select
from scenarios.model import Available, resolved

SPAN_S = 100.0
ROUNDS = 3
CELL_NUMBER = 9


def make_cell(folder: Path, rows: int) -> CellDir:
    """Requests over 100 s, 50 ms each, on 40 threads of one worker."""
    cell = CellDir(folder)
    chance = np.random.default_rng(1)
    started_s = np.sort(chance.uniform(0, SPAN_S, rows))
    took_s = chance.gamma(4.0, 0.0125, rows)
    users = 1000
    request_id = (
        CELL_NUMBER * CELL_UNIT
        + (np.arange(rows, dtype=np.uint64) % users << np.uint64(20))
        + np.arange(rows, dtype=np.uint64) // users
    )
    assert int(request_id.max()) % CELL_UNIT < PROCESS_UNIT
    requests = pl.DataFrame(
        {
            "request_id": request_id,
            "user": np.arange(rows) % users,
            "intended_s": started_s,
            "started_s": started_s,
            "ended_s": started_s + took_s,
        }
    ).with_columns(cell=pl.lit("bench"), process=0, status=200, bytes=4)
    handlers = requests.select(
        "request_id",
        arrived_s="started_s",
        queued_s="started_s",
        started_s="started_s",
        ended_s="ended_s",
        sent_s="ended_s",
    ).with_columns(
        pid=1,
        route=pl.lit("/"),
        pool_wait_s=0.0,
        thread_id=pl.Series(np.arange(rows) % 40),
        thread_kind=pl.lit("anyio-worker"),
        status=200,
    )
    upstream = requests.select("request_id", at_s="started_s").with_columns(
        asked_ms=50.0, waited_ms=50.2, status=pl.lit("200")
    )
    at_s = np.arange(0, SPAN_S, 0.01)
    probe = pl.DataFrame({"at_s": at_s}).with_columns(
        pid=1, heartbeat_age_s=0.004, in_flight=5, threads_loop=1, threads_anyio_worker=40,
        threads_executor=0, threads_other=0,
    )  # fmt: skip
    cell.save_table("requests", shaped(requests, REQUESTS))
    cell.save_table("handlers", shaped(handlers, HANDLERS))
    cell.save_table("upstream", shaped(upstream, UPSTREAM))
    cell.save_table("probe", shaped(probe, PROBE))
    cell.save_table("machine", pl.DataFrame(schema=MACHINE))
    cell.save_table("bystander", pl.DataFrame(schema=BYSTANDER))
    save_cell(cell.record_file, record(users))
    return cell


def record(users: int) -> CellRecord:
    scenario = resolved(select(("sync-http",))[0], Available(uvloop=True, httptools=True, go=True))
    return CellRecord(
        name="bench", scenario=scenario, trial=1, cell_number=CELL_NUMBER, t0_s=0.0,
        started_utc="", phases=Phases(0.0, 1.0, SPAN_S - 1, SPAN_S + 5, True),
        cycles_planned=None, warm_up_limit_s=30.0, drain_limit_s=5.0, deaths=(),
        users_spawned=users, requests_sent=0, descriptors_limit=10_000, load_timeout_s=100.0,
        commands={}, overhead_s=0.0,
    )  # fmt: skip


def naive(cell: CellDir) -> tuple[float, float]:
    """Median and p99 in ms, row by row."""
    rows = pl.read_parquet(cell.path / "requests.parquet").to_dicts()
    took = sorted(
        1000 * (row["ended_s"] - row["started_s"])
        for row in rows
        if row["ended_s"] is not None and 1.0 <= row["ended_s"] < SPAN_S - 1
    )
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def timed_s(work: object) -> float:
    begun_s = perf_counter()
    assert callable(work)
    work()
    return perf_counter() - begun_s


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a big cell takes to judge.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        cell = make_cell(Path(folder), rows)
        ours, plain = [], []
        for _ in range(ROUNDS):
            ours.append(timed_s(lambda: summary_of(cell)))
            plain.append(timed_s(lambda: naive(cell)))
    print(f"{rows:,} rows: all figures {median(ours):.2f} s; two quantiles naively "
          f"{median(plain):.2f} s; ratio {median(plain) / median(ours):.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
