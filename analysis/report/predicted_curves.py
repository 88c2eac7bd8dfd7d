"""Charts of the predictions over the number of users."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from analysis.metrics import get_value
from analysis.report.drawing import (
    AXIS_WIDTH,
    WIDE,
    Chart,
    build_frame,
    build_legend,
    build_log_scale,
    build_name_colours,
    build_name_widths,
    build_title,
    layer_charts,
    title_panel,
)
from analysis.summary.model import CellSummary
from analysis.theory.formulas import Curve

FIGURES = {"ok_rps": "successful responses / s", "mean_ms": "mean latency, ms"}
PANEL_HEIGHT, GAP = 210, 30
MOST_TICKS = 5
KNEE = "Dashed vertical lines: the knee; more users only wait longer."
POINTS = "Circles: predicted for this run. Diamonds: measured."


@dataclass(frozen=True, slots=True)
class PredictedCell:
    """The formulas' curve over users, and the run that it predicts, if there was one."""

    name: str
    curve: Curve
    summary: CellSummary | None = None

    def tabulate(self) -> pl.DataFrame:
        columns = {"scenario": pl.lit(self.name), "mean_ms": pl.col("mean_s") * 1000}
        return pl.DataFrame(self.curve.points).with_columns(**columns)


def draw_predictions(cells: Sequence[PredictedCell], width: float = WIDE) -> Chart:
    """Draw throughput and mean latency over users on logarithmic axes, with a line at each knee. A
    circle is the prediction for a run, by simulation where no formula holds."""
    names = [each.name for each in cells]
    colours = build_name_colours("scenario", names).legend(build_legend(names, width, "stroke"))
    is_wide = width >= WIDE
    room = (width - 2 * AXIS_WIDTH - GAP) / 2 - 6 if is_wide else width - AXIS_WIDTH - 6
    panels = [
        draw_panel(cells, figure, colours).properties(width=room, height=PANEL_HEIGHT)
        for figure in FIGURES
    ]
    notes = [KNEE] if any(each.curve.knee_users for each in cells) else []
    notes += [POINTS] if any(each.summary for each in cells) else []
    title = build_title(width, "Predicted throughput and latency", *notes)
    if is_wide:
        return alt.hconcat(*panels, spacing=GAP, title=title)
    return alt.vconcat(*panels, spacing=GAP, title=title)


def draw_panel(cells: Sequence[PredictedCell], figure: str, colours: alt.Color) -> alt.LayerChart:
    lines = pl.concat(each.tabulate() for each in cells)
    knees = build_frame([(each.name, each.curve.knee_users) for each in cells], "scenario", "users")
    predicted, measured = (tabulate_points(cells, figure, key) for key in ("predicted.", ""))
    values = pl.concat([lines[figure], predicted[figure], measured[figure]])
    users = pl.concat([lines["users"].cast(pl.Float64), measured["users"]])
    scale, ticks = build_log_scale(values, MOST_TICKS)
    y = alt.Y(f"{figure}:Q", title=None, scale=scale).axis(values=ticks)
    scale, ticks = build_log_scale(users, MOST_TICKS)
    x = alt.X("users:Q", title="users (logarithmic)", scale=scale).axis(values=ticks)
    tooltip = ["scenario", "users", figure, alt.Tooltip("limited_by", title="limited by")]
    widths = build_name_widths("scenario", [each.name for each in cells])
    line = alt.Chart(lines).mark_line().encode(x=x, y=y, color=colours, strokeWidth=widths)
    rules = alt.Chart(knees.drop_nulls()).mark_rule(strokeDash=[4, 4], opacity=0.7)
    marks = [
        alt.Chart(points)
        .mark_point(shape=shape, size=size, strokeWidth=2, opacity=1)
        .encode(x=x, y=y, color=colours)
        for points, shape, size in ((predicted, "circle", 150), (measured, "diamond", 70))
    ]
    knee = rules.encode(x=x, color=colours)
    layers = layer_charts(line.encode(tooltip=tooltip), knee, *marks)
    return layers.properties(title=title_panel(FIGURES[figure]))


def tabulate_points(cells: Sequence[PredictedCell], figure: str, group: str) -> pl.DataFrame:
    """Return scenario, users and figure of each run, if positive: the axis is logarithmic."""
    found = [
        (each.name, each.summary.users, get_value(each.summary, f"{group}{figure}"))
        for each in cells
        if each.summary is not None
    ]
    return build_frame(found, "scenario", "users", figure).filter(pl.col(figure) > 0)
