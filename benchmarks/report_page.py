"""Cost of drawing a report: `python -m benchmarks.report_page [RUN] [--rows 10000000]`.

The run is a recorded one, or a generated one with a single cell of so many requests. Two processes,
one after the other: the summary alone, and summary and page with every chart as SVG and PNG.
Seconds include the start of the process and its imports; MiB are the peak resident memory.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from analysis.report.write import load_run_summary, write_page
from benchmarks.big_cell import FEWEST_ROWS, make_cell
from benchmarks.summarise_rows import create_process, read_peak_resident_mib
from records.rundir import open_run

NAME = "sync-http-shared"


def summarize_run(folder: Path) -> int:
    load_run_summary(open_run(folder))
    return 0


def draw_page(folder: Path) -> int:
    """Return the size of the page in bytes."""
    run = open_run(folder)
    return write_page(run, load_run_summary(run)).stat().st_size


def measure_memory(work: Callable[[Path], int], folder: Path) -> tuple[int, float]:
    return work(folder), read_peak_resident_mib()


def measure_cost(work: Callable[[Path], int], folder: Path) -> tuple[int, float, float]:
    """Return the result of the work, seconds and MiB."""
    begun_s = perf_counter()
    with create_process() as process:
        found, mib = process.submit(measure_memory, work, folder).result()
    return found, perf_counter() - begun_s, mib


def make_run(folder: Path, rows: int) -> None:
    cell = folder / "cells" / f"{NAME}.1"
    cell.mkdir(parents=True)
    with create_process() as process:
        process.submit(make_cell, cell, rows).result()
    manifest = {"schema": 1, "command": "generated", "scenarios": [{"name": NAME}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of drawing a report.")
    parser.add_argument("run", type=Path, nargs="?", help="run directory; generated if not given")
    parser.add_argument("--rows", type=int, default=1_000_000, help="requests of a generated run")
    given = parser.parse_args()
    if given.rows < FEWEST_ROWS:
        parser.error(f"--rows {given.rows}: at least {FEWEST_ROWS}, or the cell has no window")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        if given.run is None:
            make_run(folder, given.rows)
        else:
            shutil.copytree(given.run, folder, ignore=shutil.ignore_patterns("raw"))
        _, alone_s, alone_mib = measure_cost(summarize_run, folder)
        size, both_s, both_mib = measure_cost(draw_page, folder)
    print(f"{'':24}{'seconds':>8}{'MiB':>8}")
    print(f"{'summary':24}{alone_s:8.2f}{alone_mib:8.0f}")
    print(f"{'summary and page':24}{both_s:8.2f}{both_mib:8.0f}")
    print(f"{'ratio':24}{both_s / alone_s:8.2f}{both_mib / alone_mib:8.2f}")
    print(f"report.html: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
