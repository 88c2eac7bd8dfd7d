"""The rules and the decision table from texts/: claim, measurement, advice and relations."""

from dataclasses import dataclass, field
from functools import cache
from typing import Annotated

from jinja2 import Environment, TemplateSyntaxError, nodes
from pydantic import AfterValidator

from analysis.findings.judge import list_findings
from analysis.guide.relations import Relation, check_experiment
from analysis.guide.text_files import (
    LEAD,
    TEXTS,
    TITLE,
    Prose,
    check_metric,
    load_numbered_texts,
    load_toml,
)

RULE_SECTIONS = {TITLE: "claim", LEAD: "measured", "Do": "do"}


def check_template(text: str) -> str:
    """Return the text unchanged. Raises ValueError if it quotes an unknown figure."""
    try:
        calls = Environment().parse(text).find_all(nodes.Call)
        for cell, *metric in ([each.as_const() for each in call.args] for call in calls):
            check_experiment(cell)
            for name in metric:
                check_metric(name)
    except (TemplateSyntaxError, nodes.Impossible) as error:
        raise ValueError(f"no template: {error}") from error
    return text


Template = Annotated[Prose, AfterValidator(check_template)]
"""A text that quotes figures of the records, such as `{{ rps('cpu/cpu-sync') }}`."""


def check_code(code: str) -> str:
    """Return the code unchanged. Raises ValueError."""
    if code not in {each.code for each in list_findings()}:
        raise ValueError(f"{code!r} is not a finding of `study audit`")
    return code


FindingCode = Annotated[str, AfterValidator(check_code)]


@dataclass(frozen=True, slots=True)
class Rule:
    number: int
    name: str
    claim: Prose
    measured: Template
    do: Prose
    relations: tuple[Relation, ...]
    findings: tuple[FindingCode, ...] = ()
    """Codes of `study audit` that find a breach of this rule in the reader's service."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A row: for a kind of work, a delay and a number of users, what to write and why. `users` send
    the next request at once after a response. `waits` and `when`: the loads of `study advise` that
    the row fits, as in advice.toml."""

    work: Template
    delay: Template
    users: Template
    write: Template
    why: Template
    costs: Template
    limits: Template
    look_next: Template
    waits: str = field(default="", kw_only=True)
    when: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def texts(self) -> tuple[Template, ...]:
        return (
            self.work, self.delay, self.users, self.write, self.why, self.costs, self.limits,
            self.look_next,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ThumbRule:
    """A rule of thumb: `measured` compares the formula with the records."""

    name: str
    formula: Prose
    measured: Template
    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class DecisionTable:
    thumb_rules: tuple[ThumbRule, ...]
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
    """Load all that `study guide --check` measures: the rules, and the table as one more rule.
    Raises UserError."""
    return (*load_rules(), Rule(0, "table", "The decision table", "", "", list_table_relations()))


def list_table_relations() -> tuple[Relation, ...]:
    """List the relations of the rules of thumb and of the rows."""
    table = load_decision_table()
    return (*(one for each in table.thumb_rules for one in each.relations), *table.relations)
