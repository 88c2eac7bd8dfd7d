"""From the tables of a cell to its summary."""

from itertools import pairwise

import polars as pl

from analysis.measures.arrival_delay import measure_arrival_delay
from analysis.measures.backlog import summarize_open_loop
from analysis.measures.latency import summarize_latency
from analysis.measures.littles_law import summarize_users
from analysis.measures.probe_metrics import compute_probe_metrics
from analysis.measures.request_accounting import account_for_cell
from analysis.measures.resource_usage import measure_server_usage
from analysis.measures.steadiness import summarize_steadiness
from analysis.measures.threads import summarize_threads
from analysis.measures.throughput import measure_ramp_growth, measure_throughput
from analysis.measures.window import (
    CellRows,
    CellTables,
    MeasuredCell,
    Window,
    get_planned_window,
    load_rows,
    open_cell,
)
from analysis.stats.quantiles import estimate_quantile
from analysis.summary.model import BystanderLatency, CellSummary, Cycle, ErrorCount, WholeRun
from analysis.verdicts.evidence import gather_evidence
from analysis.verdicts.judge import judge
from records.cell import ROUND_S, CellRecord, find_death_rounds
from records.prediction import Prediction

SETTLE_S = 0.5
MOST_ERRORS = 20
PINGS = ("intended_s", "ended_s", "error")


def compute_summary(
    record: CellRecord, tables: CellTables, prediction: Prediction | None = None
) -> CellSummary:
    """Table after table: no two large ones are held at once."""
    cell = open_cell(record, tables)
    probe, threads = compute_probe_metrics(cell), summarize_threads(cell)
    delay, account = measure_arrival_delay(cell), account_for_cell(record, tables)
    rows = load_rows(cell)
    found = gather_evidence(rows, account, prediction)
    throughput, load = measure_throughput(rows), record.scenario.load
    return CellSummary(
        scenario=record.scenario.name,
        trial=record.trial,
        users=None if load.is_open else load.users,
        **vars(throughput),
        **vars(summarize_latency(rows)),
        **vars(summarize_users(rows, found.littles_law)),
        **vars(summarize_steadiness(found.steadiness)),
        **vars(threads),
        **vars(probe),
        **vars(measure_server_usage(rows)),
        **vars(found.instruments.summary),
        **vars(delay),
        open_loop=summarize_open_loop(rows, found.backlog),
        growth=measure_ramp_growth(record, rows.requests, throughput.ok_rps),
        bystander=summarize_bystander(cell),
        whole_run=summarize_whole_run(rows),
        fates=account,
        interrupted=record.interrupted,
        predicted=prediction,
        cycles=summarize_cycles(rows),
        verdicts=tuple(each.to_record() for each in judge(found)),
        errors=count_errors(rows),
    )


def summarize_bystander(cell: MeasuredCell) -> BystanderLatency:
    pings = cell.tables.load_table("bystander", PINGS)
    asked = pings.filter(cell.window.contains("intended_s"))
    good = asked.filter(pl.col("error").is_null())
    waited_ms = 1000 * (good["ended_s"].fill_null(cell.end_s) - good["intended_s"]).to_numpy()
    unanswered = asked["ended_s"].null_count()
    return BystanderLatency(
        median_ms=estimate_quantile(waited_ms, 0.5),
        p99_ms=estimate_quantile(waited_ms, 0.99),
        failures=asked.filter(pl.col("error").is_not_null()).height + unanswered,
        pings=asked.height,
        unanswered=unanswered,
        path=cell.record.scenario.bystander.path,
    )


def summarize_whole_run(rows: CellRows) -> WholeRun:
    phases, requests = rows.record.phases, rows.requests
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


def summarize_cycles(rows: CellRows) -> tuple[Cycle, ...]:
    """Between the worker deaths of a cell that was planned to have them."""
    record = rows.record
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
        inside = rows.completions.filter(Window(start_s, end_s).contains("ended_s"))
        ok = inside["error"].null_count()
        found.append(Cycle(start_s, end_s, ok, inside.height - ok, ok / (end_s - start_s)))
    return tuple(found)


def count_errors(rows: CellRows) -> tuple[ErrorCount, ...]:
    """The most frequent, and those of requests that are no rows."""
    counted = (
        rows.completions.filter(pl.col("error").is_not_null())
        .group_by("error")
        .len()
        .sort(["len", "error"], descending=[True, False])
    )
    found = (*counted.head(MOST_ERRORS).iter_rows(), *rows.record.faults.items())
    errors = (ErrorCount(error, count) for error, count in found)
    return tuple(sorted(errors, key=lambda each: -each.count))
