"""Computation of a cell's summary from its tables."""

from dataclasses import fields
from itertools import pairwise

import polars as pl

from analysis.measures.latency import measure_arrival_delay, summarize_latency
from analysis.measures.littles_law import UserSummary
from analysis.measures.probe_metrics import compute_probe_metrics
from analysis.measures.request_accounting import account_for_cell
from analysis.measures.resource_usage import measure_server_usage
from analysis.measures.thread_calls import measure_pool_use
from analysis.measures.threads import summarize_threads
from analysis.measures.throughput import (
    measure_ramp_growth,
    measure_throughput,
    summarize_open_loop,
)
from analysis.measures.window import (
    CellTables,
    MeasuredCell,
    Window,
    get_planned_window,
    open_cell,
)
from analysis.stats.quantiles import estimate_quantile
from analysis.summary.blocked_loop import replace_blocked_loop
from analysis.summary.model import BystanderLatency, CellSummary, Cycle, ErrorCount, WholeRun
from analysis.verdicts.base import gather_evidence, judge
from records.cell import ROUND_S, CellRecord, find_death_rounds
from records.prediction import Prediction
from scenarios.model import THREADS_OF

FIGURES = frozenset(each.name for each in fields(CellSummary))
SETTLE_S = 0.5
MOST_ERRORS = 20
NO_PATH = 404
PINGS = ("intended_s", "ended_s", "status", "error")


MEASURES = (
    summarize_latency, summarize_threads, measure_pool_use, measure_server_usage,
    measure_arrival_delay,
)  # fmt: skip
"""Each gives some of the figures."""


def compute_summary(
    record: CellRecord, tables: CellTables, prediction: Prediction | None = None
) -> CellSummary:
    """Read table after table, so that memory never holds two large ones."""
    cell, load = open_cell(record, tables), record.scenario.load
    probe = compute_probe_metrics(cell)
    prediction = check_pool(prediction, record, probe.pool_total)
    found = gather_evidence(cell, account_for_cell(cell), prediction)
    throughput = measure_throughput(cell)
    groups = (
        throughput, found.littles_law or UserSummary(), found.steadiness, found.instruments,
        *(measure(cell) for measure in MEASURES), replace_blocked_loop(cell, probe),
    )  # fmt: skip
    measured = {name: value for group in groups for name, value in vars(group).items()}
    return CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=None if load.is_open else load.users,
        **{name: value for name, value in measured.items() if name in FIGURES},
        open_loop=summarize_open_loop(cell, found.backlog),
        growth=measure_ramp_growth(record, cell.requests, throughput.ok_rps),
        bystander=summarize_bystander(cell),
        whole_run=summarize_whole_run(cell),
        fates=found.counts,
        interrupted=record.interrupted,
        predicted=prediction,
        cycles=summarize_cycles(cell),
        verdicts=tuple(each.to_record() for each in judge(found)),
        errors=count_errors(cell),
        cpu_growth=found.cpu_growth,
    )


def check_pool(
    found: Prediction | None, record: CellRecord, threads: int | None
) -> Prediction | None:
    """Return the reason in place of a prediction whose pool is not that of the user's app. threads:
    as recorded, of all workers; None if unknown. A worker that died and its replacement may both
    have been counted."""
    server, style = record.scenario.server, record.scenario.endpoint.style
    assumed = server.pool * server.workers
    is_users = server.has_users_app and THREADS_OF.get(style) == "anyio's pool"
    if found is None or not is_users or record.deaths or threads in (None, assumed):
        return found
    reason = f"the app's pool has {threads} threads, and the model assumed {assumed}"
    return Prediction(cpu_ms=found.cpu_ms, reason=reason)


def summarize_bystander(cell: MeasuredCell) -> BystanderLatency:
    pings = cell.tables.load_table("bystander", PINGS)
    path = cell.record.scenario.bystander.path
    asked = pings.filter(cell.window.contains("intended_s"))
    if asked.height and asked.filter(pl.col("status") == NO_PATH).height == asked.height:
        return BystanderLatency(None, None, 0, 0, 0, path, lacks_path=True)
    good = asked.filter(pl.col("error").is_null())
    waited_ms = 1000 * (good["ended_s"].fill_null(cell.end_s) - good["intended_s"]).to_numpy()
    unanswered = asked["ended_s"].null_count()
    return BystanderLatency(
        median_ms=estimate_quantile(waited_ms, 0.5),
        p99_ms=estimate_quantile(waited_ms, 0.99),
        failures=asked.filter(pl.col("error").is_not_null()).height + unanswered,
        pings=asked.height,
        unanswered=unanswered,
        path=path,
    )


def summarize_whole_run(cell: MeasuredCell) -> WholeRun:
    phases, requests = cell.record.phases, cell.requests
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


def summarize_cycles(cell: MeasuredCell) -> tuple[Cycle, ...]:
    """Summarize the time between worker deaths, for a cell that was planned to have them."""
    record = cell.record
    if record.cycles_planned is None:
        return ()
    window = get_planned_window(record)
    marks = [
        mark
        for at_s in find_death_rounds(record.deaths)
        if window.start_s - ROUND_S - SETTLE_S
        <= (mark := at_s + SETTLE_S)
        <= window.end_s + SETTLE_S
    ]
    found = []
    for start_s, end_s in pairwise(marks):
        inside = cell.completions.filter(Window(start_s, end_s).contains("ended_s"))
        ok = inside["error"].null_count()
        found.append(Cycle(start_s, end_s, ok, inside.height - ok, ok / (end_s - start_s)))
    return tuple(found)


def count_errors(cell: MeasuredCell) -> tuple[ErrorCount, ...]:
    """Count the most frequent errors, and those of requests without a row."""
    counted = (
        cell.completions.filter(pl.col("error").is_not_null())
        .group_by("error")
        .len()
        .sort(["len", "error"], descending=[True, False])
    )
    found = (*counted.head(MOST_ERRORS).iter_rows(), *cell.record.faults.items())
    errors = (ErrorCount(error, count) for error, count in found)
    return tuple(sorted(errors, key=lambda each: -each.count))
