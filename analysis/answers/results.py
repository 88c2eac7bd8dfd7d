"""A run's results, from which statements are found: its scenarios, and which of them compare."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from analysis.answers.measured_scenario import Family, MeasuredScenario
from analysis.answers.slower import Cause, Slower, compare_case
from analysis.summary.capacity import Knee, select_share_cells
from analysis.summary.contrast import Contrast, group_by_base
from analysis.summary.model import CellSummary
from analysis.summary.run import ExerciseRecord, RunSummary
from analysis.summary.sweep import Sweep
from analysis.summary.trials import group_completed_trials
from scenarios.catalogue import GROUPS
from scenarios.model import Scenario


@dataclass(frozen=True)
class Results:
    cases: tuple[MeasuredScenario, ...]
    contrasts: tuple[Contrast, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    knee: Knee | None = None
    share_cells: tuple[tuple[float, CellSummary], ...] = ()
    """Shares of the sustained rate that a capacity search found, each with a cell at that rate."""
    searched: str = ""
    """The scenario of a capacity search."""
    exercise: ExerciseRecord | None = None
    missing: tuple[str, ...] = ()
    """Scenarios without a completed trial."""

    @cached_property
    def slower(self) -> tuple[Slower, ...]:
        """Cases that clearly serve less than another one of their family, in order of the cases."""
        found = (compare_case(each, family) for family in self.families for each in family.cases)
        return tuple(each for each in found if each is not None)

    def select_caused(self, cause: Cause) -> list[tuple[Slower, ...]]:
        """Select the slower cases with that cause, grouped by family."""
        slower = [each for each in self.slower if each.cause == cause]
        groups = (
            tuple(each for each in slower if each.case in family.cases) for family in self.families
        )
        return [each for each in groups if each]

    def find_case(self, name: str) -> MeasuredScenario | None:
        return next((each for each in self.cases if each.name == name), None)

    def find_step(self, rate: float | None) -> MeasuredScenario | None:
        """Find the step of a capacity search by its rate."""
        rates = ((each, each.scenario.load.arrival_rate) for each in self.cases)
        return next((each for each, own in rates if own is not None and own == rate), None)

    @cached_property
    def contrasted(self) -> frozenset[str]:
        """The scenarios that are compared over several endpoints."""
        several = (those for those in group_by_base(self.contrasts) if len(those) > 1)
        return frozenset(
            one.scenario for those in several for each in those for one in each.results
        )

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Families of usable cases, in order of their first case. Empty for a sweep and a capacity
        search, whose cases are steps; without cases that are compared over several endpoints."""
        if self.sweeps or self.knee:
            return ()
        rest = (each for each in self.cases if each.name not in self.contrasted)
        usable = sorted((each for each in rest if each.is_usable), key=find_subject)
        groups = [Family(tuple(each)) for _, each in groupby(usable, key=find_subject)]
        order = {each.name: place for place, each in enumerate(self.cases)}
        return tuple(sorted(groups, key=lambda each: order[each.cases[0].name]))


def find_subject(case: MeasuredScenario) -> tuple[str, ...]:
    """Return the work and the load: the same for all cases whose throughputs compare."""
    scenario, load = case.scenario, case.scenario.load
    work = scenario.subject or ("upstream" if scenario.upstream else name_work(scenario))
    asked = (load.users, load.think_s, load.arrival_rate, load.arrivals, load.keep_alive)
    return (work, *map(str, (scenario.delay_s, scenario.file_mib, *asked)))


def name_work(scenario: Scenario) -> str:
    """Return the group of a catalogue scenario, since all of a group do the same work; scenarios
    of a user's file may do anything."""
    if scenario.group in GROUPS:
        return scenario.group
    return f"{scenario.group} {scenario.endpoint.method} {scenario.endpoint.path}"


def collect_results(summary: RunSummary) -> Results:
    """Leave out scenarios without a complete record."""
    trials = group_completed_trials(summary.cells)
    definitions, searched = summary.definitions, ""
    if summary.knee is not None and len(definitions) == 1:
        ((searched, base),) = definitions.items()
        definitions = define_steps(base, summary.cells)
    cases = (
        MeasuredScenario(definitions[name], tuple(those))
        for name, those in trials.items()
        if name in definitions
    )
    return Results(
        cases=tuple(cases),
        contrasts=summary.contrasts,
        sweeps=summary.sweeps,
        knee=summary.knee,
        share_cells=tuple(select_share_cells(summary.cells) or ()) if summary.knee else (),
        searched=searched,
        exercise=summary.exercise,
        missing=tuple(each for each in definitions if each not in trials),
    )


def define_steps(base: Scenario, cells: Sequence[CellSummary]) -> dict[str, Scenario]:
    """Define each step of a search as the scenario at another rate."""
    return {
        each.scenario: replace(
            base,
            name=each.scenario,
            load=replace(base.load, arrival_rate=each.open_loop.arrival_rate),
        )
        for each in cells
        if each.open_loop is not None
    }
