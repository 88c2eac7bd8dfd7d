"""Quality of the instruments: load generator, upstream, machine and probe."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analysis.measures.pauses import compute_pauses
from analysis.measures.resource_usage import (
    compute_cores_by_process,
    compute_cpu_percent_peak,
    compute_local_cores,
    compute_other_load_cores,
)
from analysis.measures.window import MeasuredCell, compute_latencies_ms
from analysis.stats.quantiles import divide_or_none, estimate_quantile
from records.cell import CellRecord
from scenarios.units import Second

MISSED_S = 0.8
SILENCE_LIMIT_S = 1.0
"""The probe samples every 10 ms and flushes every 250 ms."""
WAITS = ("at_s", "asked_ms", "waited_ms", "status")


@dataclass(frozen=True, kw_only=True)
class InstrumentSummary:
    """Shares are between 0 and 1; None is unknown."""

    generator_cpu_percent_peak: float | None
    generator_cpu_percent: tuple[float, ...]
    """The busiest second of each load process, in percent of one core; the busiest first."""
    generator_lateness_median_ms: float | None
    """Delay of a request after its due time: above a few ms, the generator is slow."""
    generator_lateness_p99_ms: float | None
    upstream_late_share: float | None
    other_load_cores: float | None
    """Cores that other programs kept busy."""
    stolen_cores: float | None
    throttled_cores: float | None = None
    """Mean number of cores that a CPU quota took from this container."""


@dataclass(frozen=True, kw_only=True)
class Instruments(InstrumentSummary):
    """The summary, and figures that only verdicts need."""

    typical_ms: float | None
    """The median latency, to compare a late send with."""
    load_processes_died: int
    cores_by_role: Mapping[str, float]
    """Of this machine; empty where it was not sampled. `machine`: all of its processes."""
    descriptors_peak: int | None
    descriptor_errors: int
    server_cores: tuple[float, ...]
    """Cores that each process of the server used; the busiest first."""
    probe_silent_s: Second | None
    """The longest time from a probe's last sample to the window's end or its worker's death."""
    machine_paused_s: Second = 0.0
    generator_paused_s: Second = 0.0


def measure_instruments(cell: MeasuredCell) -> Instruments:
    record, window, requests = cell.record, cell.window, cell.requests
    sweeps = cell.tables.load_table("machine", ("at_s", "role", "pid", "cpu_s", "descriptors"))
    descriptors = sweeps.filter(pl.col("role") == "server")["descriptors"].max()
    machine = sweeps.filter(window.contains("at_s"))
    cores, percents = compute_local_cores(machine), compute_generator_cpu_percent(record, machine)
    sent = requests.filter(window.contains("started_s"))
    late_ms = 1000 * (sent["started_s"] - sent["intended_s"]).drop_nulls().to_numpy()
    without = requests.filter(pl.col("error").str.contains("Too many open files"))
    machine_paused_s, generator_paused_s = compute_pauses(record.pauses, window)
    return Instruments(
        generator_cpu_percent_peak=max(percents, default=None),
        generator_cpu_percent=percents,
        generator_lateness_median_ms=estimate_quantile(late_ms, 0.5),
        generator_lateness_p99_ms=estimate_quantile(late_ms, 0.99),
        upstream_late_share=compute_upstream_late_share(cell),
        other_load_cores=compute_other_load_cores(cores),
        stolen_cores=cores.get("stolen"),
        throttled_cores=cores.get("throttled"),
        typical_ms=estimate_quantile(compute_latencies_ms(record, cell.completions), 0.5),
        load_processes_died=max(record.load_processes_lost, count_dead_load_processes(machine)),
        cores_by_role=cores,
        descriptors_peak=descriptors if isinstance(descriptors, int) else None,
        descriptor_errors=without.height,
        server_cores=compute_cores_by_process(machine, "server"),
        probe_silent_s=compute_probe_silence_s(cell),
        machine_paused_s=machine_paused_s,
        generator_paused_s=generator_paused_s,
    )


def compute_generator_cpu_percent(record: CellRecord, machine: pl.DataFrame) -> tuple[float, ...]:
    """Compute percents of one core for each Locust process. oha is one process with several
    threads: divide its CPU by them."""
    load, is_load = record.scenario.load, pl.col("role") == "load"
    threads = 1 if load.tells_ids else load.processes
    peaks = [
        compute_cpu_percent_peak(machine.filter(~is_load | (pl.col("pid") == pid)), "load")
        for pid in machine.filter(is_load)["pid"].drop_nulls().unique()
    ]
    return tuple(sorted((peak / threads for peak in peaks if peak is not None), reverse=True))


def count_dead_load_processes(machine: pl.DataFrame) -> int:
    """Count the load processes that disappeared during the window (`machine`: its samples). The
    runner samples twice per second; a process missing from two samples has died."""
    last_look_s = machine["at_s"].max()
    if not isinstance(last_look_s, float):
        return 0
    seen = machine.filter(pl.col("role") == "load").group_by("pid").agg(pl.col("at_s").max())
    return seen.filter(pl.col("at_s") < last_look_s - MISSED_S).height


def compute_probe_silence_s(cell: MeasuredCell) -> Second | None:
    """Compute the longest silence of a probe before the window's end or its worker's death."""
    end_s, died_s = cell.window.end_s, {death.pid: death.at_s for death in cell.record.deaths}
    last = cell.tables.load_table("probe", ("pid", "at_s")).group_by("pid").max()
    return max(
        (min(end_s, died_s.get(pid, end_s)) - last_s for pid, last_s in last.iter_rows()),
        default=None,
    )


def compute_upstream_late_share(cell: MeasuredCell) -> float | None:
    """Divide mean lateness by mean requested wait, over the upstream's responses in the window."""
    answered = cell.tables.load_table("upstream", WAITS).filter(
        pl.col("status").is_in(["200", "500"]), cell.window.contains("at_s"), pl.col("asked_ms") > 0
    )
    asked_ms, waited_ms = float(answered["asked_ms"].sum()), float(answered["waited_ms"].sum())
    return divide_or_none(waited_ms - asked_ms, asked_ms)
