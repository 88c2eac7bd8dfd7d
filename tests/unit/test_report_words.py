"""Sentences, marks and conditions of the report."""

from dataclasses import replace

import pytest

from analysis.figures import summarise
from analysis.report.columns import FIGURES, marks
from analysis.report.conditions import conditions
from analysis.report.sentences import LIMITS, answer
from analysis.summary import CellSummary, OpenLoop, Predicted
from analysis.verdicts import Verdict
from scenarios.catalogue import select
from tests.unit.samples import healthy, record, tables

(SCENARIO,) = select(("async-http-shared",))
CELL = summarise(record(), tables(healthy()))
BY_KEY = {figure.key: figure for figure in FIGURES}
THEORY = Predicted(4.0, 500.0, 500.0, 510.0, None, "users")


def with_rps(*rates: float) -> list[CellSummary]:
    return [replace(CELL, ok_rps=rate) for rate in rates]


def test_the_best_and_the_worst_are_marked_where_they_differ() -> None:
    assert marks(with_rps(500, 498, 250, 1), BY_KEY["ok_rps"]) == {0: "best", 1: "best", 3: "worst"}
    assert marks(with_rps(500, 480), BY_KEY["ok_rps"]) == {}
    assert marks(with_rps(500), BY_KEY["ok_rps"]) == {}
    latencies = [replace(CELL, median_ms=each) for each in (10.0, 100.0)]
    assert marks(latencies, BY_KEY["median_ms"]) == {0: "best", 1: "worst"}


def test_a_median_of_survivors_is_never_the_best() -> None:
    starved = replace(CELL, median_ms=1.0, verdicts=(Verdict("UNFINISHED", "warning", {}),))
    others = [replace(CELL, median_ms=each) for each in (10.0, 100.0)]
    assert marks([starved, *others], BY_KEY["median_ms"]) == {1: "best", 2: "worst"}


def test_a_sentence_has_the_figures_and_what_limits() -> None:
    told = answer(replace(CELL, predicted=THEORY), SCENARIO)
    assert "4.0 good answers a second for 2 users" in told
    assert "half of the answers took 500 ms or less" in told
    assert told.endswith(f"What limits it, by theory: {LIMITS['users']}.")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (replace(CELL, requests=0), "Nobody was answered"),
        (replace(CELL, failure_ratio=0.945), "94.5 % of all answers were failures"),
        (
            replace(
                CELL,
                users_longest_wait_median_ms=30_500.0,
                verdicts=(Verdict("UNFINISHED", "warning", {}),),
            ),
            "half of the users waited 30.5 s or more",
        ),
        (
            replace(
                CELL, open_loop=OpenLoop(9.0, "constant", 9.0, 4.0, 5.0, True, 1.0, 2.0), users=None
            ),
            "4.0 of 9.0 offered requests a second got a good answer; how long they took only says",
        ),
    ],
)
def test_what_is_grave_is_in_the_sentence(cell: CellSummary, words: str) -> None:
    assert words in answer(cell, SCENARIO)


def test_conditions_of_an_early_manifest_are_what_there_is() -> None:
    found = conditions({"command": "study run x", "environment": {"cores": 2, "gil": True}})
    assert found.machine == (("cores", "2"), ("with the GIL", "yes"))
    assert found.settings == ()
