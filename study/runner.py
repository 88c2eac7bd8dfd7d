"""Runs the cells of a plan: predicts, runs, summarises, saves and shows each before the next."""

import os
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from analysis.report.run_table import render_cell, render_run_headings
from analysis.report.write import load_cell_summary, write_reports
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary, read_run_settings, summarize_run
from records.rundir import RunDir
from scenarios.errors import BROKEN, UserError
from scenarios.model import ServerKind
from stress.cell import run_cell
from stress.interruption import CellInterruptedError
from stress.programs import BuildWatch
from stress.runtime import CellRun, Runtime
from stress.servers import find_adapter
from study.output import CLOSED, describe_output_failure
from study.paths import format_path
from study.predictions import Predictor, choose_condition
from study.progress import ProgressDisplay, get_terminal_width
from study.schedule import Plan, ScheduledTrial
from study.selection import print_left_out

TRACEBACK_FILE = "error.log"


@dataclass(slots=True)
class Runner:
    """Runs the cells of one run directory. manifest: the plan, to which predictions are added as
    they are made. cells: the results in the order of the run."""

    directory: RunDir
    manifest: Mapping[str, object]
    runtime: Runtime
    progress: ProgressDisplay
    predictor: Predictor | None = None
    explain: bool = False
    cells: list[CellSummary] = field(default_factory=list)
    _name: str = ""

    def run_plan(self, make_plan: Callable[[Predictor | None], Plan]) -> None:
        """Run until the plan or an interruption ends it. A plan may use predictions. Raises
        UserError that names the scenario and the kept results."""
        self.progress.print_line(render_run_headings())
        try:
            plan = make_plan(self.predictor)
            while (turn := plan.choose_next(self.cells)) is not None:
                self._name = f"{turn.scenario.name}: "
                if not self._build_server(turn.scenario.server.kind, plan):
                    continue
                summary = self._run_trial(turn, plan.length)
                if self.runtime.interruption.reason or summary.interrupted:
                    return
        except CellInterruptedError as error:  # before the load started: nothing to keep
            if self.runtime.interruption.reason is None:
                raise self._build_error(str(error), BROKEN) from error
        except UserError as problem:
            raise self._build_error(str(problem), problem.exit_code) from problem
        except Exception as error:
            self._save_traceback()
            raise self._build_error(self._describe_fault(error), BROKEN) from error

    def summarize(self) -> RunSummary:
        return summarize_run(self.cells, read_run_settings(self.manifest))

    def _build_server(self, server: ServerKind, plan: Plan) -> bool:
        """Return False if the server cannot be built: its scenarios are left out. Raises UserError
        if no others remain, CellInterruptedError."""
        watch = BuildWatch(self.progress.show_build, self.runtime.interruption)
        try:
            find_adapter(server).build_program(watch)
        except UserError as problem:
            names = plan.leave_out(server, self.cells, problem)
            print_left_out(dict.fromkeys(names, problem))
            return False
        return True

    def _run_trial(self, turn: ScheduledTrial, length: int) -> CellSummary:
        cell = self.directory.open_cell(f"{turn.scenario.name}.{turn.trial}")
        self.progress.start_cell(len(self.cells) + 1, length, cell.path)
        prediction = None
        if self.predictor is not None:
            self.progress.show_activity(f"{turn.scenario.name}: computing the prediction")
            prediction = self.predictor.predict(turn.scenario, turn.trial)
            self.directory.save_manifest({**self.manifest, **self.predictor.export()})
        explain_if = choose_condition(prediction) if self.explain else None
        run_cell(CellRun(turn.scenario, turn.trial, cell, explain_if=explain_if), self.runtime)
        self.progress.show_activity(f"{turn.scenario.name}: computing the results")
        summary = load_cell_summary(cell, prediction)
        self.cells.append(summary)
        write_reports(self.directory.path, self.summarize())
        self.progress.print_line(render_cell(summary, get_terminal_width()))
        if describe_output_failure() == CLOSED:  # a full disk costs only the lines, and exit code 4
            self.runtime.interruption.reason = CLOSED
        return summary

    def _build_error(self, message: str, exit_code: int) -> UserError:
        kept = (
            f"; the cells before it ({len(self.cells)}) are in {format_path(self.directory.path)}"
        )
        return UserError(f"{self._name}{message}{kept if self.cells else ''}", exit_code)

    def _describe_fault(self, error: Exception) -> str:
        """A file that is missing in the run directory is one that the user has removed."""
        folder = self.directory.path
        if isinstance(error, FileNotFoundError):
            path = Path(os.fsdecode(error.filename or ""))
            if path.is_relative_to(folder.resolve()) or path.is_relative_to(folder):
                return f"{format_path(folder)} or a part of it was removed while it was written"
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return f"internal error ({said})"

    def _save_traceback(self) -> None:
        with suppress(OSError):
            (self.directory.path / TRACEBACK_FILE).write_text(
                traceback.format_exc(), "utf-8", "replace"
            )
