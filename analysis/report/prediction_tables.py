"""Predictions as tables and sentences."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from analysis.report.notes import EXTRAPOLATED
from analysis.report.run_table import format_range
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.theory.formulas import Curve
from analysis.theory.sizing import MOST_WORKERS, Sizing
from analysis.verdicts.machine import OTHER_LOAD_LIMIT_CORES
from records.prediction import (
    Calibration,
    CpuSample,
    OverloadLatencies,
    OverloadPrediction,
    Prediction,
)

NAME_ROOM, BAR = 22, 24
RATE, TIME = formats.rate, formats.milliseconds


def build_predictions_table(predictions: Sequence[tuple[str, Prediction]]) -> Table:
    columns = (
        Column("scenario", is_text=True, width=NAME_ROOM),
        Column("ok", "rps", RATE), Column("mean", "ms", TIME), Column("median", "ms", TIME),
        Column("p99", "ms", TIME), Column("ceiling", "rps", RATE),
        Column("limited by", is_text=True),
    )  # fmt: skip
    rows, notes = [], []
    for name, each in predictions:
        figures = (each.ok_rps, each.mean_ms, each.median_ms, each.p99_ms, each.ceiling_rps)
        limit = f"{each.limited_by or ''} {format_range(each)}".rstrip()
        rows.append(Row(name, [*figures, limit]))
        if each.reason:
            notes.append(f"{name}: {each.reason}")
        if each.extrapolated:
            notes.append(f"{name}: {EXTRAPOLATED}")
        if isinstance(each, OverloadPrediction):
            notes.append(f"{name}: {describe_overload(each.overload)}")
        if each.starved:
            users = formats.count_things(each.starved, "starved user")
            rows.append(Row(f"  {users}; the latencies are those of the other users"))
    return Table(columns, rows, notes=notes)


def describe_calibration(names: Sequence[str], found: Calibration) -> str:
    """Describe the CPU calibration of these scenarios, and other load on the machine meanwhile."""
    requests: dict[int, list[CpuSample]] = defaultdict(list)
    for each in found.samples:
        requests[each.in_flight].append(each)
    costs = [f"{TIME(1000 * found.cpu_s)} ms alone"] + [
        f"{TIME(1000 * mean(each.cpu_s for each in level))} ms with {in_flight} in flight"
        for in_flight, level in requests.items()
        if in_flight > 1
    ]
    text = f"{', '.join(names)}: CPU per request, measured just now: {', '.join(costs)}"
    other = found.other_cores
    if other is None or other <= OTHER_LOAD_LIMIT_CORES:
        return text
    return (
        f"{text}; other programs used {formats.decimal(other)} cores meanwhile, so these values "
        "may be too high"
    )


def describe_overload(found: OverloadLatencies) -> str:
    quantiles = (
        ("p10", found.p10_ms), ("median", found.p50_ms), ("p99", found.p99_ms),
        ("maximum", found.max_ms),
    )  # fmt: skip
    shown = ", ".join(f"{name} {value / 1000:,.2f} s" for name, value in quantiles)
    return f"latency of {found.requests:,} requests: {shown}"


def build_curve_table(name: str, curve: Curve) -> Table:
    """Build the table of throughput and latency over users, with bars and a note on the knee."""
    most = max(point.ok_rps for point in curve.points)
    rows = []
    for point in curve.points:
        bar = "█" * max(1, round(BAR * point.ok_rps / most))
        figures = point.ok_rps, 1000 * point.mean_s, point.limited_by
        rows.append(Row(f"{point.users:,}", [*figures, bar]))
    columns = (
        Column("users"), Column("ok rps", format=RATE), Column("mean ms", format=TIME),
        Column("limited by", is_text=True), Column("throughput", is_text=True),
    )  # fmt: skip
    notes = [describe_curve_knee(curve), curve.ends_because]
    return Table(columns, rows, name, [each for each in notes if each])


def describe_curve_knee(curve: Curve) -> str:
    if curve.knee_users is None or curve.highest_rps is None:
        return "no knee: only the number of users limits the throughput"
    return (
        f"knee at {curve.knee_users:,.0f} users: more users only wait longer, and throughput stays "
        f"at most {formats.rate(curve.highest_rps)} rps"
    )


def describe_sizing(name: str, rate: float, p99_ms: float, found: Sizing | None) -> str:
    p99 = formats.milliseconds(p99_ms)
    wish = f"{name}: for {formats.rate(rate)} rps with a p99 under {p99} ms"
    if found is None:
        return (
            f"{wish}, up to {MOST_WORKERS:,} workers are not enough: a single request takes "
            "longer, or the rate is too high"
        )
    threads = "" if found.pool is None else f" with {found.pool} threads each"
    workers, machines = found.workers, formats.count_things(found.machines, "machine")
    size = f"{formats.count_things(workers, 'worker')}{threads}, {machines}"
    answer = f"{wish}: {size}; {describe_tail(found)}"
    if found.undecided_workers is not None:
        answer += (
            f"; for {found.undecided_workers:,} to {workers - 1:,} workers the simulation is "
            "inconclusive"
        )
    if found.bound_by is None:
        return answer
    return f"{answer}; fewer than {found.at_least_workers} cannot keep up ({found.bound_by})"


def describe_tail(found: Sizing) -> str:
    p99, low, high = (
        formats.milliseconds(each and 1000 * each)
        for each in (found.p99_s, found.p99_low_s, found.p99_high_s)
    )
    return (
        f"simulated p99 {p99} ms (95 % interval {low} to {high} ms; {found.simulations} "
        f"simulations, {found.simulated_requests:,} requests in total)"
    )
