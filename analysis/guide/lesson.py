"""What an exercise of the workshop shows: prediction, theory and measurement side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from analysis.guide.exercises import Exercise
from analysis.metrics import get_metric, get_value
from analysis.report.render import WIDTH, render_terminal
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.summary.model import CellSummary

YOURS, THEORY, MEASURED = ORDER = ("yours", "theory", "measured")
COLUMNS = (
    Column("", is_text=True, width=24),
    *(Column(each, format=formats.short_number, width=11) for each in ORDER),
)
BAR = 50


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
            get_predicted(cell, figure),
            get_value(cell, figure),
        )
        for figure, words in which.shown.items()
    )


def get_predicted(cell: CellSummary, figure: str) -> float | None:
    """None where theory says nothing of it."""
    key = get_metric(figure).predicted
    return get_value(cell, key) if key else None


def render_exercise_table(found: Sequence[ExerciseMetric]) -> list[str]:
    rows = [Row(each.words, (each.yours, each.theory, each.measured)) for each in found]
    return render_terminal(Table(COLUMNS, rows))


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
