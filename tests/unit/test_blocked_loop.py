"""The study's share of a blocked loop and its places, from the stretches that the probe timed."""

import json
from dataclasses import replace

import polars as pl
import pytest

from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from records.cell import WorkerDeath
from records.rows import BLOCK_STACKS, BLOCKS, conform_to_schema
from tests.unit.samples import InMemoryTables, healthy, record, tables

WINDOW_S = 10.0
STACK = [
    ["time", "/lib/python3.13/time.py", 5, "sleep", 1],
    ["app.clients", "app/clients.py", 57, "fetch", 50],
    ["app.endpoints", "app/endpoints.py", 9, "endpoint", 3],
    ["fastapi.routing", "/lib/python3.13/site-packages/fastapi/routing.py", 9, "app", 1],
]


def block_for(lasts_s: float, every_s: float, **clocks: float) -> InMemoryTables:
    """One stretch after the other through the window of 10 s, each with three samples."""
    blocks: list[dict[str, object]] = []
    stacks: list[dict[str, object]] = []
    for number in range(int(WINDOW_S / every_s)):
        began_s = 2.0 + every_s * number
        row: dict[str, object] = {"pid": 1, "stretch": number + 1, "visit": number + 1}
        clock = {"cpu_s": 0.0, "run_delay_s": 0.0, "unseen_s": 0.0, "paused_s": 0.0, **clocks}
        times = {"began_s": began_s, "ended_s": began_s + lasts_s, **clock}
        blocks.append({**row, **times, "timed": True, "route": "/a"})
        stacks += [
            {**row, "at_s": began_s + part * lasts_s, "stack": json.dumps(STACK), "in_gc": False}
            for part in (0.3, 0.6, 0.9)
        ]
    return replace_tables(pl.DataFrame(blocks), pl.DataFrame(stacks))


def replace_tables(blocks: pl.DataFrame, stacks: pl.DataFrame) -> InMemoryTables:
    return replace(
        tables(healthy()),
        blocks=conform_to_schema(blocks, BLOCKS),
        block_stacks=conform_to_schema(stacks, BLOCK_STACKS),
    )


def summarize(found: InMemoryTables) -> CellSummary:
    return compute_summary(record("async-http-sync-shared"), found)


@pytest.mark.parametrize(("lasts_s", "every_s"), [(0.12, 0.125), (0.09, 0.092), (0.03, 0.031)])
def test_short_blocks_one_after_the_other_are_the_whole_time(
    lasts_s: float, every_s: float
) -> None:
    """Counting heartbeat ages above a tenth of a second gave 17 % and 0 %."""
    summary = summarize(block_for(lasts_s, every_s))
    share = int(WINDOW_S / every_s) * lasts_s / WINDOW_S
    assert summary.loop_blocked_share == pytest.approx(share, rel=0.01)
    (site,) = summary.blocking_sites
    assert (site.route, site.file, site.line, site.function) == (
        "/a",
        "app/clients.py",
        57,
        "fetch",
    )
    assert site.cause == "wait"
    assert site.seconds == pytest.approx(share * WINDOW_S, rel=0.01)
    assert site.longest_ms == pytest.approx(1000 * lasts_s)
    assert site.share == pytest.approx(1.0)
    assert site.stack is not None
    assert site.stack[1] == "app/clients.py:57 fetch"


def test_what_the_machine_took_blocks_nothing() -> None:
    summary = summarize(block_for(0.1, 0.125, run_delay_s=0.095))
    assert (summary.loop_blocked_share, summary.blocking_sites) == (0.0, ())


def test_a_stretch_counts_as_far_as_it_lies_in_the_window() -> None:
    row = {"pid": 1, "stretch": 1, "cpu_s": 0.0, "run_delay_s": 0.0, "unseen_s": 0.0}
    before = {**row, "began_s": 0.0, "ended_s": 4.0}
    lasting = {**row, "stretch": 2, "began_s": 11.0, "ended_s": None}
    stacks = pl.DataFrame(schema=BLOCK_STACKS)
    summary = summarize(replace_tables(pl.DataFrame([before, lasting]), stacks))
    assert summary.loop_blocked_share == pytest.approx(0.3, rel=0.01)  # 2 s and 1 s of 10 s


def test_a_run_of_an_older_probe_keeps_what_its_samples_say() -> None:
    summary = summarize(tables(healthy()))
    assert (summary.loop_blocked_share, summary.blocking_sites) == (0.0, ())


def test_a_block_ends_with_the_worker_that_is_killed_in_it() -> None:
    """It does not end with the cell: 0.4 s of the last one, which began at 11 s."""
    found = block_for(0.3, 1.0)
    assert found.blocks is not None
    is_last = pl.col("stretch") == pl.col("stretch").max()
    cut = pl.when(is_last).then(None).otherwise(pl.col("ended_s"))
    open_one = replace(found, blocks=found.blocks.with_columns(ended_s=cut))
    plain = record("async-http-sync-shared")
    killed = replace(plain, deaths=(WorkerDeath(11.4, 1, "killed"),))
    for cell, longest_ms in ((killed, 400.0), (plain, 1000.0)):
        (site,) = compute_summary(cell, open_one).blocking_sites
        assert site.longest_ms == pytest.approx(longest_ms)
