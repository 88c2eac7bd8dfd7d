"""The browser form of `study advise`: texts/advice.toml as JavaScript."""

import re
from dataclasses import fields

from analysis.guide.advice import (
    CONSTANTS,
    ROW_LABELS,
    AdviceQuestion,
    FilledRow,
    StudyEndpoint,
    fill_row,
    list_names,
    load_advice_table,
)
from analysis.guide.page import MARKDOWN_LINK, TemplateFiller, create_markdown_environment
from analysis.guide.recorded import Records
from analysis.guide.rules import Rule, load_decision_table, load_rules
from scenarios.advice import AdviceOptions
from scenarios.options import list_options
from scenarios.units import DURATION

LINK = re.compile(r"\[([^\]]+)\]\(#[^)]*\)")
LABELS = {
    "delay": "How long", "rate": "Requests per second", "workers": "Workers", "cores": "Cores",
    "cpu": "CPU in an async def", "thread-cpu": "CPU in a def",
}  # fmt: skip
"""Labels of the fields in messages."""


def render_advice_page(records: Records) -> str:
    """Render the form as a standalone page. `study guide --html` embeds the same form."""
    form = render_advice_form(records, "guidance.md")
    return create_markdown_environment().get_template("advice-page.html").render(form=form)


def render_advice_form(records: Records, guidance: str) -> str:
    """Render the form as HTML. `guidance`: address of the page with the rules; empty if the form is
    on that page."""
    filler, table = TemplateFiller(records), load_advice_table()
    environment = filler.environment
    rows = load_decision_table().rows
    computing = environment.get_template("advice.js").render(
        table=table,
        rows=rows,
        inputs=[each.name for each in fields(AdviceQuestion) if each.name != "waits"],
        constants=CONSTANTS.items(),
        names=list_names(),
    )
    return environment.get_template("advice-form.html").render(
        table=table,
        computing=computing,
        fields=collect_fields(),
        cpu={
            each.name: [quote_cpu(stand, records) for stand in (each.awaited, each.threaded)]
            for each in table.kinds
        },
        rules={
            each.name: [each.number, each.claim, render_do(each, bool(guidance))]
            for each in load_rules()
        },
        row_texts=[render_row(fill_row(each, filler), bool(guidance)) for each in rows],
        guidance=guidance,
        note=table.note,
    )


def render_do(rule: Rule, linked: bool) -> str:
    """Render what to do, with links only if the page lies in the documentation."""
    return render_inline(rule.do if linked else MARKDOWN_LINK.sub(r"\1", rule.do))


def collect_fields() -> dict[str, dict[str, object]]:
    """Collect the numeric fields with the bounds of `study advise`; durations are in ms."""
    found: dict[str, dict[str, object]] = {}
    for option in list_options(AdviceOptions):
        name, bounds = option.name.removeprefix("--"), option.setting.bounds
        if bounds is not None:
            scale = 1000 if option.unit is DURATION else 1
            found[name] = {
                "field": option.field, "scale": scale, "low": bounds[0], "high": bounds[1],
                "label": LABELS[name],
            }  # fmt: skip
    return found


def quote_cpu(stand: StudyEndpoint, records: Records) -> float:
    """Return the recorded CPU in ms with two digits: the reader's differs by more."""
    found = records.get_median(stand.cell, "cpu_ms_per_request")
    return float(f"{found:.2g}") if found else 1.0


def render_row(row: FilledRow, alone: bool) -> tuple[str, list[tuple[str, str]]]:
    """Return the heading and the labels with their HTML; without links if `alone`."""
    return row.measured, [
        (label, render_inline(LINK.sub(r"\1", text) if alone else text))
        for label, text in zip(ROW_LABELS, row.texts, strict=True)
    ]


def render_inline(markdown: str) -> str:
    """Render Markdown as HTML without the surrounding paragraph."""
    from markdown_it import MarkdownIt  # takes tenths of a second to import

    return str(MarkdownIt("commonmark").renderInline(markdown))
