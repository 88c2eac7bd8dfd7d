"""`study capacity`: steps of an open loop until the knee is found, then the latencies below it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

import psutil

from analysis.report.run_table import render_cell, render_run_headings
from analysis.report.write import load_cell_summary, write_reports
from analysis.stats.knee_search import choose_next_rate
from analysis.summary.capacity import (
    SHARES,
    build_search_steps,
    compute_knee,
    name_share_cell,
    name_step,
)
from analysis.summary.model import CellSummary
from analysis.summary.run import attach_prediction, read_run_settings, summarize_run
from analysis.theory.prediction import build_server_model, compute_prediction
from records.calibration import Calibration
from records.rundir import RunDir, create_run
from scenarios.errors import UserError
from scenarios.model import Scenario, resolve_scenario
from scenarios.settings import ARRIVAL_RATES
from stress.cell import run_cell
from stress.interruption import CellInterruptedError, Interruption
from study.final_output import (
    choose_exit_code,
    print_final_output,
    print_report_location,
    write_report_page,
)
from study.machine_facts import collect_environment, detect_resources
from study.predictions import predict_scenarios
from study.progress import ProgressDisplay, choose_display, get_terminal_width
from study.signals import record_signals

FASTEST = ARRIVAL_RATES[1]
UNKNOWN_CEILING = 1000.0


class CapacitySearch:
    """One scenario, one run directory; each step is a cell with a fresh server."""

    def __init__(
        self,
        scenario: Scenario,
        port: int,
        directory: RunDir,
        content: dict[str, object],
        progress: ProgressDisplay,
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
        theory = predict_scenarios(
            (self.scenario,), self.interruption, self.progress.show_calibration
        )
        name = self.scenario.name
        self.calibration = theory.calibrations.get(name)
        self.content["calibrations"] = asdict(theory)["calibrations"]
        self.save_manifest()
        ceiling_rps = theory.predictions[name].ceiling_rps if self.calibration else None
        return round_rate(min(ceiling_rps or UNKNOWN_CEILING, FASTEST))

    def save_manifest(self) -> None:
        self.directory.save_manifest({**self.content, "predictions": self.predictions})

    def run_search(self, first: float, most_steps: int) -> None:
        """Raises UserError, CellInterruptedError."""
        self.progress.print_line(render_run_headings())
        for name, rate in chain(self.iterate_steps(first, most_steps), self.iterate_knee_shares()):
            self.run_rate(name, rate, most_steps + len(SHARES))

    def iterate_steps(self, first: float, most_steps: int) -> Iterator[tuple[str, float]]:
        """Names and rates; each depends on what became of those before."""
        while rate := choose_next_rate(build_search_steps(self.cells), first, most_steps):
            if rate > FASTEST:
                break
            yield name_step(self.scenario.name, round_rate(rate)), round_rate(rate)

    def iterate_knee_shares(self) -> Iterator[tuple[str, float]]:
        """Of the knee, but for those that a step has measured."""
        measured = {step.rate for step in build_search_steps(self.cells)}
        sustained_rps = compute_knee(self.cells).sustained_rps
        if sustained_rps is None:
            return
        for share in SHARES:
            rate = round_rate(share * sustained_rps)
            if rate not in measured:
                yield name_share_cell(self.scenario.name, share), rate

    def run_rate(self, name: str, rate: float, most_cells: int) -> None:
        scenario = replace(
            self.scenario, name=name, load=replace(self.scenario.load, arrival_rate=rate)
        )
        self.record_prediction(scenario)
        trial = 1 + sum(each.scenario == name for each in self.cells)
        cell = self.directory.open_cell(f"{name}.{trial}")
        self.progress.start_cell(len(self.cells) + 1, most_cells, cell.path)
        run_cell(scenario, trial, cell, self.port, self.interruption, self.progress.show_phase)
        summary = attach_prediction(
            load_cell_summary(cell), read_run_settings(self.directory.load_manifest())
        )
        self.cells.append(summary)
        write_reports(self.directory, self.cells)
        self.progress.print_line(render_cell(summary, get_terminal_width()))
        if self.interruption.reason or summary.interrupted:
            raise CellInterruptedError(summary.interrupted or str(self.interruption.reason))

    def record_prediction(self, scenario: Scenario) -> None:
        """Into the manifest, before its load starts."""
        if self.calibration is None:
            return
        database_s = self.calibration.wait_s if scenario.database else 0.0
        system = build_server_model(
            scenario, self.calibration.cpu_s, psutil.cpu_count(), database_s
        )
        self.predictions[scenario.name] = asdict(compute_prediction(system, scenario.load))
        self.save_manifest()


def round_rate(rate: float) -> float:
    """To three digits: names of cells are made of it."""
    return float(f"{rate:.3g}")


def find_capacity(
    scenario: Scenario, first: float | None, most_steps: int, port: int, out: Path
) -> int:
    """`first` is where to begin; None takes what theory says of the ceiling. Raises UserError."""
    offered = detect_resources()
    settled = resolve_scenario(scenario, offered)
    directory = create_run(out, f"capacity-{scenario.name}")
    content: dict[str, object] = {
        "command": shlex.join(["study", *sys.argv[1:]]),
        "environment": collect_environment(),
        "scenarios": [asdict(settled)],
        "available": asdict(offered),
        "capacity": {"scenario": scenario.name, "steps": most_steps},
    }
    progress = choose_display(quiet=False)
    search = CapacitySearch(settled, port, directory, content, progress)
    search.save_manifest()
    try:
        with record_signals(search.interruption), suppress(CellInterruptedError):
            ceiling = search.calibrate()
            search.run_search(first or ceiling, most_steps)
    except UserError as problem:
        raise UserError(f"{scenario.name}: {problem}", problem.exit_code) from problem
    finally:
        progress.close()
    summary = summarize_run(search.cells, read_run_settings(directory.load_manifest()))
    if summary.cells:
        print_final_output(summary)
        print_report_location(directory, write_report_page(summary, directory))
    return choose_exit_code(summary, directory, search.interruption.reason)
