"""CPU and memory of the processes, from the samples that the runner took from outside.

A sweep looks at every process and stamps all of its rows with one time: what is added up was
there together, also around a worker's death.
"""

from dataclasses import dataclass

import polars as pl

from analysis.measures.window import CellRows
from analysis.stats.quotients import divide_or_none

USAGE = ("at_s", "role", "pid", "cpu_s", "rss_bytes", "threads")
OURS = ("server", "database", "upstream", "load", "runner", "live", "profiler", "terminal")

BUCKET_S = 1.0
"""The runner sweeps twice a second, and the kernel counts CPU in steps of 10 ms: over one
second that is 1 % of a core."""


SWEEP_S = 0.5
"""The runner looks at memory and threads so often: a window of some tenths of a second may lie
between two looks."""


@dataclass(frozen=True, kw_only=True)
class ServerUsage:
    worker_restarts: int
    cpu_percent_peak: float | None
    cpu_ms_per_request: float | None
    """Of the server with all its processes, over the window; the probe's own share is in it."""
    rss_mib_peak: float | None
    live_cpu_percent_peak: float | None
    """Of the page of `--live`; None without one."""


def measure_server_usage(rows: CellRows) -> ServerUsage:
    sweeps = rows.tables.load_table("machine", USAGE)
    machine = sweeps.filter(rows.window.contains("at_s"))
    around = sweeps.filter(rows.window.widen(SWEEP_S).contains("at_s"))
    rps = divide_or_none(rows.completions.height, rows.window.length_s)
    return ServerUsage(
        worker_restarts=len(rows.record.deaths),
        cpu_percent_peak=compute_cpu_percent_peak(machine, "server", together=True),
        cpu_ms_per_request=compute_cpu_ms(machine, "server", rps),
        rss_mib_peak=compute_memory_mib_peak(around, "server"),
        live_cpu_percent_peak=compute_cpu_percent_peak(machine, "live", together=True),
    )


def compute_cpu_percent_peak(machine: pl.DataFrame, role: str, *, together: bool) -> float | None:
    """The most CPU in any second, in percent of one core: of a role's processes together, or of
    its busiest one."""
    used = (
        machine.filter(pl.col("role") == role)
        .sort("at_s")
        .with_columns(
            used_s=pl.col("cpu_s").diff().over("pid"),
            bucket=(pl.col("at_s") / BUCKET_S).floor(),
        )
        .drop_nulls("used_s")
        .group_by("bucket", *(() if together else ("pid",)))
        .agg(pl.col("used_s").sum())
    )
    sweeps = (
        machine.select("at_s")
        .unique()
        .sort("at_s")
        .with_columns(lasted_s=pl.col("at_s").diff(), bucket=(pl.col("at_s") / BUCKET_S).floor())
        .group_by("bucket")
        .agg(pl.col("lasted_s").sum(), whole=pl.col("lasted_s").count() > 1)
        .filter("whole")
    )
    shares = used.join(sweeps, on="bucket").select(100 * pl.col("used_s") / pl.col("lasted_s"))
    peak = shares.to_series().max()
    return float(peak) if isinstance(peak, float) else None


def compute_busiest_percent(machine: pl.DataFrame, role: str) -> tuple[float, ...]:
    """The busiest second of each of a role's processes, in percent of one core, busiest first."""
    own = machine.filter(pl.col("role") == role)
    peaks = [
        compute_cpu_percent_peak(
            machine.filter((pl.col("role") != role) | (pl.col("pid") == pid)), role, together=True
        )
        for pid in own["pid"].unique().to_list()
    ]
    return tuple(sorted((peak for peak in peaks if peak is not None), reverse=True))


def compute_cores_used(machine: pl.DataFrame) -> dict[str, float]:
    """By role: CPU seconds used in each second, between the first sweep and the last."""
    lasting_s = compute_span_s(machine)
    by_role = (
        machine.group_by("role", "pid")
        .agg(used_s=pl.col("cpu_s").max() - pl.col("cpu_s").min())
        .group_by("role")
        .agg(cores=pl.col("used_s").sum() / lasting_s)
    )
    return {str(role): float(cores) for role, cores in by_role.iter_rows()}


def compute_cpu_ms(machine: pl.DataFrame, role: str, rps: float | None) -> float | None:
    """What a role's processes used for each of so many requests a second; None without any."""
    if not rps or compute_span_s(machine) <= 0:
        return None
    cores = compute_cores_used(machine).get(role)
    return None if cores is None else 1000 * cores / rps


def compute_span_s(machine: pl.DataFrame) -> float:
    first, last = machine["at_s"].min(), machine["at_s"].max()
    return last - first if isinstance(first, float) and isinstance(last, float) else 0.0


def compute_other_load_cores(machine: pl.DataFrame) -> float | None:
    """How many cores were kept busy by what is no part of the cell; None where it was not
    looked at. Interrupts belong to nobody and are not in it.

    Load processes of other machines tell their CPU themselves, and nothing of descriptors: what
    they use is not taken from here.
    """
    if compute_span_s(machine) <= 0 or machine.filter(pl.col("role") == "machine").is_empty():
        return None
    used = compute_cores_used(machine.filter(pl.col("descriptors").is_not_null()))
    ours = sum(used.get(role, 0.0) for role in OURS)
    return max(0.0, used["machine"] - ours)


def compute_machine_cores_used(machine: pl.DataFrame) -> float | None:
    """How many cores all processes together kept busy."""
    if compute_span_s(machine) <= 0 or machine.filter(pl.col("role") == "machine").is_empty():
        return None
    return compute_cores_used(machine)["machine"]


def compute_stolen_cores(machine: pl.DataFrame) -> float | None:
    """Time that the hypervisor gave to others while we wanted it, in cores (Linux; steal)."""
    if compute_span_s(machine) <= 0 or machine.filter(pl.col("role") == "stolen").is_empty():
        return None
    return compute_cores_used(machine)["stolen"]


def compute_memory_mib_peak(machine: pl.DataFrame, role: str) -> float | None:
    """The most resident memory of a role's processes together. Pages that they share are counted
    once for each."""
    own = machine.filter(pl.col("role") == role)
    peak = own.group_by("at_s").agg(pl.col("rss_bytes").sum())["rss_bytes"].max()
    return peak / 2**20 if isinstance(peak, int) else None


def compute_threads_peak(machine: pl.DataFrame, role: str) -> int | None:
    """The most threads of a role's processes together."""
    own = machine.filter(pl.col("role") == role)
    peak = own.group_by("at_s").agg(pl.col("threads").sum())["threads"].max()
    return peak if isinstance(peak, int) else None
