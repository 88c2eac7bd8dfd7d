"""The figures that only a cell has whose requests left on schedule."""

from analysis.measures.backlog import Backlog
from analysis.measures.window import CellRows, get_planned_window
from analysis.stats.quantiles import estimate_quantile
from analysis.summary.model import OpenLoopSummary
from records.cell import CellRecord


def summarize_open_loop(rows: CellRows, backlog: Backlog | None) -> OpenLoopSummary | None:
    load, completions = rows.record.scenario.load, rows.completions
    if load.arrival_rate is None or backlog is None:
        return None
    service_ms = 1000 * (completions["ended_s"] - completions["started_s"]).to_numpy()
    return OpenLoopSummary(
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        offered_rps=backlog.offered_rps,
        sustained_rps=backlog.sustained_rps,
        backlog_growth_per_s=backlog.growth_per_s,
        overloaded=backlog.is_overloaded,
        formula_median_ms=estimate_backlog_median_ms(rows.record, backlog)
        if backlog.is_overloaded
        else None,
        service_median_ms=estimate_quantile(service_ms, 0.5),
        service_p99_ms=estimate_quantile(service_ms, 0.99),
    )


def estimate_backlog_median_ms(record: CellRecord, backlog: Backlog) -> float | None:
    """None where requests failed, which then left the line early."""
    phases = record.phases
    if phases.ramp_end_s is None or not backlog.offered_rps or backlog.failed_rps:
        return None
    window = get_planned_window(record)
    middle_s = (window.start_s + window.end_s) / 2 - phases.ramp_end_s
    return 1000 * middle_s * (1 - backlog.sustained_rps / backlog.offered_rps)
