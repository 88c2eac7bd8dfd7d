"""How well predictions hold: `python -m benchmarks.predictions RUN_DIRECTORY...`

Prints a row per scenario of these runs, each of which may have several trials: the measured
throughput, that predicted for the first trial and its range, and how many trials are in their own.
Trials without a range are left out. Then how far the predicted medians are from the measured ones,
as ratios. The last line counts the trials of all runs.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis.guide.recorded import find_runs, read_cells
from analysis.summary.model import CellSummary
from analysis.summary.trials import group_completed_trials
from scenarios.errors import ALL_WELL, UserError

NOTICED_MS = 5.0
"""Shorter waits of the background request are mostly the system's own."""
HEADER = (
    f"{'':28}{'measured, rps':>22}{'predicted':>11}{'range':>16}{'inside':>10}{'median':>9}"
    f"{'background':>12}"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measured figures of one scenario's trials that have a predicted range, and the first one's
    prediction. inside: trials in the range of their own prediction. The ratios are predicted /
    measured; None without one of them, and for a background request that waits less than
    NOTICED_MS."""

    scenario: str
    measured_rps: tuple[float, ...]
    predicted_rps: float
    low_rps: float
    high_rps: float
    inside: int
    median_ratio: float | None
    background_ratio: float | None

    def __str__(self) -> str:
        rates = f"{min(self.measured_rps):,.1f}-{max(self.measured_rps):,.1f}"
        ratios = "".join(
            f"{'' if ratio is None else format(ratio, '.2f'):>{width}}"
            for ratio, width in ((self.median_ratio, 9), (self.background_ratio, 12))
        )
        return (
            f"{self.scenario:28}{rates:>22}{self.predicted_rps:>11,.1f}"
            f"{f'{self.low_rps:,.1f}-{self.high_rps:,.1f}':>16}"
            f"{f'{self.inside} of {len(self.measured_rps)}':>10}{ratios}"
        )


def main(paths: Sequence[Path]) -> int:
    try:
        found = [each for run in find_runs(paths) for each in compare_run(read_cells(run))]
        if not found:
            raise UserError("name a run whose cells have a predicted range")
    except UserError as problem:
        print(f"predictions: {problem}", file=sys.stderr)
        return problem.exit_code
    print(HEADER, *found, sep="\n")
    inside, trials = (sum(each.inside for each in found), sum(len(it.measured_rps) for it in found))
    print(f"inside the predicted range: {inside} of {trials} trials")
    return ALL_WELL


def compare_run(cells: Sequence[CellSummary]) -> Iterator[Comparison]:
    for name, completed in group_completed_trials(cells).items():
        trials = [each for each in completed if is_inside(each) is not None]
        rates = tuple(each.ok_rps for each in trials if each.ok_rps is not None)
        if not trials or (known := trials[0].predicted) is None:
            continue
        waits_ms = [each.bystander.median_ms for each in trials]
        waited_ms = median(each for each in waits_ms if each is not None) if any(waits_ms) else 0.0
        yield Comparison(
            name,
            rates,
            known.ok_rps or 0.0,
            known.low or 0.0,
            known.high or 0.0,
            sum(bool(is_inside(each)) for each in trials),
            compute_ratio(known.median_ms, [each.median_ms for each in trials]),
            compute_ratio(known.bystander_ms, waits_ms) if waited_ms > NOTICED_MS else None,
        )


def is_inside(cell: CellSummary) -> bool | None:
    """Return True if the range of the trial's own prediction has its throughput; None without one
    of them."""
    rate, known = cell.ok_rps, cell.predicted
    if rate is None or known is None or known.ok_rps is None:
        return None
    if known.low is None or known.high is None:
        return None
    return known.low <= rate <= known.high


def compute_ratio(predicted: float | None, measured: Sequence[float | None]) -> float | None:
    known = [each for each in measured if each]
    return predicted / median(known) if predicted is not None and known else None


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
