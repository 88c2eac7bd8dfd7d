"""`study capacity`: steps of an open loop until the knee is found, then the latencies below it."""

import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from analysis.capacity import SHARES, knee_of, next_rate, step_of
from analysis.reports import summary_of, write_reports
from analysis.run_summary import asked_of, summarised
from analysis.summary import CellSummary
from analysis.tables import heading_lines, row_text
from records.rundir import RunDir, new_run
from scenarios.model import Scenario, resolved
from scenarios.problems import Problem
from stress.cell import run_cell
from stress.interruption import CellInterruptedError, Interruption
from study.closing import print_closing
from study.environment import available, environment
from study.interrupts import noted
from study.progress import Progress, progress_for
from study.theory import Theory, theory_of

FASTEST = 20_000.0
INTERRUPTED = 130


class Search:
    """One scenario, one run directory; each step is a cell with a fresh server."""

    def __init__(self, scenario: Scenario, port: int, directory: RunDir, progress: Progress):
        self.scenario = scenario
        self.port = port
        self.directory = directory
        self.progress = progress
        self.interruption = Interruption()
        self.cells: list[CellSummary] = []

    def calibrate(self) -> Theory:
        return theory_of((self.scenario,), self.interruption, self.progress.calibrates)

    def go(self, first: float, most_steps: int) -> None:
        """Raises Problem, CellInterruptedError."""
        for line in heading_lines():
            self.progress.say(line)
        for rate in self.rates(first, most_steps):
            self.offer(rate, most_steps + len(SHARES))

    def rates(self, first: float, most_steps: int) -> Iterator[float]:
        while rate := next_rate([step_of(each) for each in self.cells], first, most_steps):
            if rate > FASTEST:
                break
            yield rounded(rate)
        sustained = knee_of(self.cells).sustained_rps
        if sustained is not None:
            yield from [rounded(share * sustained) for share in SHARES]

    def offer(self, rate: float, most_cells: int) -> None:
        name = f"{self.scenario.name}-at-{rate:g}"
        scenario = replace(
            self.scenario, name=name, load=replace(self.scenario.load, arrival_rate=rate)
        )
        self.progress.cell(len(self.cells) + 1, most_cells)
        cell = self.directory.cell(f"{name}.1")
        run_cell(scenario, 1, cell, self.port, self.interruption, self.progress.tell)
        summary = summary_of(cell)
        self.cells.append(summary)
        write_reports(self.directory, self.cells)
        self.progress.say(row_text(summary))
        if self.interruption.reason or summary.interrupted:
            raise CellInterruptedError(summary.interrupted or str(self.interruption.reason))


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
    directory.save_manifest(content)
    progress = progress_for(quiet=False)
    search = Search(settled, port, directory, progress)
    try:
        with noted(search.interruption):
            theory = search.calibrate()
            directory.save_manifest(content | asdict(theory))
            ceiling = theory.predictions[settled.name].ceiling_rps
            search.go(first or begin(ceiling), most_steps)
    except CellInterruptedError as error:
        print(f"study: interrupted ({error}); kept: {directory.path}", file=sys.stderr)
        return INTERRUPTED
    except Problem as problem:
        raise Problem(f"{scenario.name}: {problem}", problem.exit_code) from problem
    finally:
        progress.close()
    print_closing(summarised(search.cells, asked_of(directory.manifest())), directory)
    return 0


def begin(ceiling_rps: float | None) -> float:
    return rounded(min(ceiling_rps or 1000.0, FASTEST))
