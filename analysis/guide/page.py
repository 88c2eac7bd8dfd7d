"""docs/guidance.md: the template filled from the records."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import jinja2

from analysis.guide.confidence import describe_confidence, describe_interval
from analysis.guide.recorded import RecordedScenario, Records, load_experiments
from analysis.guide.relations import RelationResult, judge_relation
from analysis.guide.rules import Decision, list_table_relations, load_decision_table, load_rules
from analysis.stats import formats

AFTER_TABLE = "<h2>In short</h2>"
SATURATED = "GENERATOR_SATURATED"


class MissingError(Exception):
    """No record has the figure."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """`text` is Markdown; `missing` names the rules and rows left out as not measured."""

    text: str
    relations: tuple[RelationResult, ...]
    missing: tuple[str, ...]


def create_markdown_environment() -> jinja2.Environment:
    """Create an environment that escapes nothing: it fills in only this project's texts."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.guide"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


OTHER_FILE = re.compile(r'<a href="(?!#|https?:)[^"]*">(.*?)</a>', re.DOTALL)
"""A link to another page of the documentation."""
MARKDOWN_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def render_print_page(markdown: str, title: str, form: str) -> str:
    """Render HTML that prints the decision table on one sheet. `form`: HTML shown below the table
    and not printed. Links to other files become text, so that the page works anywhere."""
    from markdown_it import MarkdownIt  # takes tenths of a second to import

    body = OTHER_FILE.sub(r"\1", MarkdownIt("commonmark").enable("table").render(markdown))
    above, heading, below = body.partition(AFTER_TABLE)
    return (
        create_markdown_environment()
        .get_template("printed.html")
        .render(title=title, body=f"{above}{form}{heading}{below}")
    )


class TemplateFiller:
    """Fills figures into sentences, each with a link to the row of its cell."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.environment = create_markdown_environment()
        self.environment.globals |= {
            "records": records,
            "machines": list(dict.fromkeys(str(each) for each in records.machines.values())),
            "cores": max((each.cores for each in records.machines.values()), default=0),
            "rps": self.quote_throughput,
            "mib": partial(self.quote_figure, figure="rss_mib_peak", text=formats.whole),
            "ms": partial(self.quote_figure, text=formats.milliseconds),
            "whole": partial(self.quote_figure, text=formats.whole),
            "percent": partial(self.quote_figure, text=formats.percent),
        }
        self.environment.filters |= {
            "anchor": build_anchor,
            "rate": formats.rate,
            "milliseconds": formats.milliseconds,
        }

    def quote_figure(self, cell: str, figure: str, text: Callable[[float | None], str]) -> str:
        """Raises MissingError."""
        found = self.records.get_median(cell, figure)
        if found is None:
            raise MissingError(f"{figure} of {cell}")
        least = "at least " if self.records.is_bound(cell, figure) else ""
        return f"{least}[{text(found)}](#{build_anchor(cell)})"

    def quote_throughput(self, cell: str) -> str:
        """Quote a rate; a lower bound if the load generator may have been the limit. Raises
        MissingError."""
        found = self.quote_figure(cell, "ok_rps", formats.short_number)
        return f"at least {found}" if SATURATED in self.records.cells[cell].remarks else found

    def fill(self, *texts: str) -> list[str] | None:
        """Fill the texts; None if one of their figures was not measured."""
        with suppress(MissingError):
            return [self.environment.from_string(each).render() for each in texts]
        return None


def build_anchor(cell: str) -> str:
    return cell.replace("/", "-").replace(".", "-")


def build_guidance(records: Records) -> Guidance:
    filling, table = TemplateFiller(records), load_decision_table()
    thumbs = [(each, filling.fill(each.measured)) for each in table.thumb_rules]
    rows = [(each, filling.fill(*each.texts)) for each in table.rows]
    rules = [(each, filling.fill(each.measured)) for each in load_rules()]
    missing = [f"the row {row.work}, {row.delay}, {row.users}" for row, texts in rows if not texts]
    missing += [f"the rule {rule.claim!r}" for rule, texts in rules if not texts]
    missing += [f"the figures of {each.name.lower()}" for each, texts in thumbs if not texts]
    kept = [replace(rule, measured=texts[0]) for rule, texts in rules if texts]
    asked = [*list_table_relations(), *(each for rule in kept for each in rule.relations)]
    relations = tuple(judge_relation(each, records) for each in asked)
    text = filling.environment.get_template("guidance.md").render(
        thumb_rules=[replace(each, measured=texts[0] if texts else "") for each, texts in thumbs],
        sure=partial(describe_confidence, records=records),
        interval=partial(describe_interval, records=records),
        decisions=[Decision(*texts) for _, texts in rows if texts],
        rules=kept,
        missing=missing,
        one_trial=all(len(each.trials) == 1 for each in records.cells.values()),
        experiments=load_experiments(),
        setting=describe_setting,
        relations=relations,
    )
    return Guidance(text, relations, tuple(missing))


def describe_setting(cell: RecordedScenario) -> str:
    """Describe the settings that decide."""
    scenario = cell.scenario
    found = [f"{scenario.load.users} users"]
    if scenario.delay_s is not None:
        found.append(f"{1000 * scenario.delay_s:g} ms")
    if scenario.load.think_s:
        found.append(f"{1000 * scenario.load.think_s:g} ms pause")
    if scenario.server.is_python:
        found += [f"{scenario.server.pool} threads", scenario.server.loop]
    client = scenario.client
    if client is not None and client.life == "shared" and client.connections < scenario.load.users:
        found.append(f"{client.connections} connections")
    if scenario.server.workers > 1:
        found.append(f"{scenario.server.workers} workers")
    return ", ".join(found)
