"""The charts of what is predicted over the number of users."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.metrics import get_value
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
from analysis.summary.model import CellSummary
from analysis.theory.formulas import Curve

CURVE_WIDTH, CURVE_HEIGHT = 560, 240
FIGURES = {"ok_rps": "good answers / s", "mean_ms": "mean response, ms"}


def tabulate_curve(name: str, curve: Curve) -> pl.DataFrame:
    columns = {"scenario": pl.lit(name), "mean_ms": pl.col("mean_s") * 1000}
    return pl.DataFrame(curve.points).with_columns(**columns)


def draw_curves(curves: Sequence[tuple[str, Curve]]) -> alt.VConcatChart:
    """Throughput and mean response over the users, both logarithmic; a rule at each knee."""
    points = pl.concat(tabulate_curve(*each) for each in curves)
    knees = pl.DataFrame(
        [{"scenario": name, "users": curve.knee_users} for name, curve in curves],
        schema={"scenario": pl.String, "users": pl.Float64},
    ).drop_nulls()
    return alt.vconcat(
        draw_curve_panel(points, knees, "ok_rps", "throughput, requests a second"),
        draw_curve_panel(points, knees, "mean_ms", "mean response, ms"),
    ).properties(title="Predicted, with the knee (dashed): more users only wait longer beyond it")


def draw_curve_panel(points: pl.DataFrame, knees: pl.DataFrame, what: str, title: str) -> Chart:
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
            tooltip=["scenario", "users", what, alt.Tooltip("limited_by", title="limited by")],
        )
    )
    knee = alt.Chart(knees).mark_rule(strokeDash=[4, 4]).encode(x="users:Q", color=colour)
    return alt.layer(line, knee).properties(width=CURVE_WIDTH, height=CURVE_HEIGHT)


def draw_prediction(curve: Curve, cell: CellSummary) -> Chart:
    """What formulas say over users, with the knee dashed. A circle: what was predicted of the run,
    by simulation where no formula holds; a diamond: what was measured."""
    rows = tabulate_curve("", curve)
    knee = draw_uprights("users", [curve.knee_users]).mark_rule(strokeDash=[4, 4], color=ORANGE)
    parts = []
    for figure, title in FIGURES.items():
        values = [get_value(cell, f"predicted.{figure}"), get_value(cell, figure)]
        scale = build_log_scale([*rows[figure], *filter(None, values)])
        x = alt.X("users:Q", title="users" if figure == "mean_ms" else None)
        line = alt.Chart(rows).encode(
            x=x.scale(type="log", nice=False).axis(tickCount=4),
            y=alt.Y(f"{figure}:Q", title=title, scale=scale).axis(tickCount=4),
        )
        circle, diamond = (draw_point(cell.users, figure, value) for value in values)
        layers = alt.layer(
            line.mark_line(color=BLUE),
            knee,
            circle.mark_point(color=BLUE, size=110, shape="circle", strokeWidth=1.5, opacity=1),
            diamond.mark_point(color=RED, filled=True, size=70, shape="diamond", opacity=1),
        )
        parts.append(layers.properties(width=WIDTH, height=1.5 * PANEL_HEIGHT))
    return alt.vconcat(*parts, spacing=8)


def draw_point(users: int | None, figure: str, value: float | None) -> alt.Chart:
    """One point, or none where there is no value that a logarithm knows."""
    point = pl.DataFrame(
        {"users": [users], figure: [value]}, {"users": pl.Float64, figure: pl.Float64}
    )
    return alt.Chart(point.filter(pl.col(figure) > 0)).encode(x="users:Q", y=f"{figure}:Q")
