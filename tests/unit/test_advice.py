"""`study advise`: its formulas are those of `study predict`, its sentences fit its figures, and it
answers for any load."""

import io
import math
import sys
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.guide import advice_page
from analysis.guide.advice import (
    AdviceQuestion,
    compute_advice,
    compute_figures,
    fill_row,
    list_names,
    load_advice_table,
)
from analysis.guide.advice_page import render_advice_page
from analysis.guide.expressions import check_expression, evaluate
from analysis.guide.page import TemplateFiller
from analysis.guide.rules import load_decision_table, load_rules
from analysis.stats import formats
from analysis.theory.formulas import (
    compute_erlang_b,
    estimate_mgc_wait_s,
    estimate_poisson_mean_s,
    find_bottleneck,
)
from analysis.theory.model import ServerModel
from analysis.theory.networks import compute_highest_rps
from scenarios.advice import AdviceOptions, Waits
from scenarios.catalogue import select_scenarios
from scenarios.errors import WRONG_USE
from scenarios.options import list_options
from study.cli import main
from study.guide import KEPT, load_records

EXACT = 1e-9
"""The same formulas in another order: floats differ in their last digits."""
KINDS: tuple[Waits, ...] = get_args(Waits)
ASKED = ("--waits", "network", "--delay", "300ms", "--rate", "200/s", "--workers", "1")
MACHINE = ("--cpu", "0.6ms", "--cores", "2")
QUESTION = AdviceQuestion("network", 0.3, 200.0, 1, 2, 0.0006, 0.0007)
questions = st.builds(
    AdviceQuestion,
    waits=st.sampled_from(KINDS),
    delay_s=st.floats(0.00001, 60),
    rate=st.floats(0.001, 100_000),
    workers=st.integers(1, 64),
    cores=st.integers(1, 64),
    cpu_s=st.floats(0.00001, 0.1),
    thread_cpu_s=st.floats(0.00001, 0.1),
).map(lambda each: replace(each, delay_s=0.0) if each.waits == "nothing" else each)


def build_model(question: AdviceQuestion) -> ServerModel:
    """The model that `study predict` uses for an `async def` that awaits."""
    return ServerModel(
        "async def", question.workers, delay_s=question.delay_s, loop_cpu_s=question.cpu_s,
        cores=question.cores, cpu_jitter="exponential",
    )  # fmt: skip


def check_against_theory(model: ServerModel, rate: float, highest: float, mean_s: float) -> None:
    """Throughput and mean of an open loop with random arrivals."""
    full, crowded = model.scale_cpu_to_rate(), model.scale_cpu_to_rate(rate)
    ceiling = full.workers * compute_highest_rps(find_bottleneck(full))
    assert highest == pytest.approx(ceiling, rel=EXACT)
    known_s = estimate_poisson_mean_s(crowded, rate / crowded.workers)
    assert mean_s == (math.inf if known_s is None else pytest.approx(known_s, rel=1e-6))


@given(questions)
def test_an_awaiting_endpoint_is_predicted_as_theory_has_it(asked: AdviceQuestion) -> None:
    found = compute_figures(asked)
    check_against_theory(build_model(asked), asked.rate, found["await_rps"], found["await_mean_s"])


@given(questions, st.sampled_from(["pool", "more", "executor"]))
def test_a_pool_is_predicted_as_theory_has_it(asked: AdviceQuestion, which: str) -> None:
    found = compute_figures(asked)
    threads = {"pool": "threads", "more": "more_threads", "executor": "executor"}[which]
    model = replace(
        build_model(asked), style="def", loop_cpu_s=asked.thread_cpu_s, pool=int(found[threads])
    )
    check_against_theory(model, asked.rate, found[f"{which}_rps"], found[f"{which}_mean_s"])


@given(questions)
def test_a_blocked_loop_is_predicted_as_theory_has_it(asked: AdviceQuestion) -> None:
    found = compute_figures(asked)
    model = replace(build_model(asked), style="async def that blocks")
    check_against_theory(model, asked.rate, found["blocked_rps"], found["blocked_mean_s"])


@given(questions)
def test_computing_is_predicted_as_theory_has_it(asked: AdviceQuestion) -> None:
    found, work = compute_figures(asked), asked.cpu_s + asked.delay_s
    on_loop = replace(
        build_model(asked), style="async def that blocks", delay_s=0.0, loop_cpu_s=work
    )
    check_against_theory(on_loop, asked.rate, found["loop_work_rps"], found["loop_work_mean_s"])
    threaded = replace(on_loop, style="def", loop_cpu_s=asked.thread_cpu_s + asked.delay_s)
    check_against_theory(
        threaded, asked.rate, found["thread_work_rps"], found["thread_work_mean_s"]
    )
    # processes take their work from one queue: M/G/c
    wait_s = estimate_mgc_wait_s(asked.rate, work, 0.5, asked.cores)
    mean_s = math.inf if wait_s is None else wait_s + work
    assert found["process_mean_s"] == pytest.approx(mean_s, rel=EXACT)
    assert found["process_rps"] == pytest.approx(min(asked.cores / work, found["await_rps"]))


@given(questions)
def test_every_load_has_an_answer_that_fits_its_figures(asked: AdviceQuestion) -> None:
    found, figures = compute_advice(asked), compute_figures(asked)
    assert found.ways
    assert len(found.rows) == (2 if asked.waits == "network" else 1)
    assert "{" not in "".join((found.load, found.write, found.because, *found.remarks))
    for each in found.ways:
        assert each.served_rps <= each.highest_rps
        assert each.served_rps <= asked.rate
        if each.mean_s is None:  # beyond capacity, or too close to it for any formula
            assert asked.rate > 0.5 * each.highest_rps
    if found.write == "either `def` or `async def`":
        assert figures["pool_rps"] > asked.rate
        assert figures["await_rps"] > asked.rate
        assert load_decision_table().rows[found.rows[0]].write == "either"


@given(questions)
def test_what_is_advised_keeps_up(asked: AdviceQuestion) -> None:
    """With the number of workers, threads and machines that the answer gives."""
    found, figures = compute_advice(asked), compute_figures(asked)
    known = {each.name: each for each in found.ways}
    if found.write == "`async def`" and asked.waits != "cpu":
        assert known["`async def` that awaits"].served_rps == asked.rate
    if figures["loop_share"] >= 0.8 and asked.waits in ("network", "database", "nothing"):
        (more,) = (each for name, each in known.items() if name.startswith("the same"))
        assert more.served_rps == asked.rate
        assert more.mean_s is not None
    if found.write.startswith("`def`, or"):
        assert known["`def`, 40 threads"].served_rps == asked.rate
    if " workers, or" in found.write and figures["spread_threads"] <= 1000:
        enough = replace(asked, workers=int(figures["thread_workers"]), cores=10_000)
        of_def = [each for each in compute_advice(enough).ways if each.name.startswith("`def`")]
        assert max(each.served_rps for each in of_def) == asked.rate
    has_few = figures["workers_needed"] > asked.workers
    if found.write.startswith("a process pool") and figures["loop_share"] >= 0.8 and has_few:
        assert any("event loops" in each for each in found.remarks)
    if found.write.startswith("plain"):
        assert known["plain `open()` in `async def`"].mean_s is not None


@given(st.floats(0.01, 1e6), st.integers(1, 500))
def test_erlang_b_is_a_share_that_falls_with_the_servers(load: float, servers: int) -> None:
    assert 0 <= compute_erlang_b(load, servers) <= compute_erlang_b(load, servers - 1) <= 1


def test_all_names_and_texts_are_known() -> None:
    table, rules = load_advice_table(), {each.name for each in load_rules()}
    assert {each.name for each in table.kinds} == set(KINDS)
    assert {name for each in table.cases for name in each.rules} <= rules
    figures = dict.fromkeys(list_names(), 1.0)
    for row in load_decision_table().rows:
        assert row.waits in KINDS
        for condition in row.when:
            evaluate(check_expression(condition), figures)
    records = load_records([KEPT])
    for kind in table.kinds:
        for stand in (kind.awaited, kind.threaded):
            assert select_scenarios((stand.scenario,))
            assert records.get_median(stand.cell, "cpu_ms_per_request")


@pytest.mark.parametrize("text", ["a // b", "a ** b", "a and b", "a == b", "a if b else c", "a[0]"])
def test_an_expression_that_is_another_in_a_browser_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="read alike"):
        check_expression(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.016666, "0.0167"), (1.125, "1.13"), (66.66, "66.7"), (99.95, "100"),
     (99.94, "99.9"), (100.5, "101"), (1234.5, "1,235"), (40.0, "40"), (None, "–")],
)  # fmt: skip
def test_three_digits(value: float | None, text: str) -> None:
    assert formats.three_digits(value) == text


def test_the_answer_has_rule_figures_and_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *ASKED, *MACHINE]) == 0
    printed = capsys.readouterr().out
    assert "60 requests wait at once" in printed
    assert "guidance.md#rule-small-pool" in printed
    assert "0.6 ms in an async def, 0.6 ms in a def" in printed
    assert "def, 84 threads" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if "docs/" not in line)
    row = fill_row(load_decision_table().rows[1], TemplateFiller(load_records([KEPT])))
    assert row.measured in printed
    assert row.texts[0].strip("`") in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--waits network --delay 300ms --rate 200/s --workers 1"),
        (["--waits", "disk"], "--delay 300ms --rate 200/s --workers 1"),
        (["--waits", "nothing"], "such as --rate 200/s --workers 1"),
        ([*ASKED[:-2]], "such as --workers 1"),
        (["--waits", "nothing", "--delay", "1s"], "--delay has no effect"),
        ([*ASKED[:-1], "0"], "--workers 0: give 1 to 4096"),
        ([*ASKED[:2], "--delay", "0ms"], "--delay 0: give 1e-05 to 3600 s"),
        (["--rate", "200"], "--rate '200': give a plain number with its unit"),
        (["--waits", "tape"], "tape"),
        ([*ASKED, "--thread-cpu", "1ms"], "--thread-cpu: give --cpu too"),
        (["--html", "x.html", "--rate", "3/s"], "--html"),
        (["--html", "no/such/folder/x.html"], "can't be written"),
    ],
)
def test_what_is_wrong_or_missing_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("network\n"))
    assert main(["advise", *words]) == WRONG_USE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{each}\n" for each in lines)))


def test_on_a_terminal_what_is_missing_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["advise", *ASKED, *MACHINE]) == 0
    by_options = capsys.readouterr().out
    answer(monkeypatch, "7", "1", "300", "300ms", "200/s", "1")
    assert main(["advise", *MACHINE]) == 0
    by_answers = capsys.readouterr()
    assert by_answers.out == by_options
    assert "'7': give 1 to 5" in by_answers.err
    assert "'300': give a plain number with its unit" in by_answers.err


def test_what_waits_for_nothing_is_asked_for_no_delay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "nothing", "200/s", "2")
    assert main(["advise", *MACHINE]) == 0
    assert "How long" not in capsys.readouterr().err


@pytest.mark.parametrize("lines", [[], ["network"], ["network", "x", "y", "z", "300ms"]])
def test_no_answer_is_one_line(
    lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, *lines)
    assert main(["advise", *MACHINE]) == WRONG_USE
    assert "no answer" in capsys.readouterr().err


def test_the_form_asks_for_what_the_command_asks() -> None:
    assert {"waits", *advice_page.collect_fields()} == {
        each.name.removeprefix("--") for each in list_options(AdviceOptions)
    }
    records = load_records([KEPT])
    page = render_advice_page(records)
    assert page == render_advice_page(records)
    assert "http://" not in page
    assert "https://" not in page
