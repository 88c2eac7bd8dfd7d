"""CPU and memory of the processes, from the runner's samples.

A sweep samples every process and gives all of its rows one time stamp, so that sums are of one
moment, also around a worker's death.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analysis.measures.window import MeasuredCell
from scenarios.units import Second

USAGE = ("at_s", "role", "pid", "cpu_s", "rss_bytes", "threads")
OURS = ("server", "database", "upstream", "load", "runner", "live", "profiler", "terminal")

BUCKET_S = 1.0
"""The runner sweeps twice per second, and the kernel counts CPU in steps of 10 ms: 1 % of a core
over one second."""
FEWEST_REQUESTS = 100
"""A server also works without requests: watchdog, heartbeat and background requests take a few
milliseconds per second. With a blocked loop that serves one request per second, all of that would
count as CPU of that request (19 ms where a request takes 0.3 ms)."""
FEWEST_CPU_S = 0.2
"""The kernel counts CPU in steps of 10 ms: two readings are off by at most 5 % of this."""
SWEEP_S = 0.5
"""The interval of the runner's samples: a very short window may lie between two of them."""
STARTED_S = 5.0
"""A process that was sampled for so long did more than start."""


@dataclass(frozen=True, kw_only=True)
class ServerUsage:
    worker_restarts: int
    cpu_percent_peak: float | None
    cpu_ms_per_request: float | None
    """CPU of all server processes over the window, including the probe's. None where too few
    requests completed."""
    rss_mib_peak: float | None
    live_cpu_percent_peak: float | None
    """CPU of the `--live` page's process; None without one."""
    gil: bool | None = None
    """True if every Python process of the server has a GIL; None where unknown."""


def measure_server_usage(cell: MeasuredCell) -> ServerUsage:
    sweeps = cell.tables.load_table("machine", USAGE)
    machine = sweeps.filter(cell.window.contains("at_s"))
    around = sweeps.filter(cell.window.widen(SWEEP_S).contains("at_s"))
    cores, requests = compute_cores_used(machine).get("server"), cell.completions.height
    memory = compute_peak_together(around, "server", "rss_bytes")
    processes = cell.record.processes
    return ServerUsage(
        worker_restarts=len(cell.record.deaths),
        cpu_percent_peak=compute_cpu_percent_peak(machine, "server"),
        cpu_ms_per_request=compute_cpu_ms_per_request(cores, requests, cell.window.length_s),
        rss_mib_peak=None if memory is None else memory / 2**20,
        live_cpu_percent_peak=compute_cpu_percent_peak(machine, "live"),
        gil=all(each.gil for each in processes) if processes else None,
    )


def compute_cpu_ms_per_request(
    cores: float | None, requests: int, window_s: Second | None
) -> float | None:
    """Return None where the figure would not describe requests: with fewer than FEWEST_REQUESTS,
    or less CPU than FEWEST_CPU_S."""
    if cores is None or not window_s or requests < FEWEST_REQUESTS:
        return None
    return 1000 * cores / (requests / window_s) if cores * window_s >= FEWEST_CPU_S else None


def compute_cpu_percent_peak(machine: pl.DataFrame, role: str) -> float | None:
    """Compute the maximum CPU in any second, in percent of one core, over a role's processes."""
    bucket = (pl.col("at_s") / BUCKET_S).floor()
    used = (
        machine.filter(pl.col("role") == role)
        .sort("at_s")
        .with_columns(used_s=pl.col("cpu_s").diff().over("pid"), bucket=bucket)
        .drop_nulls("used_s")
        .group_by("bucket")
        .agg(pl.col("used_s").sum())
    )
    sweeps = (
        machine.select("at_s")
        .unique()
        .sort("at_s")
        .with_columns(lasted_s=pl.col("at_s").diff(), bucket=bucket)
        .group_by("bucket")
        .agg(pl.col("lasted_s").sum(), whole=pl.col("lasted_s").count() > 1)
        .filter("whole")
    )
    shares = used.join(sweeps, on="bucket").select(100 * pl.col("used_s") / pl.col("lasted_s"))
    peak = shares.to_series().max()
    return float(peak) if isinstance(peak, float) else None


def compute_cores_used(machine: pl.DataFrame) -> dict[str, float]:
    """Compute mean cores by role between the first and the last sweep; empty for a single sweep.
    `machine`: all processes. `stolen`: CPU steal, time that the hypervisor gave to other machines
    (Linux). `throttled`: time for which a quota stopped this container."""
    first_s, last_s = machine["at_s"].min(), machine["at_s"].max()
    if not isinstance(first_s, float) or not isinstance(last_s, float) or first_s == last_s:
        return {}
    by_role = (
        machine.group_by("role", "pid")
        .agg(used_s=pl.col("cpu_s").max() - pl.col("cpu_s").min())
        .group_by("role")
        .agg(cores=pl.col("used_s").sum() / (last_s - first_s))
    )
    return {str(role): float(cores) for role, cores in by_role.iter_rows()}


def compute_cores_by_process(machine: pl.DataFrame, role: str) -> tuple[float, ...]:
    """Compute the mean cores of each process of a role over its sampled life, the busiest first;
    without those sampled for less than STARTED_S and half of the time. Workers that replace each
    other are one: of the busiest that fill half of the time, the least busy."""
    lived_s = pl.col("at_s").max() - pl.col("at_s").min()
    used_s = pl.col("cpu_s").max() - pl.col("cpu_s").min()
    lasting_s = machine.select(lived_s).to_series()
    busiest = (
        machine.filter(pl.col("role") == role)
        .group_by("pid")
        .agg(cores=used_s / lived_s, s=lived_s)
        .filter(pl.col("s") > 0, pl.col("s") >= (lasting_s / 2).clip(upper_bound=STARTED_S))
        .drop_nulls("cores")
        .sort("cores", descending=True)
        .with_columns(places=(pl.col("s").cum_sum() / lasting_s + 0.5).floor())
    )
    is_next = pl.col("places") > pl.col("places").shift(fill_value=0)
    return tuple(busiest.filter(is_next)["cores"])


def compute_local_cores(machine: pl.DataFrame) -> dict[str, float]:
    """Compute the cores used on this machine. Load processes on other machines report their own
    CPU; they are recognised by their lack of descriptor counts."""
    return compute_cores_used(machine.filter(pl.col("descriptors").is_not_null()))


def compute_other_load_cores(used: Mapping[str, float]) -> float | None:
    """Compute how many cores other programs kept busy; None where the machine was not sampled.
    Interrupts belong to no process and are not counted. used: by role, on this machine."""
    ours = sum(used.get(role, 0.0) for role in OURS)
    return max(0.0, used["machine"] - ours) if "machine" in used else None


def compute_peak_together(machine: pl.DataFrame, role: str, column: str) -> int | None:
    """Compute the maximum of a column's sum over a role's processes. Shared memory pages count once
    per process."""
    own = machine.filter(pl.col("role") == role)
    peak = own.group_by("at_s").agg(pl.col(column).sum())[column].max()
    return peak if isinstance(peak, int) else None
