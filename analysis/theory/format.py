"""Predictions as lines of text: tables of at most 80 columns, and sentences."""

from collections.abc import Sequence
from textwrap import wrap

from analysis.stats import formats
from analysis.theory.curve import Curve
from analysis.theory.sizing import Sizing
from records.prediction import Prediction

NAME_WIDTH = 22
BAR = 24
WIDTH = 80


def format_predictions(predictions: Sequence[tuple[str, Prediction]]) -> list[str]:
    """One line a scenario, under a heading of two."""
    return [
        f"{'scenario':<{NAME_WIDTH}} {'ok':>7} {'mean':>8} {'median':>8} {'p99':>8} "
        f"{'ceiling':>7}  limited by",
        f"{'':<{NAME_WIDTH}} {'rps':>7} {'ms':>8} {'ms':>8} {'ms':>8} {'rps':>7}",
        *(text for name, each in predictions for text in format_prediction(name, each)),
    ]


def format_prediction(name: str, each: Prediction) -> list[str]:
    found = [format_prediction_row(name, each)]
    if each.starved:
        found.append(f"  {each.starved} users are never served; the latencies are of the others")
    return found


def format_prediction_row(name: str, each: Prediction) -> str:
    return (
        f"{name:<{NAME_WIDTH}} {formats.rate(each.ok_rps):>7} "
        f"{formats.milliseconds(each.mean_ms):>8} {formats.milliseconds(each.median_ms):>8} "
        f"{formats.milliseconds(each.p99_ms):>8} {formats.rate(each.ceiling_rps):>7}  "
        f"{each.limited_by or formats.UNKNOWN}"
    )


def format_curve(name: str, curve: Curve) -> list[str]:
    """Throughput and response over the users, with bars, and where the knee is."""
    most = max(point.ok_rps for point in curve.points)
    found = [
        name,
        f"{'users':>9} {'ok rps':>10} {'mean ms':>11}  {'limited by':<13} throughput",
    ]
    for point in curve.points:
        bar = "█" * max(1, round(BAR * point.ok_rps / most))
        found.append(
            f"{point.users:>9,} {formats.rate(point.ok_rps):>10} "
            f"{formats.milliseconds(1000 * point.mean_s):>11}  {point.limited_by:<13} {bar}"
        )
    if curve.knee_users is None or curve.highest_rps is None:
        found.append("no knee: nothing but the number of users limits")
    else:
        found += wrap(
            f"knee at {curve.knee_users:,.0f} users: beyond it more of them bring more waiting "
            f"and no more than {formats.rate(curve.highest_rps)} rps",
            WIDTH,
        )
    return found


def format_sizing(name: str, rate: float, p99_ms: float, found: Sizing | None) -> str:
    p99 = formats.milliseconds(p99_ms)
    wish = f"{name}: for {formats.rate(rate)} rps with a p99 under {p99} ms"
    if found is None:
        return f"{wish} no number of workers is enough: a request alone takes too long"
    threads = "" if found.pool is None else f" with {found.pool} threads each"
    bound = (
        ""
        if found.bound_by is None
        else f"; fewer than {found.at_least_workers} cannot keep up ({found.bound_by})"
    )
    return (
        f"{wish}: {found.workers:,} workers{threads}, {found.machines:,} machine(s); "
        f"simulated p99 {formats.milliseconds(1000 * found.p99_s)} ms "
        f"({found.simulations} simulations){bound}"
    )
