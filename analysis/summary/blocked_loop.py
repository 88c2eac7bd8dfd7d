"""Blocking of the event loop in a cell's window: its share, and the blocking sites.

Computed from the stretches that the probe timed. A run of an older probe has none and keeps the
figures of its heartbeat samples (`analysis.measures.probe_metrics`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from analysis.findings.blocks.attribution import attribute_stretches
from analysis.findings.blocks.causes import judge_stretch
from analysis.findings.blocks.shares import StretchShare
from analysis.findings.evidence import Stretch, StretchClocks
from analysis.findings.load_evidence import build_stretches, list_endpoints
from analysis.findings.places import BlockPlace, PlaceFinder, shorten_file
from analysis.measures.probe_metrics import BlockingSite, ProbeMetrics, compute_observed_time
from analysis.measures.window import MeasuredCell, Window
from records.rows import BLOCK_STACKS, BLOCKS
from scenarios.units import Second

HERE = "."
"""Files of a recorded cell are relative to its server's working directory."""
HANDLED = ("route", "endpoint", "protocol")


def replace_blocked_loop(cell: MeasuredCell, probe: ProbeMetrics) -> ProbeMetrics:
    """Replace the loop's blocked share and sites by those from stretches, where recorded."""
    if not cell.tables.has_table("blocks"):
        return probe
    stretches = load_stretches(cell)
    share = compute_blocked_share(cell, stretches)
    known = cell.record.scenario.endpoint.works_on_the_loop
    sites = find_blocking_sites(stretches, load_handlers(cell)) if known else ()
    return replace(probe, loop_blocked_share=share, blocking_sites=sites)


def load_stretches(cell: MeasuredCell) -> tuple[Stretch, ...]:
    """Load the stretches that overlap the window, cut to it. A worker's death ends its stretch."""
    blocks = cell.tables.load_table("blocks", tuple(BLOCKS))
    stacks = cell.tables.load_table("block_stacks", tuple(BLOCK_STACKS))
    died_s = {each.pid: each.at_s for each in cell.record.deaths}
    pids = blocks["pid"].to_list()
    ends_s = pl.Series([died_s.get(each, cell.end_s) for each in pids], dtype=pl.Float64)
    inside = blocks.with_columns(ended_s=pl.col("ended_s").fill_null(ends_s)).filter(
        pl.col("began_s") < cell.window.end_s, pl.col("ended_s") > cell.window.start_s
    )
    return tuple(cut_stretch(each, cell.window) for each in build_stretches(inside, stacks))


def cut_stretch(stretch: Stretch, window: Window) -> Stretch:
    """Cut it to the window, and scale its clocks in proportion."""
    began_s = max(stretch.began_s, window.start_s)
    part = (min(stretch.ended_s, window.end_s) - began_s) / stretch.clocks.length_s
    if part >= 1.0:
        return stretch
    whole = stretch.clocks
    clocks = StretchClocks(
        length_s=whole.length_s * part,
        cpu_s=scale(whole.cpu_s, part),
        run_delay_s=scale(whole.run_delay_s, part),
        gc_s=scale(whole.gc_s, part),
        unseen_s=scale(whole.unseen_s, part),
        paused_s=scale(whole.paused_s, part),
        holder_cpu_s=scale(whole.holder_cpu_s, part),
    )
    return replace(stretch, began_s=began_s, clocks=clocks)


def scale(value: Second | None, part: float) -> Second | None:
    return None if value is None else value * part


def compute_blocked_share(cell: MeasuredCell, stretches: Sequence[Stretch]) -> float | None:
    """Compute the share that code caused, for the worst process; None without a probe."""
    samples = cell.tables.load_table("probe", ("pid", "at_s")).filter(cell.window.contains("at_s"))
    observed_s = compute_observed_time(samples)
    blocked_s: dict[int, Second] = defaultdict(float)
    for stretch in stretches:
        blocked_s[stretch.pid] += judge_stretch(stretch.clocks).code_s
    shares = [blocked_s[pid] / seconds for pid, seconds in observed_s.items() if seconds]
    return min(1.0, max(shares)) if shares else None


def load_handlers(cell: MeasuredCell) -> pl.DataFrame:
    """Count the requests of each route, with its handler's code."""
    handlers = cell.tables.load_table("handlers", HANDLED).lazy().group_by(HANDLED).len()
    return handlers.collect(engine="streaming")


def find_blocking_sites(
    stretches: Sequence[Stretch], handlers: pl.DataFrame
) -> tuple[BlockingSite, ...]:
    """Find sites with enough evidence, the worst first. handlers: from `load_handlers`."""
    requests = handlers.group_by("route").agg(pl.col("len").sum()).drop_nulls()
    finder = PlaceFinder(HERE, list_endpoints(handlers))
    found = attribute_stretches(stretches, finder, dict(requests.iter_rows())).sites
    all_s = sum(share.seconds for shares in found.values() for share in shares)
    sites = [describe_site(place, shares, all_s) for place, shares in found.items()]
    return tuple(sorted(sites, key=lambda each: -each.seconds))


def describe_site(place: BlockPlace, shares: Sequence[StretchShare], all_s: Second) -> BlockingSite:
    seconds = sum(each.seconds for each in shares)
    worst = max(shares, key=lambda each: each.seconds)
    stack = worst.located.stack
    innermost = stack[0] if stack else None
    outside = f"{innermost.module} {innermost.function}" if innermost else None
    is_own = worst.located.own is not None  # otherwise a library blocks, not the route's code
    return BlockingSite(
        route=place.route,
        file=place.file if is_own else None,
        line=place.line if is_own else None,
        function=place.function if is_own else outside,
        stack=tuple(
            f"{shorten_file(each.file, HERE)}:{each.line} {each.function}" for each in stack
        ),
        cause=find_main_cause(shares),
        seconds=seconds,
        longest_ms=1000 * max(each.stretch.clocks.length_s for each in shares),
        share=seconds / all_s if all_s else 0.0,
    )


def find_main_cause(shares: Iterable[StretchShare]) -> str:
    seconds: dict[str, Second] = defaultdict(float)
    for share in shares:
        seconds[share.cause] += share.seconds
    return max(seconds, key=seconds.__getitem__)
