"""The output of `study list` and `study show`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import ceil
from textwrap import wrap

from analysis.report.table import (
    WIDTH,
    Column,
    Row,
    Table,
    hang_text,
    render_terminal,
)
from records.harmless import make_harmless
from scenarios.catalogue import CATALOGUE, DEFAULT_GROUPS, GROUP_QUESTIONS, GROUPS
from scenarios.model import Scenario
from scenarios.resolution import resolve_scenario
from study.estimates import estimate_run_s, format_estimate
from study.machine_facts import detect_resources

NAMES_WIDTH = 26
"""The longest name of the catalogue and a space."""
GROUPS_HELP = {
    "study list GROUP": "the scenarios of one group",
    "study list --all": "every scenario",
    "study show SCENARIO": "settings of a scenario, what to expect and why",
    "study run GROUP": f"run a group; {' and '.join(DEFAULT_GROUPS)} if none is given",
}
SCENARIOS_HELP = {
    "study show NAME": "settings of a scenario, what to expect and why",
    "study run NAME": "run it",
}
ESTIMATED = "min: estimated minutes for all scenarios of the group."


def list_groups() -> Iterator[str]:
    """Return the lines with each group's question, and the commands that show more."""
    yield from render_terminal(build_groups_table())
    yield ""
    yield from list_commands(GROUPS_HELP)


def build_groups_table() -> Table:
    offered = detect_resources()
    columns = (
        Column("group", is_text=True),
        Column("scenarios"),
        Column("min"),
        Column("question", is_text=True),
    )
    rows = []
    for group in GROUPS:
        members = [resolve_scenario(each, offered) for each in CATALOGUE if each.group == group]
        minutes = ceil(estimate_run_s(members) / 60)
        rows.append(Row(group, (len(members), minutes, GROUP_QUESTIONS.get(group, ""))))
    return Table(columns, rows, notes=(ESTIMATED,))


def list_scenarios(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """Return the lines with each scenario's name and question, by group."""
    for group in dict.fromkeys(each.group for each in scenarios):
        question = GROUP_QUESTIONS.get(group)
        yield from wrap(f"{group}: {question}" if question else group, WIDTH)
        for each in scenarios:
            if each.group == group:
                yield from hang_text(f"  {each.name}", NAMES_WIDTH + 2, each.question)
        yield ""
    yield from list_commands(SCENARIOS_HELP)


def show_scenarios(scenarios: Sequence[Scenario]) -> Iterator[str]:
    for place, each in enumerate(scenarios):
        if place:
            yield ""
        yield from show_scenario(resolve_scenario(each, detect_resources()))


def show_scenario(scenario: Scenario) -> Iterator[str]:
    """Return the lines about a resolved scenario."""
    from analysis.report.conditions import build_settings_table  # slow: it imports dataframes
    from analysis.summary.comparison import read_scenarios

    yield f"{scenario.name} (group {scenario.group})"
    yield from wrap(make_harmless(scenario.question), WIDTH)
    yield ""
    for name, text in (("expect", scenario.expect), ("why", scenario.why)):
        yield from hang_text(name, 8, make_harmless(text))
    yield ""
    (settings,) = read_scenarios({"scenarios": [asdict(scenario)]}).values()
    yield from render_terminal(build_settings_table({"": settings}))
    yield ""
    about = format_estimate(estimate_run_s([scenario]))
    name = scenario.name if scenario.name in {each.name for each in CATALOGUE} else "FILE"
    yield from list_commands(
        {
            f"study run {name}": f"run it, in about {about}",
            f"study predict {name}": "predict its results, after a short calibration",
        }
    )


def list_commands(commands: Mapping[str, str]) -> Iterator[str]:
    width = 2 + max(map(len, commands))
    for command, text in commands.items():
        yield from hang_text(command, width, text)
