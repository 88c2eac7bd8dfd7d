"""The workshop's exercises, from texts/exercises/: a prediction, a run, an explanation and an edit
of the app each."""

import re
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, TypeAdapter

from analysis.guide.text_files import (
    LEAD,
    TEXTS,
    TITLE,
    Prose,
    check_metric,
    load_numbered_texts,
)
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Scenario
from scenarios.options import replace_value
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides

Form = Literal["before", "after"]
"""The app before or after the exercise's edit."""
MetricName = Annotated[str, AfterValidator(check_metric)]
EXERCISE_SECTIONS = {
    TITLE: "title",
    LEAD: "question",
    "Look at": "look",
    "Explanation": "why",
    "Change": "diffs",
    "Question after the change": "edited_question",
    "What should happen": "then",
}


def find_diffs(text: str) -> tuple[str, ...]:
    """Return the ```diff blocks. Raises ValueError if there is none."""
    blocks = re.findall(r"^```diff\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise ValueError("no ```diff block")
    return tuple(blocks)


def select_lines(diff: str, sign: str) -> str:
    """Return the text before (-) or after (+) the edit."""
    return "\n".join(line[1:] for line in diff.splitlines() if line[:1] in (" ", sign))


@dataclass(frozen=True, slots=True)
class Exercise:
    """`shown` maps metric names of summary.json to labels with units; the first is the one to
    predict. `look`: what to look at in report.html. `changes`: what the edit of `file` changes in
    the scenario, such as endpoint.style, for theory; "" is None. `times`: least factor by which the
    edit raises the asked metric, or the highest one if it lowers the metric."""

    number: int
    name: str
    title: str
    minutes: int
    question: Prose
    scenario: str
    overrides: Overrides
    shown: dict[MetricName, str]
    look: Prose
    why: Prose
    file: str
    diffs: Annotated[tuple[str, ...], BeforeValidator(find_diffs)]
    edited_question: Prose
    then: Prose
    times: float
    because: Prose
    """Why `times` is not closer to theory's factor."""
    changes: dict[str, str] = field(default_factory=dict)
    apart: dict[Form, dict[MetricName, Prose]] = field(default_factory=dict)
    """Why theory and measurement may differ, per figure."""
    instead: Prose = ""
    """An equally good edit, as it would look in the file."""

    def __post_init__(self) -> None:
        build_exercise_scenario(self, edited=True)

    @property
    def asked(self) -> str:
        return next(iter(self.shown))

    @property
    def asked_words(self) -> str:
        return self.shown[self.asked]

    @property
    def hunks(self) -> list[tuple[str, str]]:
        """Pairs of a text that the file has once, and its replacement."""
        return [(select_lines(each, "-"), select_lines(each, "+")) for each in self.diffs]


@cache
def load_exercises() -> tuple[Exercise, ...]:
    """Raises UserError."""
    return load_numbered_texts(TEXTS / "exercises", Exercise, EXERCISE_SECTIONS)


def find_exercise(number: int) -> Exercise:
    """Raises UserError."""
    known = load_exercises()
    if not 1 <= number <= len(known):
        raise UserError(f"exercise {number}: there are {len(known)}; `study workshop` lists them")
    return known[number - 1]


def build_exercise_scenario(which: Exercise, edited: bool) -> Scenario:
    """Build what the exercise runs; after the edit its name ends in .edited. Raises UserError, or
    ValueError if the changes do not fit a scenario."""
    (scenario,) = apply_overrides(select_scenarios((which.scenario,)), which.overrides)
    if not edited:
        return scenario
    for path, value in which.changes.items():
        scenario = replace_value(scenario, path, value or None)
    changed = replace(scenario, name=f"{scenario.name}.edited", subject="", contender="")
    return TypeAdapter(Scenario).validate_python(asdict(changed))
