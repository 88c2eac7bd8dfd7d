"""The workshop's exercises, from texts/exercises/: each a prediction, a run, an explanation, and an
edit of the app."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from analysis.guide.claims import check_metric
from analysis.guide.text_files import LEAD, TEXTS, TITLE, Prose, load_numbered_texts
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Scenario, Style
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides

EXERCISE_SECTIONS = {
    TITLE: "title",
    LEAD: "question",
    "Look at": "look",
    "Explanation": "why",
    "Change": "hunks",
    "What should happen": "then",
}


def make_style_change(style: Style) -> Callable[[Scenario], Scenario]:
    return lambda scenario: replace(scenario, endpoint=replace(scenario.endpoint, style=style))


def move_bystander_to_loop(scenario: Scenario) -> Scenario:
    return replace(scenario, bystander=replace(scenario.bystander, needs=None))


def move_rare_to_thread(scenario: Scenario) -> Scenario:
    assert scenario.rare is not None
    return replace(scenario, rare=replace(scenario.rare, style="def"))


CHANGES: Mapping[str, Callable[[Scenario], Scenario]] = {
    "style: def": make_style_change("def"),
    "style: async def": make_style_change("async def"),
    "style: async def that offloads": make_style_change("async def that offloads"),
    "bystander: on the loop": move_bystander_to_loop,
    "rare requests: in a thread": move_rare_to_thread,
    "nothing but the CPU per request": lambda scenario: scenario,  # which is measured anew
}
"""What an edit of the app changes in the scenario that theory predicts."""


def check_change(name: str) -> str:
    """Raises ValueError."""
    if name not in CHANGES:
        raise ValueError(f"{name!r} is none of {', '.join(CHANGES)}")
    return name


def check_scenario(name: str) -> str:
    """Raises ValueError."""
    try:
        (scenario,) = select_scenarios((name,))
    except UserError as error:
        raise ValueError(str(error)) from error
    return scenario.name


def parse_hunks(text: str) -> tuple[tuple[str, str], ...]:
    """Of each ```diff block: what stands once in the file, and what replaces it. Raises
    ValueError."""
    blocks = re.findall(r"^```diff\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise ValueError("no ```diff block")
    lines = [block.splitlines() for block in blocks]
    before, after = (
        ["\n".join(line[1:] for line in each if line[:1] in (" ", sign)) for each in lines]
        for sign in "-+"
    )
    return tuple(zip(before, after, strict=True))


@dataclass(frozen=True, slots=True)
class Exercise:
    """`shown`: metrics by their names in summary.json, in words with their units; the first is
    the asked one. `look`: where, in report.html. The edit replaces `hunks` of `file`; `changes`
    is what theory has to know of it. After it the asked metric is at least `times` as large as
    before, or, where that is below 1, at most so."""

    number: int
    name: str
    title: str
    minutes: int
    question: Prose
    scenario: Annotated[str, AfterValidator(check_scenario)]
    overrides: Overrides
    shown: dict[Annotated[str, AfterValidator(check_metric)], str]
    look: Prose
    why: Prose
    file: str
    hunks: Annotated[tuple[tuple[str, str], ...], BeforeValidator(parse_hunks)]
    changes: Annotated[str, AfterValidator(check_change)]
    then: Prose
    times: float
    because: Prose
    """Why `times` is no nearer to what theory says."""
    instead: Prose = ""
    """What would do as well, as it stands in the file."""

    @property
    def asked(self) -> str:
        return next(iter(self.shown))

    @property
    def asked_words(self) -> str:
        return self.shown[self.asked]


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
    """What it runs; after the edit under a name of its own."""
    (scenario,) = apply_overrides(select_scenarios((which.scenario,)), which.overrides)
    if not edited:
        return scenario
    changed = CHANGES[which.changes](scenario)
    return replace(changed, name=f"{changed.name}.edited", subject="", contender="")
