"""Cost of summarising a big cell: `python -m benchmarks.summarise_rows [--rows 10000000]`.

Generates a cell of so many requests, with a handler and an upstream row for nearly every request,
and probe, machine and bystander samples. Then runs two processes, one after the other:
`load_cell_summary`, as `study report` calls it, and a naive version in plain Python, which computes
seven figures from the requests alone. Seconds include the start of the process and its imports; MiB
are the peak resident memory.
"""

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from statistics import median_low
from time import perf_counter

import polars as pl

from analysis.report.write import load_cell_summary
from benchmarks.big_cell import FEWEST_ROWS, make_cell
from records.rundir import CellDir

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""ru_maxrss counts bytes on macOS and KiB on Linux."""

WHAT_THE_NAIVE_WAY_LEAVES_OUT = """\
The naive version reads three columns of one table. It ignores threads, the event
loop, request accounting, steady state and unanswered requests."""


@dataclass(frozen=True, slots=True)
class SummaryFigures:
    """The figures of the naive version, named as in analysis.summary.model."""

    requests: int
    failures: int
    rps: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class SummaryCost:
    seconds: float
    mib: float
    found: SummaryFigures


def summarize_ours(folder: Path) -> SummaryFigures:
    """Compute all figures and verdicts; return those that the naive version computes too."""
    summary = load_cell_summary(CellDir(folder))
    return SummaryFigures(
        **{each.name: getattr(summary, each.name) for each in fields(SummaryFigures)}
    )


def summarize_naively(folder: Path) -> SummaryFigures:
    """Compute row by row with lists and sorted(), as for a hundred rows."""
    cell = CellDir(folder)
    phases = cell.load_record().phases
    begin_s, end_s = phases.window_start_s, phases.window_end_s
    assert begin_s is not None
    assert end_s is not None
    took_ms, failures = [], 0
    content = (folder / "requests.parquet").read_bytes()  # a path would be a pattern
    rows = pl.read_parquet(content, columns=["started_s", "ended_s", "error"])
    for started_s, ended_s, error in rows.iter_rows():
        if ended_s is not None and begin_s <= ended_s < end_s:
            took_ms.append(1000 * (ended_s - started_s))
            failures += error is not None
    in_order = sorted(took_ms)
    p95_ms, p99_ms = (in_order[ceil(share * len(in_order)) - 1] for share in (0.95, 0.99))
    rps = len(took_ms) / (end_s - begin_s)
    return SummaryFigures(
        len(took_ms), failures, rps, median_low(took_ms), p95_ms, p99_ms, max(took_ms)
    )  # fmt: skip


def measure_memory(
    work: Callable[[Path], SummaryFigures], folder: Path
) -> tuple[SummaryFigures, float]:
    return work(folder), read_peak_resident_mib()


def read_peak_resident_mib() -> float:
    """Return the peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / 2**20


def create_process() -> ProcessPoolExecutor:
    """Spawn a process: a forked one would start with our memory."""
    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


def measure_cost(work: Callable[[Path], SummaryFigures], folder: Path) -> SummaryCost:
    begun_s = perf_counter()
    with create_process() as process:
        found, mib = process.submit(measure_memory, work, folder).result()
    return SummaryCost(perf_counter() - begun_s, mib, found)


def compare_costs(rows: int, folder: Path) -> tuple[SummaryCost, SummaryCost]:
    """Return our cost and that of the naive version. A third process generates the cell, because
    Linux counts the parent's memory at the start of a process as that process's."""
    with create_process() as process:
        process.submit(make_cell, folder, rows).result()
    return measure_cost(summarize_ours, folder), measure_cost(summarize_naively, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of summarising a big cell.")
    parser.add_argument("--rows", type=int, default=10_000_000, help="requests")
    rows = parser.parse_args().rows
    if rows < FEWEST_ROWS:
        parser.error(f"--rows {rows}: at least {FEWEST_ROWS}, or the cell has no window")
    with tempfile.TemporaryDirectory() as folder:
        judged, plain = compare_costs(rows, Path(folder))
    print(f"{f'{rows:,} requests':32}{'seconds':>8}{'MiB':>7}")
    for name, each in (("all figures and verdicts", judged), ("naive: seven figures", plain)):
        print(f"{name:32}{each.seconds:8.2f}{each.mib:7.0f}")
    print(f"{'ratio':32}{judged.seconds / plain.seconds:8.2f}{judged.mib / plain.mib:7.2f}")
    print(WHAT_THE_NAIVE_WAY_LEAVES_OUT)
    if judged.found != plain.found:
        sys.exit(f"they differ: {judged.found} against {plain.found}")
    print("Both compute the same figures.")


if __name__ == "__main__":
    main()
