"""The picture of `study predict --plot`."""

from collections.abc import Sequence
from pathlib import Path

from analysis.theory.formulas import Curve
from records.files import translate_file_errors
from scenarios.errors import UserError
from study.messages import show_activity

PICTURES = (".png", ".svg", ".html")


def check_plot(plot: Path | None) -> None:
    """Raises UserError."""
    if plot is not None and plot.suffix not in PICTURES:
        raise UserError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
    if plot is not None and not plot.absolute().parent.is_dir():
        raise UserError(f"--plot {plot}: there is no such folder")
    if plot is not None and plot.exists() and not plot.is_file():
        raise UserError(f"--plot {plot}: it is not a regular file")


def draw_curves(curves: Sequence[tuple[str, Curve]], plot: Path) -> None:
    from analysis.report.drawing import style_chart  # slow: it imports altair
    from analysis.report.predicted_curves import PredictedCell, draw_predictions

    with translate_file_errors(f"--plot {plot}"), show_activity(f"drawing {plot}"):
        chart = style_chart(draw_predictions([PredictedCell(*each) for each in curves]))
        if plot.suffix == ".html":
            chart.save(str(plot), inline=True)  # needs no network
        else:
            chart.save(str(plot), scale_factor=2)
    print(f"\n{plot}")
