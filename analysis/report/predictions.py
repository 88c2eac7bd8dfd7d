"""Predictions as lines of text for a terminal: tables, and sentences."""

from collections.abc import Sequence
from textwrap import fill

from analysis.report.render import WIDTH, render_terminal
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.theory.curve import Curve
from analysis.theory.sizing import LoadTarget, Sizing
from records.prediction import Prediction

BAR = 24
LIMIT = "limited by"
COLUMNS = (
    Column("scenario", is_text=True, width=22),
    Column("ok", "rps", formats.rate, width=7),
    *(Column(each, "ms", formats.milliseconds, width=8) for each in ("mean", "median", "p99")),
    Column("ceiling", "rps", formats.rate),
    Column(LIMIT, is_text=True),
)
CURVE_COLUMNS = (
    Column("users", width=9),
    Column("ok rps", format=formats.rate, width=10),
    Column("mean ms", format=formats.milliseconds, width=11),
    Column(LIMIT, is_text=True, width=13),
    Column("throughput", is_text=True),
)


def render_predictions(predictions: Sequence[tuple[str, Prediction]]) -> str:
    rows: list[Row] = []
    for name, each in predictions:
        times = (each.mean_ms, each.median_ms, each.p99_ms)
        rows.append(Row(name, (each.ok_rps, *times, each.ceiling_rps, each.limited_by)))
        if each.starved:
            starved = f"{each.starved} users are never served; the latencies are of the others"
            rows.append(Row(starved, extra=True))
    return "\n".join(render_terminal(Table(COLUMNS, rows)))


def render_curves(curves: Sequence[tuple[str, Curve]]) -> str:
    """Throughput and response over the users, with bars, and where the knee is."""
    tables = (build_curve_table(name, curve) for name, curve in curves)
    return "\n\n".join("\n".join(render_terminal(each)) for each in tables)


def build_curve_table(name: str, curve: Curve) -> Table:
    most = max(point.ok_rps for point in curve.points)
    rows: list[Row] = []
    for point in curve.points:
        bar = "█" * max(1, round(BAR * point.ok_rps / most))
        cells = (point.ok_rps, 1000 * point.mean_s, point.limited_by, bar)
        rows.append(Row(f"{point.users:,}", cells))
    knee = "no knee: nothing but the number of users limits"
    if curve.knee_users is not None and curve.highest_rps is not None:
        knee = (
            f"knee at {curve.knee_users:,.0f} users: beyond it more of them bring more waiting "
            f"and no more than {formats.rate(curve.highest_rps)} rps"
        )
    return Table(CURVE_COLUMNS, rows, name, [knee])


def render_sizings(target: LoadTarget, sizes: Sequence[tuple[str, Sizing | None]]) -> str:
    texts = (format_sizing(name, target, each) for name, each in sizes)
    return "\n".join(fill(text, WIDTH, subsequent_indent="    ") for text in texts)


def format_sizing(name: str, target: LoadTarget, found: Sizing | None) -> str:
    p99 = formats.milliseconds(1000 * target.p99_s)
    wish = f"{name}: for {formats.rate(target.rate_per_s)} rps with a p99 under {p99} ms"
    if found is None:
        return f"{wish} no number of workers is enough: a request alone takes too long"
    threads = "" if found.pool is None else f" with {found.pool} threads each"
    bound = f"; fewer than {found.at_least_workers} cannot keep up ({found.bound_by})"
    return (
        f"{wish}: {found.workers:,} workers{threads}, {found.machines:,} machine(s); "
        f"simulated p99 {formats.milliseconds(1000 * found.p99_s)} ms "
        f"({found.simulations} simulations){bound if found.bound_by else ''}"
    )
