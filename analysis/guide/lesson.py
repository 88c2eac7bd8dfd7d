"""What an exercise of the workshop shows: prediction, theory and measurement side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from analysis.guide.exercises import Exercise
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.trials import get_figure

WIDTH, NAME_WIDTH, COLUMN, BAR = 80, 24, 12, 50
YOURS, THEORY, MEASURED = "yours", "theory", "measured"
PREDICTED = {
    "ok_rps": "predicted.ok_rps",
    "mean_ms": "predicted.mean_ms",
    "bystander.median_ms": "predicted.bystander_ms",
    "cpu_ms_per_request": "predicted.cpu_ms",
}
"""Figures that theory has too, by their names in summary.json."""


@dataclass(frozen=True, slots=True)
class ExerciseMetric:
    """One figure; None where nobody said."""

    words: str
    yours: float | None
    theory: float | None
    measured: float | None

    @property
    def bars(self) -> list[tuple[str, float]]:
        found = ((YOURS, self.yours), (THEORY, self.theory), (MEASURED, self.measured))
        return [(name, value) for name, value in found if value is not None]


def compare_exercise(
    which: Exercise, cell: CellSummary, guess: float | None
) -> tuple[ExerciseMetric, ...]:
    """The figures of an exercise; a guess is of the first."""
    return tuple(
        ExerciseMetric(
            words,
            guess if figure == which.asked else None,
            get_figure(cell, PREDICTED[figure]) if figure in PREDICTED else None,
            get_figure(cell, figure),
        )
        for figure, words in which.shown.items()
    )


def render_exercise_table(found: Sequence[ExerciseMetric]) -> list[str]:
    heads = "".join(f"{head:>{COLUMN}}" for head in (YOURS, THEORY, MEASURED))
    lines = [f"{'':<{NAME_WIDTH}}{heads}"]
    for each in found:
        values = (each.yours, each.theory, each.measured)
        figures = "".join(f"{formats.short_number(value):>{COLUMN}}" for value in values)
        lines.append(f"{each.words:<{NAME_WIDTH}}{figures}")
    return lines


def render_bars(found: ExerciseMetric) -> list[str]:
    """For a terminal: each bar as long as its figure."""
    longest = max((value for _, value in found.bars), default=0.0)
    lines = [found.words]
    for name, value in found.bars:
        bar = "█" * round(BAR * value / longest) if longest > 0 else ""
        lines.append(f"  {name:<10}{bar or '▏'} {formats.short_number(value)}")
    return lines


def wrap_paragraph(text: str, indent: str = "") -> str:
    """Markdown as a terminal shows it."""
    plain = text.replace("*", "").replace("`", "")
    return fill(plain, WIDTH, initial_indent=indent, subsequent_indent=indent)
