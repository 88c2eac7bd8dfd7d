import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.thread_calls import ExecutorUse
from analysis.measures.throughput import OpenLoopSummary
from analysis.metrics import METRICS
from analysis.report.notes import describe_outcome
from analysis.stats.formats import near_bound
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from analysis.summary.thresholds import (
    HOLDS,
    Threshold,
    judge_thresholds,
    parse_thresholds,
    read_thresholds,
    select_scenarios,
    validate_thresholds,
)
from analysis.verdicts.base import VerdictRecord
from scenarios.catalogue import CATALOGUE
from scenarios.errors import UserError
from tests.unit.samples import record, tables

NAME = "async-http-shared"
CELL = compute_summary(record(NAME), tables([(3.0, 4.0, None), (4.0, 5.0, None)]))


def trial(number: int, p99_ms: float | None, scenario: str = NAME) -> CellSummary:
    return replace(CELL, scenario=scenario, trial=number, p99_ms=p99_ms)


def test_several_conditions_of_one_scenario() -> None:
    assert parse_thresholds(" async-http-shared: failures == 0, bystander.p99_ms<1.2e3 ") == (
        Threshold(NAME, "failures", "==", 0.0),
        Threshold(NAME, "bystander.p99_ms", "<", 1200.0),
    )


targets = st.sampled_from(["*", "fair", NAME, "sync-http"])
bounds = st.floats(-1e9, 1e9)


@given(
    targets, st.sampled_from([each.key for each in METRICS]), st.sampled_from(list(HOLDS)), bounds
)
def test_what_is_written_is_read_back(target: str, figure: str, sign: str, bound: float) -> None:
    (found,) = parse_thresholds(f"{target}: {figure} {sign} {bound!r}")
    assert (found.target, found.figure, found.operator) == (target, figure, sign)
    assert found.bound == bound
    assert parse_thresholds(f"{target}: {found}") == (found,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p99_ms < 1200", "name a scenario, a group or *"),
        (": p99_ms < 1200", "name a scenario, a group or *"),
        ("", "name a scenario, a group or *"),
        ("a:", "such as 'p99_ms < 1200'"),
        ("a: p99_ms < 1200,", "such as 'p99_ms < 1200'"),
        ("a: p99_ms 1200", "'p99_ms 1200' of a"),
        ("a: 1200 > p99_ms", "'1200 > p99_ms'"),
        ("a: p99_ms = 1200", "'=' is not one of < <= == != >= >"),
        ("a: p99_ms =< 1200", "'=<' is not one of"),
        ("a: p99_ms < 1200ms", "'1200ms' is not a plain number"),
        ("a: p99_ms < nan", "'nan' is not a plain number"),
        ("a: p99_ms < inf", "'inf' is not a plain number"),
        ("a: p99_ms < 1e31", "'1e31' is not a plain number"),
        ("a: p99_ms < 1,200", "'200' of a"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, says: str) -> None:
    with pytest.raises(UserError) as problem:
        parse_thresholds(text)
    assert says in str(problem.value)
    assert problem.value.exit_code == 2


def written(folder: Path, text: str) -> Path:
    path = folder / "expect.toml"
    path.write_text(text)
    return path


def test_a_file_says_the_same_as_the_texts(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [async-http-shared]
        failures = "== 0"
        p99_ms = ["> 900", "< 1200"]
        bystander.p99_ms = "< 50"
        "whole_run.rps" = ">= 10"

        ["*"]
        worker_restarts = "==0"
        """,
    )
    shown = parse_thresholds(
        "async-http-shared: failures == 0, p99_ms > 900, p99_ms < 1200, "
        "bystander.p99_ms < 50, whole_run.rps >= 10"
    )
    assert read_thresholds(path) == (*shown, *parse_thresholds("*: worker_restarts == 0"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file has no expectations"),
        ("[a]", "the file has no expectations"),
        ("failures = '== 0'", "put failures into a table"),
        ("[a]\nfailures = 0", 'failures = 0: use a string such as "< 1200"'),
        ("[a]\nfailures = ['== 0', 1]", "failures = 1"),
        ("[a]\nfailures = 'none'", "'failures none' of a"),
        ("[a", "this is not valid TOML"),
    ],
)
def test_a_file_with_a_fault_is_named_with_it(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as problem:
        read_thresholds(written(tmp_path, text))
    assert says in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_thresholds(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid TOML"):
        read_thresholds(binary)


def test_the_figures_are_the_numbers_of_summary_json() -> None:
    def numbers(content: dict[str, object], prefix: str = "") -> set[str]:
        found = set()
        for key, value in content.items():
            if isinstance(value, dict):
                found |= numbers(value, f"{prefix}{key}.")
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found.add(prefix + key)
        return found

    known = {each.key for each in METRICS}
    assert numbers(asdict(CELL)) <= known
    assert {"bystander.p99_ms", "whole_run.rps", "predicted.ok_rps", "fates.vanished"} <= known
    assert not {"scenario", "interrupted", "blocking_sites", "cycles", "errors"} & known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("*: p98_ms < 3", "there is no figure 'p98_ms'; did you mean p9"),
        ("*: bystander.p98_ms < 3", "did you mean bystander.p99_ms?"),
        ("*: qqqq < 3", "use a name from summary.json"),
        ("async-htp: failures == 0", "this run has no 'async-htp'; did you mean async-http?"),
        ("disk: failures == 0", "this run has no 'disk'; use one of async-http, classic"),
    ],
)
def test_what_is_unknown_is_refu_before_the_run(text: str, says: str) -> None:
    with pytest.raises(UserError) as problem:
        validate_thresholds(parse_thresholds(text), ["async-http"])
    assert says in str(problem.value)


@pytest.mark.parametrize("target", ["*", "fair", "async-http-shared", "async-http-shared-httpx"])
def test_what_is_known_is_accepted(target: str) -> None:
    validate_thresholds(
        parse_thresholds(f"{target}: bystander.p99_ms < 3"), [NAME, f"{NAME}-httpx"]
    )


def test_a_group_has_its_scenarios_and_their_variants() -> None:
    names = [each.name for each in CATALOGUE]
    assert select_scenarios("*", names) == names
    for group in {each.group for each in CATALOGUE}:
        theirs = [each.name for each in CATALOGUE if each.group == group]
        assert select_scenarios(group, names) == theirs
        assert select_scenarios(group, [f"{name}-httpx2" for name in names]) == [
            f"{name}-httpx2" for name in theirs
        ]
    assert select_scenarios("async-http", names) == ["async-http"]


@given(
    st.sampled_from(list(HOLDS)),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=6),
    st.integers(-5, 5).map(float),
)
def test_it_holds_only_where_it_holds_in_every_trial(
    sign: str, values: list[float], bound: float
) -> None:
    (expectation,) = parse_thresholds(f"{NAME}: p99_ms {sign} {bound}")
    cells = [trial(n, value) for n, value in enumerate(values, start=1)]
    (found,) = judge_thresholds([expectation], cells)
    holds = HOLDS[expectation.operator]
    assert found.met == all(holds(value, bound) for value in values)
    assert found.value is not None
    assert found.trial is not None
    assert values[found.trial - 1] == found.value
    assert found.met == holds(found.value, bound)
    assert found.why is None


@pytest.mark.parametrize(
    ("sign", "worst"), [("<", 9.0), ("<=", 9.0), (">", 1.0), (">=", 1.0), ("==", 9.0), ("!=", 4.0)]
)
def test_the_value_shown_is_that_of_the_worst_trial(sign: str, worst: float) -> None:
    cells = [trial(1, 4.0), trial(2, 9.0), trial(3, 1.0)]
    (found,) = judge_thresholds(parse_thresholds(f"*: p99_ms {sign} 4.5"), cells)
    assert found.value == worst


def test_there_is_one_outcome_for_each_expectation_and_scenario() -> None:
    cells = [trial(1, 1.0), trial(1, 1.0, "sync-http"), trial(2, 1.0)]
    found = judge_thresholds(parse_thresholds("*: p99_ms < 5, failures == 0"), cells)
    assert [(each.scenario, each.expectation.figure) for each in found] == [
        (NAME, "p99_ms"),
        ("sync-http", "p99_ms"),
        (NAME, "failures"),
        ("sync-http", "failures"),
    ]
    assert all(each.met for each in found)


@pytest.mark.parametrize("sign", HOLDS)
def test_what_was_not_measured_is_not_met(sign: str) -> None:
    (found,) = judge_thresholds(
        parse_thresholds(f"*: p99_ms {sign} 5"), [trial(1, 1.0), trial(2, None)]
    )
    assert not found.met
    assert found.value is None
    assert describe_outcome(found) == f"✗ {NAME}: p99_ms {sign} 5: not measured (trial 2)"


@pytest.mark.parametrize(
    "figure", ["failures", "failures_per_s", "bystander.failures", "whole_run.failures"]
)
def test_no_failure_of_no_request_meets_nothing(figure: str) -> None:
    cell = replace(
        CELL, requests=0, failures=0, bystander=replace(CELL.bystander, pings=0, failures=0),
        whole_run=replace(CELL.whole_run, requests=0, failures=0),
    )  # fmt: skip
    (found,) = judge_thresholds(parse_thresholds(f"{NAME}: {figure} == 0"), [cell])
    assert (found.met, found.why) == (False, "not measured")


@pytest.mark.parametrize("figure", ["ok_rps", "worker_restarts", "unfinished"])
def test_a_window_without_an_arrival_measures_nothing(figure: str) -> None:
    loop = OpenLoopSummary(0.1, "constant", 0.0, 0.0, 0.0, False, None, None)
    cell = replace(CELL, requests=0, ok_rps=0.0, open_loop=loop)
    (found,) = judge_thresholds(parse_thresholds(f"{NAME}: {figure} == 0"), [cell])
    assert (found.met, found.why) == (False, "not measured")
    closed = replace(CELL, requests=0, ok_rps=0.0)
    (found,) = judge_thresholds(parse_thresholds(f"{NAME}: {figure} == 0"), [closed])
    assert found.met


@pytest.mark.parametrize(
    ("code", "figure", "is_met"),
    [
        ("LOAD_PROCESS_DIED", "p99_ms", False),
        ("MACHINE_PAUSED", "p99_ms", False),
        ("PROBE_STOPPED", "loop_lag_max_ms", False),
        ("PROBE_STOPPED", "loop_blocked_share", False),
        ("PROBE_STOPPED", "pool_waiting_peak", False),
        ("PROBE_STOPPED", "threads_spawned", False),
        ("PROBE_STOPPED", "executor.threads", False),
        ("PROBE_STOPPED", "p99_ms", True),
        ("WORKER_DEATHS", "p99_ms", True),
    ],
)
def test_a_part_of_the_load_or_of_the_window_meets_no_threshold(
    code: str, figure: str, is_met: bool
) -> None:
    cell = replace(
        trial(1, 1.0), loop_lag_max_ms=1.0, loop_blocked_share=1.0, pool_waiting_peak=1,
        threads_spawned=1, executor=ExecutorUse(1, 1.0, 1.0),
        verdicts=(VerdictRecord(code, "error"),),
    )  # fmt: skip
    (found,) = judge_thresholds(parse_thresholds(f"*: {figure} < 5"), [cell])
    assert (found.met, found.why) == (is_met, None if is_met else f"1, but {code}")


def test_an_interrupted_cell_is_not_met() -> None:
    cells = [replace(trial(1, 1.0), interrupted="SIGINT")]
    (found,) = judge_thresholds(parse_thresholds("*: p99_ms < 5"), cells)
    assert describe_outcome(found) == f"✗ {NAME}: p99_ms < 5: interrupted"
    assert not found.met


@pytest.mark.parametrize("target", ["sync-http", "classic", "*"])
def test_a_scenario_that_was_never_reached_is_not_met(target: str) -> None:
    found = judge_thresholds(
        parse_thresholds(f"{target}: p99_ms < 5"), [trial(1, 1.0)], [NAME, "sync-http"]
    )
    missing = found[-1]
    assert describe_outcome(missing) == "✗ sync-http: p99_ms < 5: no trial was measured"
    assert not all(each.met for each in found)


@pytest.mark.parametrize("asked_trials", [1, 2, 3])
def test_a_trial_that_was_never_reached_is_not_met(asked_trials: int) -> None:
    cells = [trial(1, 1.0), trial(2, 1.0)]
    (found,) = judge_thresholds(parse_thresholds("*: p99_ms < 5"), cells, [NAME], asked_trials)
    assert found.met == (asked_trials <= 2)
    if not found.met:
        assert describe_outcome(found).endswith("p99_ms < 5: only 2 of 3 trials were measured")


@pytest.mark.parametrize("target", ["sync-http", "classic", "*"])
def test_no_cell_at_all_is_never_met(target: str) -> None:
    (found,) = judge_thresholds(parse_thresholds(f"{target}: p99_ms < 5"), [])
    assert not found.met
    assert found.scenario == target


def test_the_lines() -> None:
    (one,) = judge_thresholds(parse_thresholds("*: p99_ms < 1200"), [trial(1, 1041.6)])
    assert describe_outcome(one) == f"✓ {NAME}: p99_ms 1,042 < 1200"
    cells = [trial(1, 1041.6), trial(2, 1304.0)]
    (failed,) = judge_thresholds(parse_thresholds("*: p99_ms < 1200"), cells)
    assert describe_outcome(failed) == f"✗ {NAME}: p99_ms 1,304 < 1200 (worst of 2 trials: trial 2)"


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9).map(lambda bound: round(bound, 3)))
def test_a_value_is_never_rounded_over_its_bound(value: float, bound: float) -> None:
    shown = float(near_bound(value, bound).replace(",", ""))
    assert (shown < bound, shown > bound) == (value < bound, value > bound)
    # four digits: half of the last one is at most 0.0005 of the value
    assert abs(shown - value) <= 0.0005 * abs(value)


def test_the_digits_that_are_shown() -> None:
    assert near_bound(1200.4, 1200) == "1,200.4"
    assert near_bound(1200.0, 1200) == "1,200"
    assert near_bound(0.0, 0) == "0"
    assert near_bound(0.01234, 1) == "0.01234"
    assert near_bound(51.525, 1) == "51.52"


def test_json_has_expectation_and_outcome() -> None:
    (found,) = judge_thresholds(parse_thresholds("*: p99_ms < 1200"), [trial(3, 1041.6)])
    assert json.loads(json.dumps(asdict(found))) == {
        "scenario": NAME,
        "expectation": {"target": "*", "figure": "p99_ms", "operator": "<", "bound": 1200.0},
        "met": True,
        "value": 1041.6,
        "trial": 3,
        "trials": 1,
        "why": None,
    }


def test_a_file_that_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "expect.toml")
    with pytest.raises(UserError, match="cannot read the expectations: it is not a regular file"):
        read_thresholds(tmp_path / "expect.toml")
