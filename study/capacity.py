"""`study capacity`: steps of an open loop until the knee is found, then the latencies below it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

import psutil

from analysis.capacity import SHARES, knee_of, share_name, step_name, steps_of
from analysis.knee import next_rate
from analysis.reports import summary_of, write_reports
from analysis.run_summary import asked_of, beside_theory, summarised
from analysis.summary import CellSummary
from analysis.tables import heading_lines, row_text
from analysis.theory.prediction import predicted, system_of
from records.calibration import Calibration
from records.rundir import RunDir, new_run
from scenarios.model import Scenario, resolved
from scenarios.overrides import BOUNDS
from scenarios.problems import Problem
from stress.cell import run_cell
from stress.interruption import CellInterruptedError, Interruption
from study.closing import exit_code, finish_page, print_closing, print_where
from study.environment import available, environment
from study.interrupts import noted
from study.progress import Progress, progress_for
from study.theory import theory_of

FASTEST = BOUNDS["arrival_rate"][1]
UNKNOWN_CEILING = 1000.0


class Search:
    """One scenario, one run directory; each step is a cell with a fresh server."""

    def __init__(
        self,
        scenario: Scenario,
        port: int,
        directory: RunDir,
        content: dict[str, object],
        progress: Progress,
    ):
        self.scenario = scenario
        self.port = port
        self.directory = directory
        self.content = content
        self.progress = progress
        self.interruption = Interruption()
        self.calibration: Calibration | None = None
        self.predictions: dict[str, object] = {}
        self.cells: list[CellSummary] = []

    def calibrate(self) -> float:
        """The rate to begin with: theory's ceiling, if there is one."""
        theory = theory_of((self.scenario,), self.interruption, self.progress.calibrates)
        name = self.scenario.name
        self.calibration = theory.calibrations.get(name)
        self.content["calibrations"] = asdict(theory)["calibrations"]
        self.save_manifest()
        ceiling_rps = theory.predictions[name].ceiling_rps if self.calibration else None
        return rounded(min(ceiling_rps or UNKNOWN_CEILING, FASTEST))

    def save_manifest(self) -> None:
        self.directory.save_manifest({**self.content, "predictions": self.predictions})

    def go(self, first: float, most_steps: int) -> None:
        """Raises Problem, CellInterruptedError."""
        for line in heading_lines():
            self.progress.say(line)
        for name, rate in chain(self.steps(first, most_steps), self.shares()):
            self.offer(name, rate, most_steps + len(SHARES))

    def steps(self, first: float, most_steps: int) -> Iterator[tuple[str, float]]:
        """Names and rates; each depends on what became of those before."""
        while rate := next_rate(steps_of(self.cells), first, most_steps):
            if rate > FASTEST:
                break
            yield step_name(self.scenario.name, rounded(rate)), rounded(rate)

    def shares(self) -> Iterator[tuple[str, float]]:
        """Of the knee, but for those that a step has measured."""
        measured = {step.rate for step in steps_of(self.cells)}
        sustained_rps = knee_of(self.cells).sustained_rps
        if sustained_rps is None:
            return
        for share in SHARES:
            rate = rounded(share * sustained_rps)
            if rate not in measured:
                yield share_name(self.scenario.name, share), rate

    def offer(self, name: str, rate: float, most_cells: int) -> None:
        scenario = replace(
            self.scenario, name=name, load=replace(self.scenario.load, arrival_rate=rate)
        )
        self.predict(scenario)
        trial = 1 + sum(each.scenario == name for each in self.cells)
        cell = self.directory.cell(f"{name}.{trial}")
        self.progress.cell(len(self.cells) + 1, most_cells, cell.path)
        run_cell(scenario, trial, cell, self.port, self.interruption, self.progress.tell)
        summary = beside_theory(summary_of(cell), asked_of(self.directory.manifest()))
        self.cells.append(summary)
        write_reports(self.directory, self.cells)
        self.progress.say(row_text(summary))
        if self.interruption.reason or summary.interrupted:
            raise CellInterruptedError(summary.interrupted or str(self.interruption.reason))

    def predict(self, scenario: Scenario) -> None:
        """Into the manifest, before its load starts."""
        if self.calibration is None:
            return
        database_s = self.calibration.wait_s if scenario.database else 0.0
        system = system_of(scenario, self.calibration.cpu_s, psutil.cpu_count(), database_s)
        self.predictions[scenario.name] = asdict(predicted(system, scenario.load))
        self.save_manifest()


def rounded(rate: float) -> float:
    """To three digits: names of cells are made of it."""
    return float(f"{rate:.3g}")


def capacity(scenario: Scenario, first: float | None, most_steps: int, port: int, out: Path) -> int:
    """`first` is where to begin; None takes what theory says of the ceiling. Raises Problem."""
    offered = available()
    settled = resolved(scenario, offered)
    directory = new_run(out, f"capacity-{scenario.name}")
    content: dict[str, object] = {
        "command": shlex.join(["study", *sys.argv[1:]]),
        "environment": environment(),
        "scenarios": [asdict(settled)],
        "available": asdict(offered),
        "capacity": {"scenario": scenario.name, "steps": most_steps},
    }
    progress = progress_for(quiet=False)
    search = Search(settled, port, directory, content, progress)
    search.save_manifest()
    try:
        with noted(search.interruption), suppress(CellInterruptedError):
            ceiling = search.calibrate()
            search.go(first or ceiling, most_steps)
    except Problem as problem:
        raise Problem(f"{scenario.name}: {problem}", problem.exit_code) from problem
    finally:
        progress.close()
    summary = summarised(search.cells, asked_of(directory.manifest()))
    if summary.cells:
        print_closing(summary)
        print_where(directory, finish_page(summary, directory))
    return exit_code(summary, directory, search.interruption.reason)
