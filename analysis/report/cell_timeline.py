"""The timeline of a cell, including the calls that its requests offloaded to threads."""

from dataclasses import replace

import polars as pl

from analysis.measures.window import MeasuredCell, Window
from analysis.report.timeline import HANDLED, PROBED, Timeline, build_timeline_from_rows
from scenarios.model import THREADS_OF

CALLED = ("pid", "visit", "route", "asked_s", "began_s", "ended_s", "thread_id", "thread_kind")


def build_timeline(cell: MeasuredCell) -> Timeline:
    """Build the timeline of the window, or of as much of it as fits a page; for a cell cut short
    before the window, of the whole cell."""
    tables, endpoint = cell.tables, cell.record.scenario.endpoint
    handlers, probe = tables.load_table("handlers", HANDLED), tables.load_table("probe", PROBED)
    window = cell.window if cell.window.length_s else Window(0.0, cell.end_s)
    has_calls = tables.has_table("thread_calls")
    if has_calls:
        handlers = pl.concat([handlers, load_calls(cell)])
    found = build_timeline_from_rows(handlers, probe, window, blocks=endpoint.blocks_the_loop)
    hands_over = endpoint.style != "def" and endpoint.style in THREADS_OF
    return replace(found, lacks_calls=hands_over and not has_calls)


def load_calls(cell: MeasuredCell) -> pl.DataFrame:
    """Load offloaded calls as rows of handlers."""
    calls = cell.tables.load_table("thread_calls", CALLED)
    asked = cell.tables.load_table("handlers", ("pid", "visit", "request_id"))
    names = {"asked_s": "queued_s", "began_s": "started_s"}
    return (
        calls.join(asked, on=("pid", "visit"), how="left")
        .rename(names)
        .with_columns(sent_s="ended_s")
        .select(HANDLED)
    )
