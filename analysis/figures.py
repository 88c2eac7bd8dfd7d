"""From the tables of a cell to its summary."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.evidence import evidence
from analysis.fates import fates, of_load
from analysis.population import Tables, Window, last_moment, unfinished, window_of
from analysis.quantiles import quantile
from analysis.summary import Bystander, CellSummary, Cycle, ErrorCount, WholeRun
from analysis.threads import active_threads
from analysis.usage import cpu_percent_peak, memory_mib_peak
from analysis.verdicts import judge
from analysis.workers import THREADS, at_once, blocked_by, blocked_share, loop_lag, threads_unique
from records.cell import ROUND_S, CellRecord, death_rounds
from scenarios.units import Second

SETTLE_S = 0.5
MOST_ERRORS = 20


def summarise(record: CellRecord, tables: Tables) -> CellSummary:
    window = window_of(record)
    end_s = last_moment(record, tables)
    completions = tables.requests.filter(window.holds("ended_s"))
    latencies_ms = milliseconds(completions)
    good_ms = milliseconds(completions.filter(pl.col("error").is_null()))
    left_open = unfinished(tables.requests).height
    bounded_ms = np.concatenate([latencies_ms, open_at_the_end_ms(tables.requests, window, end_s)])
    failures = completions.height - len(good_ms)
    own = tables.handlers.filter(
        pl.col("request_id").is_in(of_load(tables.handlers, record.cell_number).implode())
    )
    last_seen = tables.probe.group_by("pid").agg(seen_s=pl.col("at_s").max())
    active = (
        active_threads(own, last_seen, window.start_s, window.end_s) if window.length_s else None
    )
    samples = tables.probe.filter(window.holds("at_s"))
    lag = loop_lag(samples)
    asked = tables.upstream if record.scenario.upstream else None
    account = fates(tables.requests, tables.handlers, asked, record.cell_number)
    machine = tables.machine.filter(window.holds("at_s"))
    errors = error_counts(completions)
    load_cpu = cpu_percent_peak(machine, "load", together=False)
    return CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=record.scenario.load.users,
        duration_s=window.length_s or None,
        requests=completions.height,
        failures=failures,
        failure_ratio=ratio(failures, completions.height),
        unfinished=left_open,
        rps=ratio(completions.height, window.length_s),
        ok_rps=ratio(len(good_ms), window.length_s),
        failures_per_s=ratio(failures, window.length_s),
        mean_ms=float(latencies_ms.mean()) if len(latencies_ms) else None,
        median_ms=quantile(latencies_ms, 0.5),
        ok_median_ms=quantile(good_ms, 0.5),
        median_lower_bound_ms=quantile(bounded_ms, 0.5),
        p95_ms=quantile(latencies_ms, 0.95),
        p99_ms=quantile(latencies_ms, 0.99),
        max_ms=quantile(latencies_ms, 1.0),
        threads_unique=threads_unique(own),
        threads_spawned=at_once(tables.probe, THREADS),
        threads_active_mean=active.mean if active else None,
        threads_active_peak=active.peak if active else None,
        pool_total=at_once(samples, pl.col("pool_total")),
        pool_waiting_peak=at_once(samples, pl.col("pool_waiting")),
        loop_lag_p99_ms=lag[0],
        loop_lag_max_ms=lag[1],
        loop_blocked_share=blocked_share(samples),
        blocked_by=blocked_by(samples) if record.scenario.endpoint.works_on_the_loop else None,
        worker_restarts=len(record.deaths),
        cpu_percent_peak=cpu_percent_peak(machine, "server", together=True),
        rss_mib_peak=memory_mib_peak(machine, "server"),
        generator_cpu_percent_peak=load_cpu,
        generator_lateness_p99_ms=lateness_p99_ms(tables.requests, window),
        bystander=bystander(tables.bystander, window, end_s),
        whole_run=whole_run(tables.requests, record),
        fates=account,
        interrupted=record.interrupted,
        cycles=cycles(completions, record),
        verdicts=judge(evidence(record, tables, account, completions, end_s, load_cpu, window)),
        errors=errors[:MOST_ERRORS],
    )


def milliseconds(requests: pl.DataFrame) -> npt.NDArray[np.float64]:
    return 1000 * (requests["ended_s"] - requests["started_s"]).to_numpy()


def open_at_the_end_ms(
    requests: pl.DataFrame, window: Window, end_s: Second
) -> npt.NDArray[np.float64]:
    """Latencies of what was under way when the window closed: known if it was answered in the
    drain, else at least the age at the drain's end."""
    under_way = requests.filter(
        pl.col("started_s") < window.end_s,
        pl.col("ended_s").is_null() | (pl.col("ended_s") >= window.end_s),
    )
    return 1000 * (under_way["ended_s"].fill_null(end_s) - under_way["started_s"]).to_numpy()


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def lateness_p99_ms(requests: pl.DataFrame, window: Window) -> float | None:
    """How long after it was due a request left: above some ms, the generator is slow."""
    sent = requests.filter(window.holds("started_s"))
    return quantile(1000 * (sent["started_s"] - sent["intended_s"]).to_numpy(), 0.99)


def bystander(pings: pl.DataFrame, window: Window, end_s: Second) -> Bystander:
    asked = pings.filter(window.holds("intended_s"))
    told = asked.filter(pl.col("error").is_null())
    waited_ms = 1000 * (told["ended_s"].fill_null(end_s) - told["intended_s"]).to_numpy()
    unanswered = asked["ended_s"].null_count()
    return Bystander(
        median_ms=quantile(waited_ms, 0.5),
        p99_ms=quantile(waited_ms, 0.99),
        failures=asked.filter(pl.col("error").is_not_null()).height + unanswered,
        pings=asked.height,
        unanswered=unanswered,
    )


def whole_run(requests: pl.DataFrame, record: CellRecord) -> WholeRun:
    phases = record.phases
    ended = requests.filter(pl.col("ended_s").is_not_null())
    if phases.window_end_s is not None:
        ended = ended.filter(pl.col("ended_s") < phases.window_end_s)
    first, last = requests["started_s"].min(), ended["ended_s"].max()
    if not isinstance(first, float) or not isinstance(last, float):
        return WholeRun(0, 0, 0.0, None)
    failures = ended.filter(pl.col("error").is_not_null()).height
    length_s = (phases.window_end_s or last) - first
    median_ms = quantile(milliseconds(ended), 0.5)
    return WholeRun(ended.height, failures, ended.height / length_s, median_ms)


def cycles(completions: pl.DataFrame, record: CellRecord) -> tuple[Cycle, ...]:
    """Between the worker deaths of a cell that was planned to have them."""
    if record.cycles_planned is None:
        return ()
    window = window_of(record)
    marks = [
        mark
        for mark in (at_s + SETTLE_S for at_s in death_rounds(record.deaths))
        if window.start_s - ROUND_S - SETTLE_S <= mark <= window.end_s + SETTLE_S
    ]
    found = []
    for start_s, end_s in pairwise(marks):
        inside = completions.filter(Window(start_s, end_s).holds("ended_s"))
        ok = inside["error"].null_count()
        found.append(Cycle(start_s, end_s, ok, inside.height - ok, ok / (end_s - start_s)))
    return tuple(found)


def error_counts(completions: pl.DataFrame) -> tuple[ErrorCount, ...]:
    counted = (
        completions.filter(pl.col("error").is_not_null())
        .group_by("error")
        .len()
        .sort(["len", "error"], descending=[True, False])
    )
    return tuple(ErrorCount(error, count) for error, count in counted.iter_rows())
