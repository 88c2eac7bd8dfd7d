from dataclasses import replace
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.measures.throughput import OpenLoopSummary
from analysis.report.notes import write_notes
from analysis.report.run_table import render_cell, render_run_headings
from analysis.report.table import escape_markdown, quote_code
from analysis.report.write import render_csv, render_summary_markdown
from analysis.stats import formats
from analysis.summary.capacity import name_share_cell
from analysis.summary.cell import compute_summary
from analysis.summary.model import BystanderLatency, CellSummary, ErrorCount
from analysis.summary.run import RunSummary
from records.prediction import Prediction
from scenarios.catalogue import CATALOGUE
from tests.unit.samples import healthy, record, tables


@cache
def a_cell(name: str = "async-http-shared") -> CellSummary:
    return compute_summary(record(name), tables(healthy()))


@given(
    st.floats(0, 99_999.9),
    st.floats(0, 1),
    st.integers(0, 9999),
    st.floats(0, 999_999),
    st.integers(0, 9999),
)
def test_a_row_is_never_wider_than_a_terminal(
    rps: float, share: float, still_open: int, ms: float, threads: int
) -> None:
    widest = max((each.name for each in CATALOGUE), key=len)
    cell = replace(
        a_cell(),
        scenario=widest,
        ok_rps=rps,
        failure_ratio=share,
        unfinished=still_open,
        median_ms=ms,
        p99_ms=ms,
        threads_spawned=threads,
        threads_active_mean=float(threads),
    )
    theory = Prediction(rps, ms, ms, ms, rps, "interpreter")
    overloaded = OpenLoopSummary(rps, "poisson", rps, rps, 1.0, True, ms, ms)
    step = replace(cell, scenario=name_share_cell(widest, 0.5))
    for each in (cell, replace(cell, predicted=theory), replace(cell, open_loop=overloaded), step):
        assert all(len(line) <= 80 for line in render_cell(each, 80).splitlines())
    assert all(len(line) <= 80 for line in render_run_headings().splitlines())


def test_a_column_stays_a_column_of_its_own() -> None:
    assert len(render_cell(a_cell()).replace(" %", "%").split()) == 8


def test_off_a_terminal_a_row_is_one_line_that_begins_with_its_name() -> None:
    long = replace(a_cell(), scenario="a-scenario-with-a-very-long-name-of-its-own")
    (line,) = render_cell(long).splitlines()
    assert line.startswith(long.scenario)
    assert len(render_cell(long, 80).splitlines()) == 2


def test_a_missed_prediction_says_what_theory_could_not_know() -> None:
    theory = Prediction(40.0, 1.0, 1.0, 1.0, 40.0, "pool", cpu_ms=17.1)
    missed = replace(a_cell(), ok_rps=35.2, cpu_ms_per_request=30.6, predicted=theory)
    said = "CPU per request was 30.6 ms under load, 17.1 ms alone"
    assert any(said in note for note in write_notes(missed))
    for kept in (
        replace(missed, ok_rps=39.5),
        replace(missed, cpu_ms_per_request=17.5),
        replace(missed, predicted=None),
    ):
        assert not any("CPU per request" in note for note in write_notes(kept))
    known = replace(theory, low=34.0, high=42.0, cpu_loaded_ms=25.0)
    kept = replace(missed, predicted=known)
    assert not any("CPU per request" in note for note in write_notes(kept))
    below = replace(missed, predicted=replace(known, low=36.0))
    assert any(", 25.0 ms predicted, 17.1 ms alone" in note for note in write_notes(below))


def test_an_extrapolated_prediction_says_so() -> None:
    theory = Prediction(87.6, 1.0, 1.0, 1.0, 87.6, "interpreter", low=64.4, high=1135.2)
    (_, predicted) = render_cell(replace(a_cell(), predicted=theory)).splitlines()
    assert " 87.6      [64-1.1k] " in predicted
    assert predicted.endswith(" interpreter")
    assert len(predicted) <= 80
    far = replace(a_cell(), predicted=replace(theory, extrapolated=True))
    assert [note for note in write_notes(far) if "extrapolated" in note]


def test_a_bystander_that_got_no_answer_is_told_by_its_age() -> None:
    def shown(unanswered: int) -> str:
        pings = BystanderLatency(
            5661.0, 9000.0, failures=unanswered, pings=5, unanswered=unanswered
        )
        return " ".join(write_notes(replace(a_cell(), bystander=pings)))

    assert "/ping took at least 5,661 ms (median); 5 of 5" in shown(5)
    assert "/ping took 5,661 ms (median); 1 of 5" in shown(1)


def test_a_few_failures_never_read_as_none() -> None:
    assert formats.percent(0.0) == "0.0 %"
    assert formats.percent(1e-6) == "<0.1 %"
    assert formats.percent(0.932) == "93.2 %"
    assert formats.milliseconds(None) == formats.rate(None) == formats.whole(None) == "–"


HOSTILE = "<script>alert(1)</script> | `x` [a](b) *c*\nnew line"


def test_what_comes_from_outside_is_no_markup() -> None:
    cell = replace(a_cell(), errors=(ErrorCount(HOSTILE, 2),))
    text = render_summary_markdown(RunSummary("study run", (cell,), (), ()))
    assert "<script>" not in text
    assert "\\<script\\>" in text
    assert "\nnew line" not in text
    assert any(HOSTILE in note for note in write_notes(cell))


@given(st.text(max_size=80))
def test_escaped_text_is_one_line_without_bare_markup(text: str) -> None:
    clean = escape_markdown(text)
    assert "\n" not in clean
    for place, character in enumerate(clean):
        if character in "`*_[]<>|":
            assert clean[place - 1] == "\\"


def test_the_csv_quotes_and_leaves_the_unknown_empty() -> None:
    cell = replace(a_cell(), interrupted='a "reason", with a comma', ok_rps=None)
    header, line = render_csv([cell]).splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=False))
    assert row["ok_rps"] == ""
    assert '"a ""reason"", with a comma"' in line
    assert {"bystander_median_ms", "whole_run_rps", "fates_sent"} <= set(header.split(","))


@given(st.text(alphabet="`a \x1b\u202e<|", max_size=12))
def test_a_text_from_outside_is_one_span_of_code(text: str) -> None:
    tokens = MarkdownIt("commonmark").parseInline(quote_code(f"x{text}x"))[0].children or []
    assert [each.type for each in tokens] == ["code_inline"]
    assert not set(tokens[0].content) & {"\x1b", "\u202e"}
