"""A run's answer for a terminal and for summary.md."""

import re

from analysis.answers.compose import Change, RunAnswer
from analysis.answers.guidance import load_rule_references
from analysis.report.table import escape_markdown, wrap_whole

RULES_PLACE = "The rules with their measurements: study guide --html guidance.html"
LEAD = re.compile(r"(?=: |; |, where |, since )")


def split_lead(message: str) -> tuple[str, str]:
    """Split a sentence into its lead and its reason or consequence; the latter may be empty."""
    lead, *rest = LEAD.split(message, maxsplit=1)
    return lead, "".join(rest)


def render_answer_lines(answer: RunAnswer) -> list[str]:
    """Return the question, the statements and what to change, wrapped for a terminal."""
    questions = answer.question.split("\n")
    lines = [answer.title, *(line for each in questions for line in wrap_whole(each))]
    said = [line for each in answer.statements for line in wrap_whole(f"- {each.message}")]
    lines += ["", *said] if said else []
    if not answer.changes:
        return lines
    changes = [f"- {each.text}{name_rule(each)}" for each in answer.changes]
    lines += ["", "What to change:", *(line for each in changes for line in wrap_whole(each))]
    return lines + ([RULES_PLACE] if any(each.rule for each in answer.changes) else [])


def name_rule(change: Change) -> str:
    """Name also the rule about run_sync where the change uses it."""
    if change.rule is None:
        return ""
    numbers = {change.rule.number}
    if "run_sync" in change.text:
        numbers.add(load_rule_references()["offload"].number)
    rules = "rule" if len(numbers) == 1 else "rules"
    return f" (guidance, {rules} {' and '.join(map(str, sorted(numbers)))})"


def render_answer_markdown(answer: RunAnswer) -> str:
    paragraphs = [escape_markdown(each) for each in answer.question.split("\n")]
    text = f"# {escape_markdown(answer.title)}\n\n" + "".join(f"{each}\n\n" for each in paragraphs)
    text += "".join(f"- {escape_markdown(each.message)}\n" for each in answer.statements)
    if answer.changes:
        text += "\n**What to change**\n\n"
        text += "".join(f"- {render_change(each)}\n" for each in answer.changes)
    return text


def render_change(change: Change) -> str:
    text, rule = escape_markdown(change.text), change.rule
    return f"{text} (guidance, rule {rule.number}: {rule.address})" if rule else text
