"""Gathers what the verdicts on a cell rest on."""

import polars as pl

from analysis.fates import Fates
from analysis.population import Tables, Window, unfinished
from analysis.verdicts import Evidence
from records.cell import CellRecord
from scenarios.units import Second

MISSED_S = 0.8


def evidence(
    record: CellRecord,
    tables: Tables,
    account: Fates,
    completions: pl.DataFrame,
    end_s: Second,
    load_cpu: float | None,
    window: Window,
) -> Evidence:
    oldest_s = unfinished(tables.requests)["started_s"].min()
    slowest_s = (completions["ended_s"] - completions["started_s"]).max()
    peak = tables.machine.filter(pl.col("role") == "server")["descriptors"].max()
    texts = tables.requests["error"].fill_null("")
    return Evidence(
        record=record,
        completed=completions.height,
        unfinished=unfinished(tables.requests).height,
        oldest_unfinished_s=end_s - oldest_s if isinstance(oldest_s, float) else None,
        slowest_completed_s=slowest_s if isinstance(slowest_s, float) else None,
        contradictions=account.contradictions,
        sent=account.sent,
        app_received=account.app_received,
        upstream_received=account.upstream_received,
        generator_cpu_percent_peak=load_cpu,
        probe_silent_s=probe_silent_s(record, tables.probe, window),
        load_processes_died=load_processes_died(tables.machine, window),
        upstream_late_share=upstream_late_share(tables.upstream, window),
        descriptors_peak=int(peak) if isinstance(peak, int) else None,
        descriptor_errors=int(texts.str.contains("Too many open files").sum()),
    )


def load_processes_died(machine: pl.DataFrame, window: Window) -> int:
    """Load processes that were there in the window and not at its end. The runner looks twice
    a second; two looks without it are a death."""
    inside = machine.filter(window.holds("at_s"))
    last_look_s = inside["at_s"].max()
    if not isinstance(last_look_s, float):
        return 0
    seen = inside.filter(pl.col("role") == "load").group_by("pid").agg(pl.col("at_s").max())
    return seen.filter(pl.col("at_s") < last_look_s - MISSED_S).height


def probe_silent_s(record: CellRecord, probe: pl.DataFrame, window: Window) -> float | None:
    """The longest silence of a worker's probe before the window's end or the worker's death."""
    died_s = {death.pid: death.at_s for death in record.deaths}
    silences = [
        min(window.end_s, died_s.get(pid, window.end_s)) - last_s
        for pid, last_s in probe.group_by("pid").agg(pl.col("at_s").max()).iter_rows()
    ]
    return max(silences, default=None)


def upstream_late_share(upstream: pl.DataFrame, window: Window) -> float | None:
    """Mean lateness over mean wait asked for, of the answers it gave in the window."""
    answered = upstream.filter(
        pl.col("status").is_in(["200", "500"]), window.holds("at_s"), pl.col("asked_ms") > 0
    )
    if answered.is_empty():
        return None
    asked_ms = float(answered["asked_ms"].sum())
    return (float(answered["waited_ms"].sum()) - asked_ms) / asked_ms
