"""Requests at the server that this run did not send."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.probe_metrics import compute_simultaneous_peak
from analysis.measures.request_accounting import is_bystander_request, is_load_request
from analysis.measures.thread_calls import POOL
from analysis.measures.window import MeasuredCell


@dataclass(frozen=True, slots=True)
class OtherRequests:
    """requests: that arrived in the window. share: of all that arrived there. pool_share: of the
    time of all threads of the pool; None where the pool's size is not known."""

    requests: int = 0
    share: float = 0.0
    pool_share: float | None = None


def measure_other_clients(cell: MeasuredCell) -> OtherRequests:
    """None are found where the load's own requests carry no id."""
    window, scenario = cell.window, cell.record.scenario
    if not (scenario.load.tells_ids and scenario.server.is_python and window.length_s):
        return OtherRequests()
    columns = ("request_id", "arrived_s", "started_s", "ended_s", "thread_kind")
    arrived = cell.tables.load_table("handlers", columns).filter(window.contains("arrived_s"))
    is_ours = is_load_request(cell.record.cell_number) | is_bystander_request()
    others = arrived.filter(~is_ours.fill_null(value=False))
    if others.is_empty():
        return OtherRequests()
    held = others.filter(pl.col("thread_kind") == POOL).select(
        (pl.col("ended_s").fill_null(window.end_s).clip(upper_bound=window.end_s))
        - pl.col("started_s").clip(upper_bound=window.end_s)
    )
    samples = cell.tables.load_table("probe", ("pid", "at_s", "pool_total"))
    size = compute_simultaneous_peak(samples, pl.col("pool_total"))
    pool_share = float(held.sum().item()) / (size * window.length_s) if size else None
    return OtherRequests(others.height, others.height / arrived.height, pool_share)
