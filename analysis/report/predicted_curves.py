"""The charts of what is predicted over the number of users."""

from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from analysis.report.drawing import (
    BLUE,
    COLOURS,
    ORANGE,
    PANEL_HEIGHT,
    RED,
    WIDTH,
    Chart,
    build_log_scale,
    draw_uprights,
)
from analysis.theory.curve import Curve

CURVE_WIDTH, CURVE_HEIGHT = 560, 240
Layers = alt.LayerChart | alt.FacetChart
Values = Mapping[str, float | None]
FIGURES = {"ok_rps": "good answers / s", "mean_ms": "mean response, ms"}


def list_curve_points(name: str, curve: Curve) -> list[dict[str, object]]:
    return [
        {
            "scenario": name,
            "users": point.users,
            "ok_rps": point.ok_rps,
            "mean_ms": 1000 * point.mean_s,
            "limited by": point.limited_by,
        }
        for point in curve.points
    ]


def draw_curves(curves: Sequence[tuple[str, Curve]]) -> alt.VConcatChart:
    """Throughput and mean response over the users, both logarithmic; a rule at each knee."""
    points = pl.DataFrame([row for each in curves for row in list_curve_points(*each)])
    knees = pl.DataFrame(
        [{"scenario": name, "users": curve.knee_users} for name, curve in curves],
        schema={"scenario": pl.String, "users": pl.Float64},
    ).drop_nulls()
    return alt.vconcat(
        draw_curve_panel(points, knees, "ok_rps", "throughput, requests a second"),
        draw_curve_panel(points, knees, "mean_ms", "mean response, ms"),
    ).properties(title="Predicted, with the knee (dashed): more users only wait longer beyond it")


def draw_curve_panel(points: pl.DataFrame, knees: pl.DataFrame, what: str, title: str) -> Layers:
    colour = alt.Color("scenario:N", title="scenario").scale(range=COLOURS)
    users = alt.X("users:Q", title="users").scale(type="log")
    line = (
        alt.Chart(points)
        .mark_line(point=True)
        .encode(
            x=users,
            y=alt.Y(f"{what}:Q", title=title).scale(type="log"),
            color=colour,
            shape=alt.Shape("scenario:N", title="scenario"),
            tooltip=["scenario", "users", what, "limited by"],
        )
    )
    knee = alt.Chart(knees).mark_rule(strokeDash=[4, 4]).encode(x="users:Q", color=colour)
    return alt.layer(line, knee).properties(width=CURVE_WIDTH, height=CURVE_HEIGHT)


def draw_prediction(curve: Curve, users: int, predicted: Values, measured: Values) -> Chart:
    """What formulas say over users, with the knee dashed. A circle: what was predicted of the run,
    by simulation where no formula holds; a diamond: what was measured."""
    rows = pl.DataFrame(list_curve_points("", curve))
    knee = draw_uprights("users", [curve.knee_users]).mark_rule(strokeDash=[4, 4], color=ORANGE)
    parts = []
    for figure in FIGURES:
        line = draw_over_users(rows, figure, [predicted[figure], measured[figure]])
        circle = draw_point(users, figure, predicted[figure]).mark_point(
            color=BLUE, size=110, shape="circle", strokeWidth=1.5, opacity=1
        )
        diamond = draw_point(users, figure, measured[figure]).mark_point(
            color=RED, filled=True, size=70, shape="diamond", opacity=1
        )
        layers = alt.layer(line, knee, circle, diamond)
        parts.append(layers.properties(width=WIDTH, height=1.5 * PANEL_HEIGHT))
    return alt.vconcat(*parts, spacing=8)


def draw_over_users(rows: pl.DataFrame, figure: str, points: Sequence[float | None]) -> alt.Chart:
    scale = build_log_scale([*rows[figure], *(each for each in points if each)])
    x = alt.X("users:Q", title="users" if figure == "mean_ms" else None)
    y = alt.Y(f"{figure}:Q", title=FIGURES[figure], scale=scale).axis(tickCount=4)
    x = x.scale(type="log", nice=False).axis(tickCount=4)
    chart: alt.Chart = alt.Chart(rows).mark_line(color=BLUE).encode(x=x, y=y)
    return chart


def draw_point(users: int, figure: str, value: float | None) -> alt.Chart:
    """One point, or none where there is no value that a logarithm knows."""
    point = pl.DataFrame(
        {"users": [float(users)], figure: [value]},
        schema={"users": pl.Float64, figure: pl.Float64},
    ).filter(pl.col(figure) > 0)
    return alt.Chart(point).encode(x="users:Q", y=f"{figure}:Q")
