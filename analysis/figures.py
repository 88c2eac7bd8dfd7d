"""From the tables of a cell to its summary."""

from itertools import pairwise

import polars as pl

from analysis.censored import censored_quantile
from analysis.evidence import evidence, lateness_ms
from analysis.fates import fates, of_load
from analysis.judge import is_overloaded, judge
from analysis.latencies import (
    arrival_delays_ms,
    clock_uncertainty_ms,
    latencies_ms,
    told_or_bounded,
)
from analysis.population import Tables, Window, last_moment, unfinished, window_of
from analysis.quantiles import quantile
from analysis.steady import Drift
from analysis.summary import Bystander, CellSummary, Cycle, ErrorCount, OpenLoop, WholeRun
from analysis.threads import active_threads
from analysis.usage import cpu_percent_peak, memory_mib_peak
from analysis.verdicts import Evidence
from analysis.workers import THREADS, at_once, blocked_by, blocked_share, loop_lag, threads_unique
from records.cell import ROUND_S, CellRecord, death_rounds
from scenarios.units import Second

SETTLE_S = 0.5
MOST_ERRORS = 20


def summarise(record: CellRecord, tables: Tables) -> CellSummary:
    window = window_of(record, tables.requests)
    end_s = last_moment(record, tables)
    completions = tables.requests.filter(window.holds("ended_s"))
    all_ms = latencies_ms(record, completions)
    good_ms = latencies_ms(record, completions.filter(pl.col("error").is_null()))
    left_open = unfinished(tables.requests).height
    told = told_or_bounded(record, tables.requests, completions, window.end_s, end_s)
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
    found = evidence(record, tables, account, completions, end_s, window)
    law = found.answers.little
    arrived = tables.handlers.filter(window.holds("arrived_s"))
    delays_ms = arrival_delays_ms(record, tables.requests, arrived)
    return CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=None if record.scenario.load.is_open else record.scenario.load.users,
        duration_s=window.length_s or None,
        requests=completions.height,
        failures=failures,
        failure_ratio=ratio(failures, completions.height),
        unfinished=left_open,
        rps=ratio(completions.height, window.length_s),
        ok_rps=ratio(len(good_ms), window.length_s),
        failures_per_s=ratio(failures, window.length_s),
        mean_ms=float(all_ms.mean()) if len(all_ms) else None,
        median_ms=quantile(all_ms, 0.5),
        ok_median_ms=quantile(good_ms, 0.5),
        median_lower_bound_ms=quantile(told.durations_ms, 0.5),
        median_censored_ms=censored_quantile(told.durations_ms, told.known, 0.5),
        p99_censored_ms=censored_quantile(told.durations_ms, told.known, 0.99),
        p95_ms=quantile(all_ms, 0.95),
        p99_ms=quantile(all_ms, 0.99),
        max_ms=quantile(all_ms, 1.0),
        users_seen=law.users_seen if law else None,
        users_starved=law.starved if law else None,
        response_drift=drift_share(found.steadiness.response_drift),
        throughput_drift=drift_share(found.steadiness.throughput_drift),
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
        generator_cpu_percent_peak=max(found.instruments.generator_cpu_percent, default=None),
        generator_cpu_percent=found.instruments.generator_cpu_percent,
        generator_lateness_median_ms=lateness_ms(tables.requests, window, 0.5),
        generator_lateness_p99_ms=found.instruments.lateness_p99_ms,
        upstream_late_share=found.instruments.upstream_late_share,
        other_load_cores=found.instruments.other_load_cores,
        stolen_cores=found.instruments.stolen_cores,
        arrival_delay_median_ms=quantile(delays_ms, 0.5),
        arrival_delay_p99_ms=quantile(delays_ms, 0.99),
        clock_uncertainty_ms=clock_uncertainty_ms(record),
        open_loop=open_loop(record, found, completions),
        bystander=bystander(tables.bystander, window, end_s),
        whole_run=whole_run(tables.requests, record),
        fates=account,
        interrupted=record.interrupted,
        cycles=cycles(completions, record),
        verdicts=judge(found),
        errors=errors[:MOST_ERRORS],
    )


def drift_share(found: Drift | None) -> float | None:
    return found.share if found else None


def open_loop(record: CellRecord, found: Evidence, completions: pl.DataFrame) -> OpenLoop | None:
    load, backlog = record.scenario.load, found.backlog
    if load.arrival_rate is None or backlog is None:
        return None
    service_ms = 1000 * (completions["ended_s"] - completions["started_s"]).to_numpy()
    return OpenLoop(
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        offered_rps=backlog.offered_rps,
        sustained_rps=backlog.sustained_rps,
        backlog_growth_per_s=backlog.growth_per_s,
        overloaded=is_overloaded(backlog),
        service_median_ms=quantile(service_ms, 0.5),
        service_p99_ms=quantile(service_ms, 0.99),
    )


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


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
    median_ms = quantile(1000 * (ended["ended_s"] - ended["started_s"]).to_numpy(), 0.5)
    return WholeRun(ended.height, failures, ended.height / length_s, median_ms)


def cycles(completions: pl.DataFrame, record: CellRecord) -> tuple[Cycle, ...]:
    """Between the worker deaths of a cell that was planned to have them."""
    if record.cycles_planned is None:
        return ()
    window = window_of(record, completions)
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
