import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics import list_metrics
from analysis.report.table import render_markdown, render_terminal
from analysis.report.trials_table import (
    build_narrow_trials_table,
    build_trials_table,
    name_reasons,
    select_repeated,
    write_trial_remarks,
)
from analysis.report.write import render_summary_markdown
from analysis.stats.intervals import compute_median_interval
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSettings, summarize_run
from analysis.summary.trials import (
    ScenarioSummary,
    collect_values,
    summarize_trials,
    take_medians,
)
from analysis.verdicts.base import VerdictRecord
from scenarios.catalogue import CATALOGUE
from study.final_output import print_tables
from tests.unit.samples import record, tables

LONGEST_NAME = max((each.name for each in CATALOGUE), key=len) + "-aiohttp"
CELL = replace(compute_summary(record(), tables([(3.0, 4.0, None), (4.0, 5.0, None)])), verdicts=())


def trial(number: int, scenario: str = "sync-http", ok_rps: float | None = 40.0) -> CellSummary:
    return replace(CELL, scenario=scenario, trial=number, ok_rps=ok_rps)


def render_lines(summaries: Sequence[ScenarioSummary]) -> list[str]:
    return render_terminal(build_narrow_trials_table(select_repeated(summaries)), 80)


def test_scenarios_come_in_the_order_in_which_they_first_ran() -> None:
    cells = [trial(1, "b"), trial(1, "a"), trial(2, "b"), trial(2, "a"), trial(1, "c")]
    assert [(each.scenario, each.trials) for each in summarize_trials(cells)] == [
        ("b", 2),
        ("a", 2),
        ("c", 1),
    ]


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=12))
def test_a_figure_is_the_interval_of_its_trials(rates: list[float]) -> None:
    (summary,) = summarize_trials([trial(n, ok_rps=rate) for n, rate in enumerate(rates, start=1)])
    assert summary.figures["ok_rps"] == compute_median_interval(rates)


def test_a_picture_of_several_trials_has_their_median_failures() -> None:
    trials = [
        replace(trial(n), failure_ratio=share) for n, share in ((1, 0.05), (2, 0.2), (3, 0.1))
    ]
    assert take_medians(trials[0], trials).failure_ratio == 0.1


def test_an_error_of_the_service_itself_is_no_doubt() -> None:
    errors = {"WORKER_DEATHS": 2, "MACHINE_BUSY": 1}
    (summary,) = summarize_trials([trial(1), trial(2)])
    assert list(write_trial_remarks([replace(summary, errors=errors)]))[-3:] == [
        "WORKER_DEATHS describes the service itself, so the throughput is as measured: sync-http",
        "MACHINE_BUSY makes these figures doubtful: sync-http (1 of 2 trials)",
        "this table includes all trials; the answer names the trials that it leaves out",
    ]


def test_an_interrupted_trial_is_none() -> None:
    cells = [trial(1), replace(trial(2, ok_rps=1.0), interrupted="SIGINT")]
    (summary,) = summarize_trials(cells)
    assert summary.trials == 1
    assert summary.figures["ok_rps"].median == 40.0
    assert summarize_trials(cells[1:]) == ()


def test_the_unknown_is_left_out_and_never_a_zero() -> None:
    (some,) = summarize_trials([trial(1, ok_rps=None), trial(2, ok_rps=3.0)])
    assert (some.figures["ok_rps"].median, some.figures["ok_rps"].trials) == (3.0, 1)
    (none,) = summarize_trials([trial(1, ok_rps=None)])
    assert "ok_rps" not in none.figures


def test_values_are_collected_by_their_key_where_they_are_known() -> None:
    cell = replace(CELL, bystander=replace(CELL.bystander, p99_ms=7.0))
    assert collect_values([cell, CELL], "bystander.p99_ms") == [7.0]


def test_one_trial_of_each_needs_no_table() -> None:
    summaries = summarize_trials([trial(1, "a"), trial(1, "b")])
    assert select_repeated(summaries) == []


def test_the_table_of_five_trials() -> None:
    rates = [38.6, 38.4, 38.5, 38.9, 38.7]
    cells = [
        replace(trial(n, ok_rps=rate), median_ms=12_900.0 + n, p99_ms=None)
        for n, rate in enumerate(rates, start=1)
    ]
    assert render_lines(summarize_trials(cells)) == [
        "median [low–high]     ok rps                 median ms                    p99 ms",
        "sync-http, 5 trials",
        "            38.6 [38.4–38.9]    12,903 [12,901–12,905]                         –",
        "[low–high] of 5 trials: confidence interval from order statistics; it covers the",
        "  true median in 93.8 % of cases",
    ]


def test_too_few_trials_show_medians_and_say_why_no_more() -> None:
    lines = render_lines(summarize_trials([trial(n, ok_rps=30.0 + n) for n in (1, 2, 3)]))
    assert lines[2].split()[0] == "32.0"
    assert not any("[" in line for line in lines[1:])
    shown = " ".join(line.strip() for line in lines[3:])
    assert shown == (
        "3 trials: even their whole range covers the median in only 75.0 % of cases; 5 are needed"
    )


def test_what_the_intervals_are_is_said_once_for_each_number_of_trials() -> None:
    cells = [trial(n, name) for name in ("a", "b") for n in range(1, 6)]
    cells += [trial(n, "c") for n in (1, 2)]
    shown = [line for line in render_lines(summarize_trials(cells)) if "cover" in line]
    assert [line[:26] for line in shown] == [
        "[low–high] of 5 trials: co",
        "2 trials: even their whole",
    ]


def test_a_median_without_its_starved_requests_is_not_shown_without_that() -> None:
    hungry = replace(trial(2), verdicts=(VerdictRecord("UNFINISHED", "warning"),))
    text = " ".join(" ".join(render_lines(summarize_trials([trial(1), hungry]))).split())
    assert "sync-http: in 1 of 2 trials users starved" in text


@pytest.mark.parametrize(
    ("code", "is_left_out"), [("COUNTS_DISAGREE", True), ("WORKER_DEATHS", False)]
)
def test_a_table_with_trials_that_the_answer_leaves_out_says_so(
    code: str, is_left_out: bool
) -> None:
    broken = replace(trial(2), verdicts=(VerdictRecord(code, "error"),))
    text = " ".join(" ".join(render_lines(summarize_trials([trial(1), broken]))).split())
    assert ("the answer names the trials that it leaves out" in text) == is_left_out


@given(st.integers(2, 7), st.floats(0, 99_999.9), st.floats(0, 999_999), st.data())
def test_it_is_never_wider_than_a_terminal(
    count: int, rps: float, ms: float, data: st.DataObject
) -> None:
    shares = data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    cells = [
        replace(
            trial(n, LONGEST_NAME, rps * share),
            median_ms=ms * share,
            p99_ms=ms,
            verdicts=(VerdictRecord("UNFINISHED", "warning"),),
        )
        for n, share in enumerate(shares, start=1)
    ]
    lines = render_lines(summarize_trials(cells))
    assert len(lines) >= 4
    assert all(len(line) <= 80 for line in lines)


def test_markdown_has_a_row_for_each_scenario_and_no_bare_brackets() -> None:
    cells = [trial(n, name) for name in ("a|b", "c") for n in range(1, 6)]
    text = render_markdown(build_trials_table(summarize_trials(cells)))
    assert "| a\\|b | 5 | 40.0 \\[40.0–40.0\\] |" in text
    assert "| c | 5 | " in text
    assert "- \\[low–high\\] of 5 trials" in text
    assert "[" not in text.replace("\\[", "")


def test_json_names_the_figures_as_the_cells_do() -> None:
    (summary,) = summarize_trials([trial(n) for n in range(1, 6)])
    content = json.loads(json.dumps(asdict(summary, dict_factory=name_reasons), allow_nan=False))
    assert content["scenario"] == "sync-http"
    assert content["trials"] == 5
    assert content["figures"]["ok_rps"] == {
        "median": 40.0,
        "low": 40.0,
        "high": 40.0,
        "coverage": 0.9375,
        "trials": 5,
        "why_none": None,
    }
    assert set(content["figures"]) <= {each.key for each in list_metrics("intervals")}


def test_a_report_of_several_trials_begins_with_the_intervals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = [trial(n, ok_rps=30.0 + n) for n in range(1, 6)]
    settings = RunSettings("study run sync-http --trials 5", ("sync-http",), 5, ())
    summary = summarize_run(cells, settings)
    print_tables(summary)
    for text in (render_summary_markdown(summary).replace("\\", ""), capsys.readouterr().out):
        places = [
            text.index(part) for part in ("33.0 [31.0–35.0]", "order statistics", "sync-http #2")
        ]
        assert places == sorted(places)
    single = summarize_run(cells[:1], settings)
    assert "Over the trials" not in render_summary_markdown(single)
