"""The outcome of a workshop's exercise: the guess, the measurement and the prediction."""

from analysis.answers.base import Statement
from analysis.answers.results import Results
from analysis.metrics import get_metric
from analysis.stats import formats


class ExerciseOutcome(Statement):
    rank = 5

    words: str
    """The quantity in question, with its unit."""
    key: str
    measured: float
    is_bound: bool
    """True if it may be more."""
    guess: float | None
    predicted: float | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        exercise = results.exercise
        if exercise is None or not exercise.asked or len(results.cases) != 1:
            return ()
        case, metric = results.cases[0], get_metric(exercise.asked)
        measured = case.get_median(metric.key)
        if measured is None or not case.is_clean:
            return ()
        return (
            cls(
                words=exercise.asked_words,
                key=metric.key,
                measured=measured,
                is_bound=metric.key.startswith("bystander.") and case.is_background_bound,
                guess=exercise.guess,
                predicted=case.get_median(metric.predicted) if metric.predicted else None,
            ),
        )

    @property
    def message(self) -> str:
        show = get_metric(self.key).format
        least = "at least " if self.is_bound else ""
        parts = [f"measured {least}{show(self.measured)}"]
        if self.predicted is not None:
            parts.insert(0, f"theory {show(self.predicted)}")
        if self.guess is not None:
            parts.insert(0, f"yours {formats.short_number(self.guess)}")
        return f"{self.words[0].upper()}{self.words[1:]}: {', '.join(parts)}."
