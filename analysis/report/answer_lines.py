"""The answer of a run for a terminal and for summary.md."""

import re

from analysis.answers.compose import Change, RunAnswer
from analysis.report.table import escape_markdown, wrap_whole

LEAD = re.compile(r"(?=: |; |, where |, since )")


def split_lead(message: str) -> tuple[str, str]:
    """What a sentence says first, and its reason or its consequence; the latter may be empty."""
    lead, *rest = LEAD.split(message, maxsplit=1)
    return lead, "".join(rest)


def render_answer_lines(answer: RunAnswer) -> list[str]:
    """The question, the statements, and what to change, in the width of a terminal."""
    lines = [answer.title, *wrap_whole(answer.question)]
    said = [line for each in answer.statements for line in wrap_whole(f"- {each.message}")]
    changes = [line for each in answer.changes for line in wrap_whole(describe_change(each))]
    lines += ["", *said] if said else []
    return lines + (["", "What to change:", *changes] if changes else [])


def describe_change(change: Change) -> str:
    rule = f" (rule {change.rule.number}: {change.rule.address})" if change.rule else ""
    return f"- {change.text}{rule}"


def render_answer_markdown(answer: RunAnswer) -> str:
    text = f"# {escape_markdown(answer.title)}\n\n{escape_markdown(answer.question)}\n\n"
    text += "".join(f"- {escape_markdown(each.message)}\n" for each in answer.statements)
    if answer.changes:
        text += "\n**What to change**\n\n"
        text += "".join(f"{escape_markdown(describe_change(each))}\n" for each in answer.changes)
    return text
