"""Gathers what the verdicts on a cell rest on."""

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.latency import compute_latencies_ms, sort_by_end
from analysis.measures.littles_law import compute_littles_law
from analysis.measures.request_accounting import RequestAccounting
from analysis.measures.resource_usage import (
    compute_busiest_percent,
    compute_machine_cores_used,
    compute_other_load_cores,
    compute_stolen_cores,
)
from analysis.measures.window import CellTables, Window, count_distinct, select_unfinished
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.steady_state import Drift, count_parts, estimate_drift, estimate_trend
from analysis.verdicts.model import (
    Answers,
    Backlog,
    Evidence,
    Instruments,
    RequestCounts,
    Steadiness,
)
from records.cell import CellRecord
from scenarios.units import Second

MISSED_S = 0.8
LOOKS = 21
"""At how many are under way, over the window."""
WAITS = ("at_s", "asked_ms", "waited_ms", "status")


def gather_evidence(
    record: CellRecord,
    cell: CellTables,
    account: RequestAccounting,
    requests: pl.DataFrame,
    completions: pl.DataFrame,
    end_s: Second,
    window: Window,
) -> Evidence:
    """`completions` are those of the `requests` that ended in the window."""
    return Evidence(
        record=record,
        answers=gather_answers(record, requests, completions, end_s, window),
        counts=RequestCounts(
            account.contradictions, account.sent, account.app_received, account.upstream_received
        ),
        instruments=gather_instruments(record, cell, requests, completions, window),
        steadiness=assess_steadiness(record, requests, completions, window),
        backlog=compute_backlog(record, requests, completions, window)
        if record.scenario.load.is_open
        else None,
    )


def gather_answers(
    record: CellRecord,
    requests: pl.DataFrame,
    completions: pl.DataFrame,
    end_s: Second,
    window: Window,
) -> Answers:
    load = record.scenario.load
    left_open = select_unfinished(requests)
    oldest_s = left_open["started_s"].min()
    slowest_s = (completions["ended_s"] - completions["started_s"]).max()
    return Answers(
        completed=completions.height,
        unfinished=left_open.height,
        oldest_unfinished_s=end_s - oldest_s if isinstance(oldest_s, float) else None,
        slowest_completed_s=slowest_s if isinstance(slowest_s, float) else None,
        little=None
        if load.is_open or not load.tells_ids
        else compute_littles_law(requests, completions, load.users, load.think_s, window),
    )


def gather_instruments(
    record: CellRecord,
    cell: CellTables,
    requests: pl.DataFrame,
    completions: pl.DataFrame,
    window: Window,
) -> Instruments:
    sweeps = cell.load_table("machine", ("at_s", "role", "pid", "cpu_s", "descriptors"))
    machine = sweeps.filter(window.contains("at_s"))
    peak = sweeps.filter(pl.col("role") == "server")["descriptors"].max()
    return Instruments(
        generator_cpu_percent=compute_generator_cpu_percent(record, machine),
        lateness_p99_ms=compute_lateness_ms(requests, window, 0.99),
        typical_ms=estimate_quantile(compute_latencies_ms(record, completions), 0.5),
        load_processes_died=max(
            record.load_processes_lost, count_dead_load_processes(sweeps, window)
        ),
        upstream_late_share=compute_upstream_late_share(cell.load_table("upstream", WAITS), window),
        other_load_cores=compute_other_load_cores(machine),
        cores_used=compute_machine_cores_used(machine),
        stolen_cores=compute_stolen_cores(machine),
        descriptors_peak=int(peak) if isinstance(peak, int) else None,
        descriptor_errors=requests.filter(
            pl.col("error").str.contains("Too many open files")
        ).height,
        probe_silent_s=compute_probe_silence_s(
            record, cell.load_table("probe", ("pid", "at_s")), window
        ),
    )


def compute_generator_cpu_percent(record: CellRecord, machine: pl.DataFrame) -> tuple[float, ...]:
    """Of one core for each process of Locust; oha is one process with several threads, and
    it is of one core for each of these."""
    load = record.scenario.load
    threads = 1 if load.tells_ids else load.processes
    return tuple(percent / threads for percent in compute_busiest_percent(machine, "load"))


def assess_steadiness(
    record: CellRecord, requests: pl.DataFrame, completions: pl.DataFrame, window: Window
) -> Steadiness:
    users, length_s = record.scenario.load.users, window.length_s
    moments, responses_ms = sort_by_end(record, completions)
    rps = completions.height / length_s if length_s else 0.0
    typical_ms = estimate_quantile(responses_ms, 0.5)
    parts = count_parts(length_s, None if typical_ms is None else typical_ms / 1000)
    known = parts is not None and len(moments) >= 2 * parts
    return Steadiness(
        window_s=length_s,
        settles_late=window.settles_late,
        unwarmed=users - count_warmed_users(record, requests),
        turn_s=None if record.scenario.load.is_open or not rps else users / rps,
        response_drift=estimate_drift(responses_ms, parts) if parts else None,
        throughput_drift=estimate_throughput_drift(moments, parts, window)
        if parts and known
        else None,
    )


def estimate_throughput_drift(
    moments: npt.NDArray[np.float64], parts: int, window: Window
) -> Drift:
    counts = np.histogram(moments, bins=parts, range=(window.start_s, window.end_s))[0]
    return estimate_trend(counts.astype(np.float64))


def count_warmed_users(record: CellRecord, requests: pl.DataFrame) -> int:
    """Users with an answer, before the window, to a request that they sent after the ramp."""
    phases = record.phases
    if phases.ramp_end_s is None or phases.window_start_s is None:
        return 0
    served = requests.filter(
        pl.col("started_s") >= phases.ramp_end_s,
        pl.col("ended_s") < phases.window_start_s,
        pl.col("status").is_not_null(),
    )
    return count_distinct(served, "process", "user")


def compute_backlog(
    record: CellRecord, requests: pl.DataFrame, completions: pl.DataFrame, window: Window
) -> Backlog | None:
    """What is under way counts from when it was due."""
    if not window.length_s:
        return None
    due = np.sort(requests["intended_s"].to_numpy())
    ended = np.sort(requests["ended_s"].drop_nulls().to_numpy())
    moments = np.linspace(window.start_s, window.end_s, LOOKS)
    under_way = np.searchsorted(due, moments) - np.searchsorted(ended, moments)
    growth = float(np.polynomial.Polynomial.fit(moments, under_way, 1).convert().coef[-1])
    offered = requests.filter(window.contains("intended_s")).height
    return Backlog(
        offered_rps=offered / window.length_s,
        sustained_rps=completions["error"].null_count() / window.length_s,
        failed_rps=(completions.height - completions["error"].null_count()) / window.length_s,
        growth_per_s=growth if np.ptp(under_way) else 0.0,
        mean_under_way=float(under_way.mean()),
        random_arrivals=record.scenario.load.arrivals == "poisson",
        window_s=window.length_s,
    )


def compute_lateness_ms(requests: pl.DataFrame, window: Window, q: float) -> float | None:
    """How long after it was due a request left: above some ms, the generator is slow."""
    sent = requests.filter(window.contains("started_s"))
    return estimate_quantile(
        1000 * (sent["started_s"] - sent["intended_s"]).drop_nulls().to_numpy(), q
    )


def count_dead_load_processes(machine: pl.DataFrame, window: Window) -> int:
    """Load processes that were there in the window and not at its end. The runner looks twice
    a second; two looks without it are a death."""
    inside = machine.filter(window.contains("at_s"))
    last_look_s = inside["at_s"].max()
    if not isinstance(last_look_s, float):
        return 0
    seen = inside.filter(pl.col("role") == "load").group_by("pid").agg(pl.col("at_s").max())
    return seen.filter(pl.col("at_s") < last_look_s - MISSED_S).height


def compute_probe_silence_s(
    record: CellRecord, probe: pl.DataFrame, window: Window
) -> float | None:
    """The longest silence of a worker's probe before the window's end or the worker's death."""
    died_s = {death.pid: death.at_s for death in record.deaths}
    silences = [
        min(window.end_s, died_s.get(pid, window.end_s)) - last_s
        for pid, last_s in probe.group_by("pid").agg(pl.col("at_s").max()).iter_rows()
    ]
    return max(silences, default=None)


def compute_upstream_late_share(upstream: pl.DataFrame, window: Window) -> float | None:
    """Mean lateness over mean wait asked for, of the answers it gave in the window."""
    answered = upstream.filter(
        pl.col("status").is_in(["200", "500"]), window.contains("at_s"), pl.col("asked_ms") > 0
    )
    if answered.is_empty():
        return None
    asked_ms = float(answered["asked_ms"].sum())
    return (float(answered["waited_ms"].sum()) - asked_ms) / asked_ms
