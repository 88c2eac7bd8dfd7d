"""Pictures, drawn by altair: values in, one chart out. No file is written here."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.theory.curve import Curve

WIDTH, HEIGHT = 560, 240
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000"]
"""Told apart by colour-blind people too (Okabe and Ito, 2008)."""
Layers = alt.LayerChart | alt.FacetChart


def draw_curves(curves: Sequence[tuple[str, Curve]]) -> alt.VConcatChart:
    """Throughput and mean response over the users, both logarithmic; a rule at each knee."""
    points = pl.DataFrame(
        [
            {
                "scenario": name,
                "users": point.users,
                "ok_rps": point.ok_rps,
                "mean_ms": 1000 * point.mean_s,
                "limited by": point.limited_by,
            }
            for name, curve in curves
            for point in curve.points
        ]
    )
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
    return alt.layer(line, knee).properties(width=WIDTH, height=HEIGHT)
