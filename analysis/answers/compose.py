"""A run's answer: its question, and the statements that its records support."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.answers.base import Statement, list_statements
from analysis.answers.guidance import RuleReference, load_rule_references
from analysis.answers.question import write_question, write_title
from analysis.answers.results import Results

MOST = 5
CAVEATS = 85
"""From this rank on, statements say what was not compared, or is only a bound."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to do. `rule`: the rule of the guidance that says more, if any."""

    text: str
    rule: RuleReference | None


@dataclass(frozen=True, slots=True)
class RunAnswer:
    title: str
    question: str
    statements: tuple[Statement, ...]
    changes: tuple[Change, ...]

    @property
    def rules(self) -> tuple[RuleReference, ...]:
        """The rules that its sentences refer to, by number."""
        found = {rule for each in self.statements if (rule := get_rule(each)) is not None}
        return tuple(sorted(found, key=lambda each: each.number))


def compose_answer(results: Results) -> RunAnswer:
    found = choose_statements([each.find(results) for each in list_statements()])
    changes = (Change(each.change, get_rule(each)) for each in found if each.change)
    return RunAnswer(
        write_title(results), write_question(results), found, tuple(dict.fromkeys(changes))
    )


def get_rule(statement: Statement) -> RuleReference | None:
    return load_rule_references()[statement.rule] if statement.rule else None


def choose_statements(found: Sequence[tuple[Statement, ...]]) -> tuple[Statement, ...]:
    """Choose at most MOST, by rank. Caveats always stay; of the remaining statements, one of each
    kind comes before the second of any kind."""
    flat = [(turn, each) for kind in found for turn, each in enumerate(kind)]
    caveats = [each for _, each in flat if each.rank >= CAVEATS]
    others = [(turn, each.rank, each) for turn, each in flat if each.rank < CAVEATS]
    chosen = sorted(others, key=lambda each: each[:2])[: MOST - len(caveats)]
    return (*(each for _, _, each in sorted(chosen, key=lambda each: each[1])), *caveats)


def export_answer(answer: RunAnswer) -> dict[str, object]:
    """Build "answer" of summary.json, with rules by name."""
    return {
        "title": answer.title,
        "question": answer.question,
        "statements": [
            {"kind": type(each).__name__, "message": each.message, "rule": each.rule}
            for each in answer.statements
        ],
        "changes": [
            {"text": each.text, "rule": each.rule.name if each.rule else None}
            for each in answer.changes
        ],
    }
