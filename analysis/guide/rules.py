"""The rules that people get wrong and the decision table, from texts/: what is claimed, what was
measured, what to do.

Each rule has relations that must hold, in the records and wherever `study guide --check` measures
again; so have the rows of the table.
"""

from dataclasses import dataclass
from functools import cache

from analysis.guide.claims import Relation, Template
from analysis.guide.text_files import LEAD, TEXTS, TITLE, Prose, load_numbered_texts, load_toml

RULE_SECTIONS = {TITLE: "claim", LEAD: "measured", "Do": "do"}


@dataclass(frozen=True, slots=True)
class Rule:
    number: int
    name: str
    claim: Prose
    measured: Template
    do: Prose
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A row: by kind of work, delay and how many wait at once, what to write and why. `users` ask
    again as soon as they are answered."""

    work: Template
    delay: Template
    users: Template
    write: Template
    why: Template
    costs: Template
    limits: Template
    look_next: Template


@dataclass(frozen=True, slots=True)
class DecisionTable:
    rows: tuple[Decision, ...]
    relations: tuple[Relation, ...]


@cache
def load_rules() -> tuple[Rule, ...]:
    """Raises UserError."""
    return load_numbered_texts(TEXTS / "rules", Rule, RULE_SECTIONS)


@cache
def load_decision_table() -> DecisionTable:
    """Raises UserError."""
    return load_toml(TEXTS / "decisions.toml", DecisionTable)


def load_checked_rules() -> tuple[Rule, ...]:
    """All that `study guide --check` measures: the rules, and the table as one more. Raises
    UserError."""
    relations = load_decision_table().relations
    return (*load_rules(), Rule(0, "table", "The decision table", "", "", relations))
