"""docs/guidance.md: the template filled from records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import jinja2

from analysis.guide.claims import RelationResult, judge_relation
from analysis.guide.decisions import DECISIONS, RELATIONS, Decision
from analysis.guide.experiments import EXPERIMENTS
from analysis.guide.recorded import RecordedScenario, Records
from analysis.guide.rules import RULES, Rule
from analysis.stats import formats

GENERATOR_LIMIT = 90.0
"""Percent of its core: beyond it a load process can't ask any faster."""


class MissingError(Exception):
    """A figure that no record has."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """`text` is Markdown; `missing`: rules and rows left out, because nothing was measured."""

    text: str
    relations: tuple[RelationResult, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuidanceRow:
    """Of the table of cells."""

    anchor: str
    name: str
    setting: str
    trials: int
    ok_rps: str
    median_ms: str
    p99_ms: str
    others_ms: str
    remarks: str


def create_markdown_environment() -> jinja2.Environment:
    """Nothing is escaped: what is filled in are our own sentences and figures."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.guide"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class TemplateFiller:
    """Puts figures into sentences, each linked to the row of its cell."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.environment = create_markdown_environment()
        self.environment.globals |= {
            "cores": max((each.cores for each in records.machines.values()), default=0),
            "rps": self.quote_throughput,
            "mib": lambda cell: self.quote_figure(cell, "rss_mib_peak", formats.whole),
            "ms": lambda cell, figure: self.quote_figure(cell, figure, formats.milliseconds),
            "whole": lambda cell, figure: self.quote_figure(cell, figure, formats.whole),
            "percent": lambda cell, figure: self.quote_figure(cell, figure, formats.percent),
        }

    def quote_figure(self, cell: str, figure: str, text: Callable[[float | None], str]) -> str:
        """Raises MissingError."""
        found = self.records.get_median(cell, figure)
        if found is None:
            raise MissingError(f"{figure} of {cell}")
        return f"[{text(found)}](#{build_anchor(cell)})"

    def quote_throughput(self, cell: str) -> str:
        """A lower bound where the load was busy all the time. Raises MissingError."""
        found = self.quote_figure(cell, "ok_rps", formats.short_number)
        load = self.records.get_median(cell, "generator_cpu_percent_peak")
        return f"at least {found}" if load is not None and load > GENERATOR_LIMIT else found

    def fill_sentence(self, sentence: str) -> str:
        """Raises MissingError."""
        return self.environment.from_string(sentence).render()


def build_anchor(cell: str) -> str:
    return cell.replace("/", "-").replace(".", "-")


def build_guidance(records: Records) -> Guidance:
    filling = TemplateFiller(records)
    decisions, rules, missing = list[Decision](), list[tuple[int, Rule]](), list[str]()
    for row in DECISIONS:
        try:
            decisions.append(fill_decision(row, filling))
        except MissingError:
            missing.append(f"the row {row.work}, {row.delay}, {row.users}")
    for number, rule in enumerate(RULES, start=1):
        try:
            rules.append((number, replace(rule, measured=filling.fill_sentence(rule.measured))))
        except MissingError:
            missing.append(f"the rule {rule.claim!r}")
    asked = [*RELATIONS, *(each for _, rule in rules for each in rule.relations)]
    relations = tuple(judge_relation(each, records) for each in asked)
    machines = list(dict.fromkeys(str(each) for each in records.machines.values()))
    text = filling.environment.get_template("guidance.md").render(
        decisions=decisions,
        rules=rules,
        missing=missing,
        machines=machines,
        trials=describe_trials(records),
        runs=list_runs(records),
        relations=relations,
        ratio=lambda each: (
            formats.UNKNOWN if each.ratio is None else formats.short_ratio(each.ratio)
        ),
    )
    return Guidance(text, relations, tuple(missing))


def describe_trials(records: Records) -> str:
    most = max((len(each.trials) for each in records.cells.values()), default=0)
    return "One run each" if most == 1 else "Medians over the trials"


def fill_decision(row: Decision, filling: TemplateFiller) -> Decision:
    texts = {each.name: getattr(row, each.name) for each in fields(row)}
    return Decision(**{name: filling.fill_sentence(text) for name, text in texts.items()})


def list_runs(records: Records) -> list[tuple[str, str, str, list[GuidanceRow]]]:
    """Name, command, folder and cells of each, in the order of the experiments."""
    found = []
    for experiment in EXPERIMENTS:
        cells = [each for each in records.cells.values() if each.experiment == experiment.name]
        if cells:
            rows = [build_guidance_row(each) for each in cells]
            found.append((experiment.name, cells[0].command, cells[0].folder, rows))
    return found


def build_guidance_row(cell: RecordedScenario) -> GuidanceRow:
    return GuidanceRow(
        anchor=build_anchor(cell.key),
        name=cell.scenario.name,
        setting=describe_setting(cell),
        trials=len(cell.trials),
        ok_rps=formats.rate(cell.compute_median("ok_rps")),
        median_ms=formats.milliseconds(cell.compute_median("median_ms")),
        p99_ms=formats.milliseconds(cell.compute_median("p99_ms")),
        others_ms=formats.milliseconds(cell.compute_median("bystander.median_ms")),
        remarks=", ".join(cell.remarks),
    )


def describe_setting(cell: RecordedScenario) -> str:
    """What decides, in a few words."""
    scenario = cell.scenario
    found = [f"{scenario.load.users} users"]
    if scenario.delay_s is not None:
        found.append(f"{1000 * scenario.delay_s:g} ms")
    if scenario.server.is_python:
        found += [f"{scenario.server.pool} threads", scenario.server.loop]
    client = scenario.client
    if client is not None and client.life == "shared" and client.connections < scenario.load.users:
        found.append(f"{client.connections} connections")
    if scenario.server.workers > 1:
        found.append(f"{scenario.server.workers} workers")
    return ", ".join(found)


def select_broken(found: Sequence[RelationResult]) -> list[RelationResult]:
    return [each for each in found if each.holds is False]
