"""From the tables of a cell to its summary."""

from itertools import pairwise

import polars as pl

from analysis.evidence import evidence, lateness_ms
from analysis.fates import Fates, fates, is_of_load
from analysis.growth import growth
from analysis.judge import judge
from analysis.latencies import (
    TIMES,
    Bounds,
    arrival_delays_ms,
    bounds,
    clock_uncertainty_ms,
    latencies_ms,
    longest_wait_ms,
    told_or_bounded,
)
from analysis.open_loop import open_loop
from analysis.population import Cell, Window, last_moment, planned_window, window_of
from analysis.quantiles import quantile
from analysis.steady import Drift
from analysis.summary import Bystander, CellSummary, Cycle, ErrorCount, WholeRun
from analysis.threads import HANDLED, ActiveThreads, active_threads
from analysis.totals import with_faults, with_totals
from analysis.usage import USAGE, cpu_ms, cpu_percent_peak, memory_mib_peak, threads_peak
from analysis.workers import WATCHED, threads_unique, watched
from records.cell import ROUND_S, CellRecord, death_rounds
from scenarios.units import Second

SETTLE_S = 0.5
SWEEP_S = 0.5
"""The runner looks at memory and threads so often: a window of some tenths of a second may lie
between two looks."""
MOST_ERRORS = 20
PINGS = ("intended_s", "ended_s", "error")


def summarise(record: CellRecord, cell: Cell) -> CellSummary:
    """Table after table: no two large ones are held at once."""
    window = window_of(record, cell.table("requests", (*TIMES, "status")))
    end_s = last_moment(record, cell)
    seen = watched(cell.table("probe", WATCHED), window)
    unique, active = handler_threads(record, cell, window)
    delay_median_ms, delay_p99_ms = arrival_delays(record, cell, window)
    account = fates_of(record, cell)
    bounded = bounds_of(record, cell, window, end_s)
    sweeps = cell.table("machine", USAGE)
    machine = sweeps.filter(window.holds("at_s"))
    around = sweeps.filter(window.wider(SWEEP_S).holds("at_s"))
    requests = cell.table("requests", (*TIMES, "process", "user", "status", "error"))
    completions = requests.filter(window.holds("ended_s"))
    found = evidence(record, cell, account, requests, completions, end_s, window)
    law = found.answers.little
    all_ms = latencies_ms(record, completions)
    good_ms = all_ms[completions["error"].is_null().to_numpy()]
    failures = len(all_ms) - len(good_ms)
    summary = CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=None if record.scenario.load.is_open else record.scenario.load.users,
        duration_s=window.length_s or None,
        requests=completions.height,
        failures=failures,
        failure_ratio=ratio(failures, completions.height),
        unfinished=found.answers.unfinished,
        rps=ratio(completions.height, window.length_s),
        ok_rps=ratio(len(good_ms), window.length_s),
        failures_per_s=ratio(failures, window.length_s),
        success_ratio=ratio(len(good_ms), completions.height),
        mean_ms=float(all_ms.mean()) if len(all_ms) else None,
        min_ms=quantile(all_ms, 0.0),
        median_ms=quantile(all_ms, 0.5),
        ok_median_ms=quantile(good_ms, 0.5),
        median_lower_bound_ms=bounded.median_lower_bound_ms,
        median_censored_ms=bounded.median_censored_ms,
        p99_lower_bound_ms=bounded.p99_lower_bound_ms,
        p99_censored_ms=bounded.p99_censored_ms,
        p95_ms=quantile(all_ms, 0.95),
        p99_ms=quantile(all_ms, 0.99),
        p999_ms=quantile(all_ms, 0.999),
        max_ms=quantile(all_ms, 1.0),
        users_seen=law.users_seen if law else None,
        users_unanswered=law.unanswered if law else None,
        users_longest_wait_median_ms=longest_wait_ms(
            record, requests, window.start_s, window.end_s, end_s
        ),
        warm_up_cut_s=window.cut_s,
        response_drift=drift_share(found.steadiness.response_drift),
        throughput_drift=drift_share(found.steadiness.throughput_drift),
        threads_unique=unique,
        threads_spawned=seen.threads_spawned
        if record.scenario.has_probe
        else threads_peak(around, "server"),
        threads_active_mean=active.mean if active else None,
        threads_active_peak=active.peak if active else None,
        pool_total=seen.pool_total,
        pool_waiting_peak=seen.pool_waiting_peak,
        loop_lag_p99_ms=seen.loop_lag_p99_ms,
        loop_lag_max_ms=seen.loop_lag_max_ms,
        loop_blocked_share=seen.loop_blocked_share,
        blocked_by=seen.blocked_by if record.scenario.endpoint.works_on_the_loop else None,
        worker_restarts=len(record.deaths),
        cpu_percent_peak=cpu_percent_peak(machine, "server", together=True),
        cpu_ms_per_request=cpu_ms(machine, "server", answered_rps(record, completions, window)),
        rss_mib_peak=memory_mib_peak(around, "server"),
        live_cpu_percent_peak=cpu_percent_peak(machine, "live", together=True),
        generator_cpu_percent_peak=max(found.instruments.generator_cpu_percent, default=None),
        generator_cpu_percent=found.instruments.generator_cpu_percent,
        generator_lateness_median_ms=lateness_ms(requests, window, 0.5),
        generator_lateness_p99_ms=found.instruments.lateness_p99_ms,
        upstream_late_share=found.instruments.upstream_late_share,
        other_load_cores=found.instruments.other_load_cores,
        stolen_cores=found.instruments.stolen_cores,
        arrival_delay_median_ms=delay_median_ms,
        arrival_delay_p99_ms=delay_p99_ms,
        clock_uncertainty_ms=clock_uncertainty_ms(record),
        open_loop=open_loop(record, found, completions),
        growth=growth(record, requests, ratio(len(good_ms), window.length_s)),
        bystander=bystander(
            cell.table("bystander", PINGS), window, end_s, record.scenario.bystander.path
        ),
        whole_run=whole_run(requests, record),
        fates=account,
        interrupted=record.interrupted,
        cycles=cycles(completions, record),
        verdicts=judge(found),
        errors=error_counts(completions)[:MOST_ERRORS],
    )
    if record.totals is not None:
        return with_totals(summary, record.totals)
    return with_faults(summary, record.faults) if record.faults else summary


def handler_threads(
    record: CellRecord, cell: Cell, window: Window
) -> tuple[int | None, ActiveThreads | None]:
    """How many threads ever were in a handler, and how many at once in the window."""
    of_load = (
        is_of_load(record.cell_number)
        if record.scenario.load.tells_ids
        else pl.col("request_id").is_null()
    )
    own = cell.table("handlers", HANDLED).filter(of_load).drop("request_id")
    unique = threads_unique(own)
    if not window.length_s:
        return unique, None
    last_seen = (
        cell.table("probe", ("pid", "at_s")).group_by("pid").agg(seen_s=pl.col("at_s").max())
    )
    return unique, active_threads(own, last_seen, window.start_s, window.end_s)


def arrival_delays(
    record: CellRecord, cell: Cell, window: Window
) -> tuple[float | None, float | None]:
    """Median and p99 in ms."""
    arrivals = cell.table("handlers", ("request_id", "arrived_s"))
    delays_ms = arrival_delays_ms(
        record,
        cell.table("requests", ("request_id", "started_s")),
        arrivals.filter(window.holds("arrived_s")),
    )
    return quantile(delays_ms, 0.5), quantile(delays_ms, 0.99)


def answered_rps(record: CellRecord, completions: pl.DataFrame, window: Window) -> float | None:
    if record.totals is not None:
        return ratio(record.totals.completed, record.totals.lasting_s)
    return ratio(completions.height, window.length_s)


def fates_of(record: CellRecord, cell: Cell) -> Fates:
    followed = record.scenario.load.tells_ids
    seen = followed and record.scenario.has_probe
    asked = followed and record.scenario.upstream is not None
    return fates(
        cell.table("requests", ("request_id", "status", "error", "ended_s")),
        cell.table("handlers", ("request_id",)) if seen else None,
        cell.table("upstream", ("request_id",)) if asked else None,
        record.cell_number,
    )


def bounds_of(record: CellRecord, cell: Cell, window: Window, end_s: Second) -> Bounds:
    requests = cell.table("requests", TIMES)
    completions = requests.filter(window.holds("ended_s"))
    return bounds(told_or_bounded(record, requests, completions, window.end_s, end_s))


def drift_share(found: Drift | None) -> float | None:
    return found.share if found else None


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def bystander(pings: pl.DataFrame, window: Window, end_s: Second, path: str) -> Bystander:
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
        path=path,
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
    median_ms = quantile(1000 * (ended["ended_s"] - ended["started_s"]).to_numpy(), 0.5)
    return WholeRun(ended.height, failures, ended.height / length_s, median_ms)


def cycles(completions: pl.DataFrame, record: CellRecord) -> tuple[Cycle, ...]:
    """Between the worker deaths of a cell that was planned to have them."""
    if record.cycles_planned is None:
        return ()
    window = planned_window(record)
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
