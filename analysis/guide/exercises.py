"""The workshop's exercises, from texts/exercises/: each a prediction, a run, an explanation, and an
edit of the app."""

import re
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Annotated

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
    """The ```diff blocks. Raises ValueError where there is none."""
    blocks = re.findall(r"^```diff\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise ValueError("no ```diff block")
    return tuple(blocks)


def select_lines(diff: str, sign: str) -> str:
    """What stands there before (-) or after (+)."""
    return "\n".join(line[1:] for line in diff.splitlines() if line[:1] in (" ", sign))


@dataclass(frozen=True, slots=True)
class Exercise:
    """`shown`: metrics by their names in summary.json, in words with their units; the first is
    the asked one. `look`: where, in report.html. `changes`: what the edit of `file` changes in the
    scenario, such as endpoint.style, for the prediction; "" is None. After it the asked metric is
    at least `times` as large as before, or, where that is below 1, at most so."""

    number: int
    name: str
    title: str
    minutes: int
    question: Prose
    scenario: str
    overrides: Overrides
    shown: dict[Annotated[str, AfterValidator(check_metric)], str]
    look: Prose
    why: Prose
    file: str
    diffs: Annotated[tuple[str, ...], BeforeValidator(find_diffs)]
    edited_question: Prose
    then: Prose
    times: float
    because: Prose
    """Why `times` is no nearer to what theory says."""
    changes: dict[str, str] = field(default_factory=dict)
    apart: dict[Annotated[str, AfterValidator(check_metric)], Prose] = field(default_factory=dict)
    """Why theory and measurement may differ, by the figure."""
    instead: Prose = ""
    """What would do as well, as it stands in the file."""

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
        """What stands in the file once, and what replaces it."""
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
    """What it runs; after the edit under a name of its own. Raises UserError, or ValueError where
    the changes are none of a scenario."""
    (scenario,) = apply_overrides(select_scenarios((which.scenario,)), which.overrides)
    if not edited:
        return scenario
    for path, value in which.changes.items():
        scenario = replace_value(scenario, path, value or None)
    changed = replace(scenario, name=f"{scenario.name}.edited", subject="", contender="")
    return TypeAdapter(Scenario).validate_python(asdict(changed))
