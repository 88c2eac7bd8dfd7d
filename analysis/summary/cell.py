"""From the tables of a cell to its summary."""

from itertools import pairwise

import polars as pl

from analysis.measures.active_threads import HANDLED, ActiveThreads, compute_active_threads
from analysis.measures.latency import (
    TIMES,
    CensoredLatencies,
    collect_censored_durations,
    compute_arrival_delays_ms,
    compute_latencies_ms,
    compute_longest_wait_ms,
    estimate_censored_latencies,
    find_clock_uncertainty_ms,
)
from analysis.measures.probe_metrics import WATCHED, compute_probe_metrics, count_unique_threads
from analysis.measures.ramp import measure_ramp_growth
from analysis.measures.request_accounting import (
    RequestAccounting,
    account_for_requests,
    is_load_request,
)
from analysis.measures.resource_usage import (
    USAGE,
    compute_cpu_ms,
    compute_cpu_percent_peak,
    compute_memory_mib_peak,
    compute_threads_peak,
)
from analysis.measures.window import (
    CellRows,
    CellTables,
    Window,
    find_last_moment,
    find_window,
    get_planned_window,
)
from analysis.stats.quantiles import estimate_quantile
from analysis.stats.quotients import divide_or_none
from analysis.stats.steady_state import Drift
from analysis.summary.aggregate_only import add_faults
from analysis.summary.model import BystanderLatency, CellSummary, Cycle, ErrorCount, WholeRun
from analysis.summary.open_loop import summarize_open_loop
from analysis.verdicts.evidence import gather_evidence
from analysis.verdicts.judge import judge
from records.cell import ROUND_S, CellRecord, find_death_rounds
from records.prediction import Prediction
from scenarios.units import Second

SETTLE_S = 0.5
SWEEP_S = 0.5
"""The runner looks at memory and threads so often: a window of some tenths of a second may lie
between two looks."""
MOST_ERRORS = 20
PINGS = ("intended_s", "ended_s", "error")


def compute_summary(
    record: CellRecord, cell: CellTables, prediction: Prediction | None = None
) -> CellSummary:
    """Table after table: no two large ones are held at once."""
    window = find_window(record, cell.load_table("requests", (*TIMES, "status")))
    end_s = find_last_moment(record, cell)
    seen = compute_probe_metrics(cell.load_table("probe", WATCHED), window)
    unique, active = compute_handler_threads(record, cell, window)
    delay_median_ms, delay_p99_ms = compute_arrival_delays(record, cell, window)
    account = account_for_cell(record, cell)
    bounded = compute_censored_latencies(record, cell, window, end_s)
    sweeps = cell.load_table("machine", USAGE)
    machine = sweeps.filter(window.contains("at_s"))
    around = sweeps.filter(window.widen(SWEEP_S).contains("at_s"))
    requests = cell.load_table("requests", (*TIMES, "process", "user", "status", "error"))
    completions = requests.filter(window.contains("ended_s"))
    rows = CellRows(record, cell, window, end_s, requests, completions)
    found = gather_evidence(rows, account, prediction)
    law = found.answers.little
    all_ms = compute_latencies_ms(record, completions)
    good_ms = all_ms[completions["error"].is_null().to_numpy()]
    failures = len(all_ms) - len(good_ms)
    summary = CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=None if record.scenario.load.is_open else record.scenario.load.users,
        duration_s=window.length_s or None,
        requests=completions.height,
        failures=failures,
        failure_ratio=divide_or_none(failures, completions.height),
        unfinished=found.answers.unfinished,
        rps=divide_or_none(completions.height, window.length_s),
        ok_rps=divide_or_none(len(good_ms), window.length_s),
        failures_per_s=divide_or_none(failures, window.length_s),
        success_ratio=divide_or_none(len(good_ms), completions.height),
        mean_ms=float(all_ms.mean()) if len(all_ms) else None,
        min_ms=estimate_quantile(all_ms, 0.0),
        median_ms=estimate_quantile(all_ms, 0.5),
        ok_median_ms=estimate_quantile(good_ms, 0.5),
        median_lower_bound_ms=bounded.median_lower_bound_ms,
        median_censored_ms=bounded.median_censored_ms,
        p99_lower_bound_ms=bounded.p99_lower_bound_ms,
        p99_censored_ms=bounded.p99_censored_ms,
        p95_ms=estimate_quantile(all_ms, 0.95),
        p99_ms=estimate_quantile(all_ms, 0.99),
        p999_ms=estimate_quantile(all_ms, 0.999),
        max_ms=estimate_quantile(all_ms, 1.0),
        users_seen=law.users_seen if law else None,
        users_unanswered=law.unanswered if law else None,
        users_longest_wait_median_ms=compute_longest_wait_ms(
            record, requests, window.start_s, window.end_s, end_s
        ),
        warm_up_cut_s=window.cut_s,
        response_drift=get_drift_share(found.steadiness.response_drift),
        throughput_drift=get_drift_share(found.steadiness.throughput_drift),
        threads_unique=unique,
        threads_spawned=seen.threads_spawned
        if record.scenario.has_probe
        else compute_threads_peak(around, "server"),
        threads_active_mean=active.mean if active else None,
        threads_active_peak=active.peak if active else None,
        pool_total=seen.pool_total,
        pool_waiting_peak=seen.pool_waiting_peak,
        loop_lag_p99_ms=seen.loop_lag_p99_ms,
        loop_lag_max_ms=seen.loop_lag_max_ms,
        loop_blocked_share=seen.loop_blocked_share,
        blocked_by=seen.blocked_by if record.scenario.endpoint.works_on_the_loop else None,
        worker_restarts=len(record.deaths),
        cpu_percent_peak=compute_cpu_percent_peak(machine, "server", together=True),
        cpu_ms_per_request=compute_cpu_ms(
            machine, "server", divide_or_none(completions.height, window.length_s)
        ),
        rss_mib_peak=compute_memory_mib_peak(around, "server"),
        live_cpu_percent_peak=compute_cpu_percent_peak(machine, "live", together=True),
        generator_cpu_percent_peak=max(found.instruments.generator_cpu_percent, default=None),
        generator_cpu_percent=found.instruments.generator_cpu_percent,
        generator_lateness_median_ms=found.instruments.generator_lateness_median_ms,
        generator_lateness_p99_ms=found.instruments.generator_lateness_p99_ms,
        upstream_late_share=found.instruments.upstream_late_share,
        other_load_cores=found.instruments.other_load_cores,
        stolen_cores=found.instruments.stolen_cores,
        arrival_delay_median_ms=delay_median_ms,
        arrival_delay_p99_ms=delay_p99_ms,
        clock_uncertainty_ms=find_clock_uncertainty_ms(record),
        open_loop=summarize_open_loop(rows, found.backlog),
        growth=measure_ramp_growth(record, requests, divide_or_none(len(good_ms), window.length_s)),
        bystander=summarize_bystander(
            cell.load_table("bystander", PINGS), window, end_s, record.scenario.bystander.path
        ),
        whole_run=summarize_whole_run(requests, record),
        fates=account,
        interrupted=record.interrupted,
        predicted=prediction,
        cycles=summarize_cycles(completions, record),
        verdicts=tuple(each.to_record() for each in judge(found)),
        errors=count_errors(completions)[:MOST_ERRORS],
    )
    return add_faults(summary, record.faults) if record.faults else summary


def compute_handler_threads(
    record: CellRecord, cell: CellTables, window: Window
) -> tuple[int | None, ActiveThreads | None]:
    """How many threads ever were in a handler, and how many at once in the window."""
    of_load = (
        is_load_request(record.cell_number)
        if record.scenario.load.tells_ids
        else pl.col("request_id").is_null()
    )
    own = cell.load_table("handlers", HANDLED).filter(of_load).drop("request_id")
    unique = count_unique_threads(own)
    if not window.length_s:
        return unique, None
    last_seen = (
        cell.load_table("probe", ("pid", "at_s")).group_by("pid").agg(seen_s=pl.col("at_s").max())
    )
    return unique, compute_active_threads(own, last_seen, window.start_s, window.end_s)


def compute_arrival_delays(
    record: CellRecord, cell: CellTables, window: Window
) -> tuple[float | None, float | None]:
    """Median and p99 in ms."""
    arrivals = cell.load_table("handlers", ("request_id", "arrived_s"))
    delays_ms = compute_arrival_delays_ms(
        record,
        cell.load_table("requests", ("request_id", "started_s")),
        arrivals.filter(window.contains("arrived_s")),
    )
    return estimate_quantile(delays_ms, 0.5), estimate_quantile(delays_ms, 0.99)


def account_for_cell(record: CellRecord, cell: CellTables) -> RequestAccounting:
    followed = record.scenario.load.tells_ids
    seen = followed and record.scenario.has_probe
    asked = followed and record.scenario.upstream is not None
    return account_for_requests(
        cell.load_table("requests", ("request_id", "status", "error", "ended_s")),
        cell.load_table("handlers", ("request_id",)) if seen else None,
        cell.load_table("upstream", ("request_id",)) if asked else None,
        record.cell_number,
    )


def compute_censored_latencies(
    record: CellRecord, cell: CellTables, window: Window, end_s: Second
) -> CensoredLatencies:
    requests = cell.load_table("requests", TIMES)
    completions = requests.filter(window.contains("ended_s"))
    return estimate_censored_latencies(
        collect_censored_durations(record, requests, completions, window.end_s, end_s)
    )


def get_drift_share(found: Drift | None) -> float | None:
    return found.share if found else None


def summarize_bystander(
    pings: pl.DataFrame, window: Window, end_s: Second, path: str
) -> BystanderLatency:
    asked = pings.filter(window.contains("intended_s"))
    told = asked.filter(pl.col("error").is_null())
    waited_ms = 1000 * (told["ended_s"].fill_null(end_s) - told["intended_s"]).to_numpy()
    unanswered = asked["ended_s"].null_count()
    return BystanderLatency(
        median_ms=estimate_quantile(waited_ms, 0.5),
        p99_ms=estimate_quantile(waited_ms, 0.99),
        failures=asked.filter(pl.col("error").is_not_null()).height + unanswered,
        pings=asked.height,
        unanswered=unanswered,
        path=path,
    )


def summarize_whole_run(requests: pl.DataFrame, record: CellRecord) -> WholeRun:
    phases = record.phases
    ended = requests.filter(pl.col("ended_s").is_not_null())
    if phases.window_end_s is not None:
        ended = ended.filter(pl.col("ended_s") < phases.window_end_s)
    first, last = requests["started_s"].min(), ended["ended_s"].max()
    if not isinstance(first, float) or not isinstance(last, float):
        return WholeRun(0, 0, 0.0, None)
    failures = ended.filter(pl.col("error").is_not_null()).height
    length_s = (phases.window_end_s or last) - first
    median_ms = estimate_quantile(1000 * (ended["ended_s"] - ended["started_s"]).to_numpy(), 0.5)
    return WholeRun(ended.height, failures, ended.height / length_s, median_ms)


def summarize_cycles(completions: pl.DataFrame, record: CellRecord) -> tuple[Cycle, ...]:
    """Between the worker deaths of a cell that was planned to have them."""
    if record.cycles_planned is None:
        return ()
    window = get_planned_window(record)
    marks = [
        mark
        for mark in (at_s + SETTLE_S for at_s in find_death_rounds(record.deaths))
        if window.start_s - ROUND_S - SETTLE_S <= mark <= window.end_s + SETTLE_S
    ]
    found = []
    for start_s, end_s in pairwise(marks):
        inside = completions.filter(Window(start_s, end_s).contains("ended_s"))
        ok = inside["error"].null_count()
        found.append(Cycle(start_s, end_s, ok, inside.height - ok, ok / (end_s - start_s)))
    return tuple(found)


def count_errors(completions: pl.DataFrame) -> tuple[ErrorCount, ...]:
    counted = (
        completions.filter(pl.col("error").is_not_null())
        .group_by("error")
        .len()
        .sort(["len", "error"], descending=[True, False])
    )
    return tuple(ErrorCount(error, count) for error, count in counted.iter_rows())
