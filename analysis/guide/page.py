"""docs/guidance.md: the template filled from records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import jinja2

from analysis import formats
from analysis.guide.claims import Judged, judged
from analysis.guide.decisions import DECISIONS, RELATIONS, Decision
from analysis.guide.experiments import EXPERIMENTS
from analysis.guide.recorded import Recorded, Records
from analysis.guide.rules import RULES, Rule

GENERATOR_LIMIT = 90.0
"""Percent of its core: beyond it a load process can't ask any faster."""


class MissingError(Exception):
    """A figure that no record has."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """`text` is Markdown; `missing`: rules and rows left out, because nothing was measured."""

    text: str
    relations: tuple[Judged, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
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


def environment() -> jinja2.Environment:
    """Nothing is escaped: what is filled in are our own sentences and figures."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.guide"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class Filling:
    """Puts figures into sentences, each linked to the row of its cell."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.environment = environment()
        self.environment.globals |= {
            "cores": max((each.cores for each in records.machines.values()), default=0),
            "rps": self.throughput,
            "mib": lambda cell: self.quoted(cell, "rss_mib_peak", formats.whole),
            "ms": lambda cell, figure: self.quoted(cell, figure, formats.milliseconds),
            "whole": lambda cell, figure: self.quoted(cell, figure, formats.whole),
            "percent": lambda cell, figure: self.quoted(cell, figure, formats.percent),
        }

    def quoted(self, cell: str, figure: str, text: Callable[[float | None], str]) -> str:
        """Raises MissingError."""
        found = self.records.value(cell, figure)
        if found is None:
            raise MissingError(f"{figure} of {cell}")
        return f"[{text(found)}](#{anchor(cell)})"

    def throughput(self, cell: str) -> str:
        """A lower bound where the load was busy all the time. Raises MissingError."""
        found = self.quoted(cell, "ok_rps", formats.brief)
        load = self.records.value(cell, "generator_cpu_percent_peak")
        return f"at least {found}" if load is not None and load > GENERATOR_LIMIT else found

    def filled(self, sentence: str) -> str:
        """Raises MissingError."""
        return self.environment.from_string(sentence).render()


def anchor(cell: str) -> str:
    return cell.replace("/", "-").replace(".", "-")


def guidance(records: Records) -> Guidance:
    filling = Filling(records)
    decisions, rules, missing = list[Decision](), list[tuple[int, Rule]](), list[str]()
    for row in DECISIONS:
        try:
            decisions.append(filled_row(row, filling))
        except MissingError:
            missing.append(f"the row {row.work}, {row.delay}, {row.users}")
    for number, rule in enumerate(RULES, start=1):
        try:
            rules.append((number, replace(rule, measured=filling.filled(rule.measured))))
        except MissingError:
            missing.append(f"the rule {rule.claim!r}")
    asked = [*RELATIONS, *(each for _, rule in rules for each in rule.relations)]
    relations = tuple(judged(each, records) for each in asked)
    machines = list(dict.fromkeys(str(each) for each in records.machines.values()))
    text = filling.environment.get_template("guidance.md").render(
        decisions=decisions,
        rules=rules,
        missing=missing,
        machines=machines,
        trials=trials_of(records),
        runs=runs(records),
        relations=relations,
        ratio=lambda each: formats.UNKNOWN if each.ratio is None else formats.times(each.ratio),
    )
    return Guidance(text, relations, tuple(missing))


def trials_of(records: Records) -> str:
    most = max((len(each.trials) for each in records.cells.values()), default=0)
    return "One run each" if most == 1 else "Medians over the trials"


def filled_row(row: Decision, filling: Filling) -> Decision:
    texts = {each.name: getattr(row, each.name) for each in fields(row)}
    return Decision(**{name: filling.filled(text) for name, text in texts.items()})


def runs(records: Records) -> list[tuple[str, str, str, list[Row]]]:
    """Name, command, folder and cells of each, in the order of the experiments."""
    found = []
    for experiment in EXPERIMENTS:
        cells = [each for each in records.cells.values() if each.experiment == experiment.name]
        if cells:
            rows = [row_of(each) for each in cells]
            found.append((experiment.name, cells[0].command, cells[0].folder, rows))
    return found


def row_of(cell: Recorded) -> Row:
    return Row(
        anchor=anchor(cell.key),
        name=cell.scenario.name,
        setting=setting(cell),
        trials=len(cell.trials),
        ok_rps=formats.rate(cell.value("ok_rps")),
        median_ms=formats.milliseconds(cell.value("median_ms")),
        p99_ms=formats.milliseconds(cell.value("p99_ms")),
        others_ms=formats.milliseconds(cell.value("bystander.median_ms")),
        remarks=", ".join(cell.remarks),
    )


def setting(cell: Recorded) -> str:
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


def broken(found: Sequence[Judged]) -> list[Judged]:
    return [each for each in found if each.holds is False]
