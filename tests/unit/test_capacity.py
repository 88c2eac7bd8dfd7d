from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.throughput import OpenLoopSummary
from analysis.report.search_tables import render_capacity
from analysis.summary.capacity import (
    PRECISION,
    SearchStep,
    build_search_step,
    choose_next_rate,
    compute_knee,
    find_knee,
    name_share_cell,
    name_step,
)
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from analysis.summary.run import read_run_settings
from analysis.verdicts.base import VerdictRecord
from records.prediction import Calibration
from records.rundir import CellDir, create_run
from scenarios.catalogue import select_scenarios
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from stress.interruption import Interruption
from stress.runtime import CellRun, Runtime
from study.capacity import CapacityPlan
from study.cli import main
from study.predictions import Predictor
from study.progress import QuietDisplay
from study.runner import Runner
from tests.unit.samples import healthy, record, tables

CELL = replace(compute_summary(record(), tables(healthy())), verdicts=())


def searched(
    capacity: float, first: float, most_steps: int, lucky: Iterator[bool] | None = None
) -> list[SearchStep]:
    """A server that serves its capacity for any offered rate; `lucky`: the next step above it is
    still measured as sustained."""
    steps: list[SearchStep] = []
    while (rate := choose_next_rate(steps, first, most_steps)) is not None:
        if rate <= capacity or (lucky is not None and next(lucky)):
            steps.append(SearchStep(rate, True))
        else:
            steps.append(SearchStep(rate, False, served_rps=capacity))
    return steps


@given(st.floats(1, 5000), st.floats(0.3, 3.0))
def test_the_search_ends_with_the_capacity_in_its_interval(capacity: float, guess: float) -> None:
    """From a first rate that is off by a factor of three: five steps of 1.3, and three halvings of
    the logarithm of 1.3 to 5 %."""
    steps = searched(capacity, first=guess * capacity, most_steps=12)
    found = find_knee(steps)
    assert found.sustained_rps is not None
    assert found.overloaded_rps is not None
    assert found.sustained_rps <= capacity < found.overloaded_rps
    assert found.overloaded_rps / found.sustained_rps <= 1 + PRECISION
    assert len(steps) <= 10


@given(st.floats(1, 5000), st.floats(0.01, 100), st.integers(1, 6))
def test_it_never_takes_more_steps_than_allowed(capacity: float, guess: float, most: int) -> None:
    assert len(searched(capacity, guess * capacity, most)) <= most


@given(st.floats(1, 5000), st.floats(0.5, 2.0), st.lists(st.booleans(), max_size=8))
def test_no_luck_makes_more_of_a_server_than_it_has_served(
    capacity: float, guess: float, luck: list[bool]
) -> None:
    """Even if the steps do not suffice to correct the luck; each rate is tried at most twice."""
    steps = searched(capacity, guess * capacity, 20, chain(luck, repeat(False)))
    found = find_knee(steps)
    rates = [step.rate for step in steps]
    assert all(rates.count(rate) <= 2 for rate in rates)
    assert found.overloaded_rps is not None
    assert capacity < found.overloaded_rps
    assert found.sustained_rps is None or found.sustained_rps <= capacity


def test_a_rate_beyond_what_was_served_is_tried_again_and_its_second_answer_counts() -> None:
    steps = [
        SearchStep(42, False, 39.2),
        SearchStep(32, True),
        SearchStep(36.7, True),
        SearchStep(40.6, True),
    ]
    assert choose_next_rate(steps, 42, 8) == 40.6
    denied = [*steps, SearchStep(40.6, False, 39.1)]
    assert (find_knee(denied).sustained_rps, find_knee(denied).overloaded_rps) == (36.7, 40.6)
    assert choose_next_rate(denied, 42, 8) == pytest.approx(38.6, abs=0.1)  # between the two
    assert choose_next_rate(steps, 42, 4) is None  # no step is left
    confirmed = [*steps, SearchStep(40.6, True)]
    assert find_knee(confirmed).sustained_rps == 39.2  # no more than was served
    assert choose_next_rate(confirmed, 42, 8) == 42  # or was that step wrong?


def test_an_overloaded_rate_below_what_another_step_served_is_tried_again() -> None:
    steps = [SearchStep(42, False, 39.2), SearchStep(32, True), SearchStep(33.5, False, 33.0)]
    assert choose_next_rate(steps, 42, 8) == 33.5
    steps.append(SearchStep(33.5, True))
    assert find_knee(steps).sustained_rps == 33.5
    steps.append(SearchStep(33.5, None))  # a saturated generator does not change the result
    assert find_knee(steps).sustained_rps == 33.5


def test_steps_that_the_generator_could_not_offer_are_not_asked_for_again() -> None:
    """Between a sustained rate and one that was not."""
    steps = [SearchStep(100, True), SearchStep(130, False, 109), SearchStep(114, None)]
    assert choose_next_rate(steps, 100, 8) == pytest.approx(106.8, abs=0.1)
    earlier = [SearchStep(80, None), SearchStep(100, True)]  # another time it could
    assert find_knee(earlier).generator_limit is None


def test_a_lucky_step_above_an_overloaded_one_is_not_believed() -> None:
    found = find_knee([SearchStep(100, True), SearchStep(120, False), SearchStep(150, True)])
    assert (found.sustained_rps, found.overloaded_rps) == (100, 120)


def test_a_generator_at_its_end_is_told_and_not_taken_for_the_servers() -> None:
    steps = [SearchStep(1000, True), SearchStep(1300, None)]
    found = find_knee(steps)
    assert (found.sustained_rps, found.overloaded_rps, found.generator_limit) == (1000, None, 1300)
    assert choose_next_rate(steps, 1000, 8) == pytest.approx(1140, rel=0.01)  # between the two


def offered(
    rate: float, *, overloaded: bool, p99_ms: float = 100.0, arrivals: str = "constant"
) -> CellSummary:
    loop = OpenLoopSummary(rate, arrivals, rate, rate, 0.0, overloaded, 1.0, 1.0)
    name = name_step("async-http-shared", rate)
    return replace(CELL, scenario=name, open_loop=loop, p99_ms=p99_ms, median_ms=50.0)


def share(cell: CellSummary, of: float) -> CellSummary:
    return replace(cell, scenario=name_share_cell("async-http-shared", of))


def sent(cell: CellSummary, requests: int) -> CellSummary:
    """This many of the requests due in its window of 10 s."""
    assert cell.open_loop is not None
    loop = replace(cell.open_loop, offered_rps=requests / 10)
    return replace(cell, open_loop=loop, duration_s=10.0)


def test_what_a_step_says() -> None:
    assert build_search_step(offered(10, overloaded=False)).sustained is True
    assert build_search_step(offered(10, overloaded=True)).sustained is False
    failing = replace(offered(10, overloaded=False), failure_ratio=0.2)
    assert build_search_step(failing).sustained is False
    blind = replace(
        offered(10, overloaded=False), verdicts=(VerdictRecord("GENERATOR_SATURATED", "error"),)
    )
    assert build_search_step(blind).sustained is None
    served = build_search_step(offered(10, overloaded=True)).served_rps
    assert served == 10
    # refused requests do not show what the server can serve
    assert (
        build_search_step(replace(offered(10, overloaded=True), failure_ratio=0.2)).served_rps
        is None
    )


@pytest.mark.parametrize(
    ("arrivals", "rate", "requests", "sustained"),
    [
        ("constant", 100, 981, True),
        ("constant", 100, 970, None),  # what was due at the stop was never sent
        ("constant", 2, 19, True),  # one of twenty came just before the window
        ("poisson", 100, 930, True),  # this few by chance: two deviations
    ],
)
def test_a_generator_that_sends_less_than_was_due_tells_nothing(
    arrivals: str, rate: float, requests: int, sustained: bool | None
) -> None:
    cell = sent(offered(rate, overloaded=False, arrivals=arrivals), requests)
    assert build_search_step(cell).sustained is sustained


def test_a_look_at_the_latencies_below_the_knee_is_no_step() -> None:
    steps = [offered(100, overloaded=False), offered(104, overloaded=True)]
    found = compute_knee([*steps, share(offered(90, overloaded=True), 0.9)])
    assert found == compute_knee(steps)
    assert (found.sustained_rps, found.steps) == (100, 2)


def test_latencies_at_a_share_that_was_not_sustained_stand_in_brackets() -> None:
    cells = [
        offered(100, overloaded=False),
        offered(104, overloaded=True),
        share(offered(70, overloaded=False, p99_ms=170.0), 0.7),
        share(offered(90, overloaded=True, p99_ms=190.0), 0.9),
        share(replace(offered(50, overloaded=False, p99_ms=150.0), failure_ratio=0.2), 0.5),
    ]
    half, most, nearly = render_capacity(cells)[2:]
    assert half.split() == ["50", "%", "50.0", "(50)", "(150)"]
    assert most.split() == ["70", "%", "70.0", "50.0", "170"]
    assert nearly.split() == ["90", "%", "90.0", "(50)", "(190)"]


def test_the_lines_give_the_interval_and_the_latencies_below_it() -> None:
    """A step that happens to be at a share of the knee is used for it."""
    rates = (100.0, 104.0, 50.0, 70.0, 90.0)
    cells = [offered(rate, overloaded=rate > 100, p99_ms=rate) for rate in rates]
    text = "\n".join(render_capacity(cells))
    assert "between 100.0 and 104.0 rps" in text
    assert "constant arrivals" in text
    for percent, rate in ((50, "50.0"), (70, "70.0"), (90, "90.0")):
        assert f"{percent} %" in text
        assert rate in text
    assert all(len(line) <= 80 for line in render_capacity(cells))
    assert render_capacity([CELL]) == []  # a closed loop has no capacity to report


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([offered(50, overloaded=True)], "below 50.0"),
        ([offered(50, overloaded=False)], "at least 50.0"),
        (
            [
                offered(50, overloaded=False),
                offered(65, overloaded=True),
                sent(offered(57, overloaded=False), 500),
            ],
            "(3 steps; the generator can't offer 57.0)",
        ),
        ([sent(offered(50, overloaded=False), 400)], "unknown; the generator can't offer 50.0"),
    ],
)
def test_half_an_interval_is_said_to_be_one(steps: list[CellSummary], words: str) -> None:
    assert words in render_capacity(steps)[0]


def test_a_search_that_was_cut_short_says_so() -> None:
    broken = replace(offered(65, overloaded=True), interrupted="Ctrl-C")
    lines = render_capacity([offered(50, overloaded=False), broken])
    assert "at least 50.0" in lines[0]
    assert "cut short" in lines[1]


@pytest.mark.parametrize("rate", ["0", "30000"])
def test_a_first_rate_that_no_load_can_have_is_refused_by_its_own_name(
    rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", "sync-sleep", "--first-rate", f"{rate}/s"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"study: --first-rate {rate}: give 0.1 to 20000 per second"]


def test_a_step_without_arrivals_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["capacity", "sync-sleep", "--first-rate", "0.9/s", "--duration", "5s"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "--first-rate 0.9/s: fewer than 5 requests in a window of 5 s show nothing" in said


# --- the search as a whole, with cells that nobody runs


def search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capacity: float, first: float, steps: int
) -> Runner:
    """Each cell has the result of a server with that capacity."""
    (scenario,) = apply_overrides(select_scenarios(("sync-sleep",)), Overrides(arrival_rate=1.0))
    interruption, display = Interruption(), QuietDisplay()
    predictor = Predictor(interruption, display.show_calibration, scenario)
    predictor.calibrations[scenario.name] = Calibration(100, 1.0, 0.001, 0.001)
    runtime = Runtime(0, interruption, display.show_phase)
    found = Runner(create_run(tmp_path, "search"), {}, runtime, display, predictor)

    def run(cell: CellRun, _: Runtime) -> None:
        cell.directory.path.mkdir(parents=True)  # like run_cell, which finds no folder twice
        rate = cell.scenario.load.arrival_rate
        assert rate is not None
        summary = offered(rate, overloaded=rate > capacity)
        ran[cell.directory] = replace(summary, scenario=cell.scenario.name, trial=cell.trial)

    ran: dict[CellDir, CellSummary] = {}
    monkeypatch.setattr("study.runner.run_cell", run)
    monkeypatch.setattr(
        "study.runner.load_cell_summary",
        lambda cell, prediction: replace(ran[cell], predicted=prediction),
    )
    found.run_plan(lambda _: CapacityPlan(scenario, first, steps))
    return found


def test_a_share_at_which_a_step_was_measured_already_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 104/s the search finds 149, of which 70 % are 104 once more."""
    found = search(tmp_path, monkeypatch, capacity=150, first=104, steps=6)
    names = [cell.scenario.removeprefix("sync-sleep-at-") for cell in found.cells]
    assert names == ["104", "135", "176", "154", "144", "149", "50-percent", "90-percent"]
    assert [line.split()[0] for line in render_capacity(found.cells)[2:]] == [
        "50",
        "70",
        "90",
    ]


def test_a_search_ends_where_a_window_has_hardly_an_arrival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five in 30 s. With none in the window, each lower rate was called not sustained."""
    found = search(tmp_path, monkeypatch, capacity=0.1, first=0.3, steps=9)
    names = [cell.scenario.removeprefix("sync-sleep-at-") for cell in found.cells]
    assert names == ["0.3", "0.231", "0.178"]


def test_each_step_has_a_prediction_of_its_own_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread pool of 40 and a second each: 40 a second at the most."""
    found = search(tmp_path, monkeypatch, capacity=40, first=30, steps=2)
    below, beyond = found.cells[:2]
    assert below.predicted is not None
    assert beyond.predicted is not None
    assert below.predicted.ok_rps == pytest.approx(30)
    assert beyond.predicted.ok_rps == pytest.approx(39)
    asked = read_run_settings(found.directory.load_manifest())
    assert {cell.scenario for cell in found.cells} == set(asked.predictions)
    assert [asked.predictions[cell.scenario] for cell in found.cells] == [
        cell.predicted for cell in found.cells
    ]
