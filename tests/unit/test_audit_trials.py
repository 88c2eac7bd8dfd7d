"""Trials of an audit: their changes, the results of their rounds, and their findings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditFindings, find_all
from analysis.findings.remedies import Cure, Tried
from analysis.findings.trials.concern import attach_trials
from analysis.findings.trials.judge_trial import CLEAR, judge_trial
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_wait import PoolWait
from analysis.report.finding_card import FindingCard
from analysis.report.trial_lines import describe_trials, summarize_trial
from records.audit import ASKED, AttachedProcess
from records.rundir import RunDir
from records.trial import Side, parse_trial
from scenarios.errors import WRONG_USE, UserError
from stress.audit.command import AuditedCommand
from stress.audit.reports import TrialReport
from stress.audit.trial_change import change_command, find_fault
from study.audit_trials import choose_trials, read_trial_order
from study.trial_options import TrialOptions
from tests.process.support import run_here
from tests.unit.audit_samples import AuditBuilder, endpoint, make_table
from tests.unit.trial_samples import SIDES, make_rows, make_trial

UVICORN = AuditedCommand(("uvicorn", "main:app", "--workers", "1"), Path())
LATENCIES = st.lists(st.floats(10.0, 1000.0), min_size=3, max_size=5)


@pytest.mark.parametrize(
    ("trial", "variable"),
    [
        ("pool=100", {"pool": 100}),
        ("executor=64", {"executor": 64}),
        ("offload=/report", {"offload": "/report"}),
    ],
)
def test_the_probe_is_given_what_it_changes(trial: str, variable: Mapping[str, object]) -> None:
    changed = change_command(UVICORN, parse_trial(trial))
    assert changed.argv == UVICORN.argv
    ((name, value),) = changed.variables
    assert (name, json.loads(value)) == ("ASGI_PROBE_TRIAL", variable)


@pytest.mark.parametrize(
    ("command", "trial", "word"),
    [
        ("uvicorn main:app", "workers=4", "--workers=4"),
        ("python -m uvicorn main:app", "loop=uvloop", "--loop=uvloop"),
        (".venv/bin/gunicorn main:app -k asgi", "workers=4", "--workers=4"),
        ("gunicorn main:app -k asgi", "loop=uvloop", "--asgi-loop=uvloop"),
        ("uv run granian --interface asgi main:app", "loop=uvloop", "--loop=uvloop"),
        ("hypercorn main:app", "loop=uvloop", "--worker-class=uvloop"),
        ("fastapi run main.py", "workers=2", "--workers=2"),
    ],
)
def test_a_server_is_given_what_it_changes(command: str, trial: str, word: str) -> None:
    argv = tuple(command.split())
    changed = change_command(AuditedCommand(argv, Path()), parse_trial(trial))
    assert changed == AuditedCommand((*argv, word), Path())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--try", "pool", "--", "uvicorn", "main:app"), "--try 'pool': give pool=100"),
        (("--try", "pool=0", "--", "uvicorn", "main:app"), "whole number from 1 to 10,000"),
        (("--try", "workers=65", "--", "uvicorn", "main:app"), "whole number from 1 to 64"),
        (("--try", "loop=trio", "--", "uvicorn", "main:app"), "give loop=uvloop"),
        (("--try", "offload=report", "--", "uvicorn", "main:app"), "begins with /"),
        (("--try", "workers=2", "--", "python", "main.py"), "--try workers=2: needs"),
        (("--try", "loop=uvloop", "--", "fastapi", "run"), "loop=uvloop: fastapi has no"),
        (("--try", "pool=9", "--url", "http://127.0.0.1:1"), "leave out --url"),
        (("--try", "auto", "--drive", "none", "main:app"), "leave out --url"),
        (("--try", "auto", "--plan", "main:app"), "leave out --url"),
        (("--rounds", "3", "main:app"), "--rounds: only with --try"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_one_line_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], said: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("uvicorn", "fastapi", "python"):
        (programs / name).write_text("#!/bin/sh\ntouch started\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    service = tmp_path / "service"
    service.mkdir()
    done = run_here(("audit", *words), service)
    assert done.returncode == WRONG_USE
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(service.iterdir()) == []


def test_a_round_that_runs_as_the_other_side_says_nothing() -> None:
    one = AttachedProcess(1, "3.13", "python", True, "asyncio.unix_events.Loop", "", "", "")
    fast = AttachedProcess(2, "3.13", "python", True, "uvloop.Loop", "", "", "")
    report = TrialReport(False, "no process took part in it", ())

    def find(trial: str, side: Side, *workers: AttachedProcess) -> str | None:
        return find_fault(parse_trial(trial), side, workers, report)

    assert find("loop=uvloop", "before", one) is None
    assert find("loop=uvloop", "before", fast) == "the service runs this way without it"
    assert find("loop=uvloop", "after", fast) is None
    for workers in ([fast, one], []):
        assert find("loop=uvloop", "after", *workers) == "the service does not run this way with it"
    assert find("workers=2", "before", one) is None
    assert find("workers=2", "before", one, one) == "the service runs this way without it"
    assert find("workers=2", "after", one, one) is None
    assert find("workers=2", "after", one) == "the service does not run this way with it"
    assert find("pool=100", "before", one) is None
    assert find("pool=100", "after", one) == "no process took part in it"


def test_a_clear_change_has_its_interval_and_what_got_worse() -> None:
    before = [{"/a": each, "/b": 20.0, "/c": each} for each in (200.0, 210.0, 220.0)]
    after = [{"/a": each, "/b": each, "/c": 2.05 * each} for each in (100.0, 104.0, 110.0)]
    tried = judge_trial(*make_trial(before, after))
    a, b, c = tried.routes
    assert (tried.rounds, tried.worse, tried.reason) == (3, ("/b",), None)
    # the lowest and the highest of the nine ratios of 200, 210, 220 to 100, 104, 110
    assert (a.low, a.ratio, a.high) == pytest.approx((200 / 110, 210 / 104, 220 / 100), rel=1e-6)
    assert (a.before.p50_ms, a.after.p50_ms) == pytest.approx((210.0, 104.0))
    assert a.before.rps == pytest.approx(20 / 3.0)
    assert b.high < 1 / CLEAR
    assert c.low < CLEAR
    (said,) = describe_trials([tried])
    assert said.startswith(
        "--try pool=100: /a got 2.02 times faster (1.82 to 2.20): 210 ms before, 104 ms after. "
        "/b got 5.20 times slower"
    )
    assert said.endswith("1 route shows no clear change.")


@given(LATENCIES, LATENCIES)
def test_swapped_sides_have_the_inverse_ratio(before: list[float], after: list[float]) -> None:
    count = min(len(before), len(after))
    first, second = ([{"/a": each} for each in side[:count]] for side in (before, after))
    (forth,) = judge_trial(*make_trial(first, second)).routes
    (back,) = judge_trial(*make_trial(second, first)).routes
    assert forth.low <= forth.ratio <= forth.high
    inverse = 1 / back.high, 1 / back.ratio, 1 / back.low
    # times are converted to seconds and back, which changes their last digits
    assert (forth.low, forth.ratio, forth.high) == pytest.approx(inverse, rel=1e-6)


@given(LATENCIES)
def test_two_sides_alike_are_no_change(latencies: list[float]) -> None:
    rounds = [{"/a": each} for each in latencies]
    tried = judge_trial(*make_trial(rounds, rounds))
    assert tried.worse == ()
    assert tried.routes[0].low <= 1 <= tried.routes[0].high
    assert next(describe_trials([tried])) == "--try pool=100: 1 route shows no clear change."


@pytest.mark.parametrize(
    ("failing", "shares", "said"),
    [
        ("after", (0.0, 1.0), "more requests of /a fail: 0 % before, 100 % after."),
        ("before", (1.0, 0.0), "fewer requests of /a fail: 100 % before, 0 % after."),
    ],
)
def test_a_route_with_other_failures_is_neither_faster_nor_slower(
    failing: Side, shares: tuple[float, float], said: str
) -> None:
    before, after = ({"/a": 5.0 if side == failing else 200.0, "/b": 20.0} for side in SIDES)
    record, asked = make_trial([before] * 3, [after] * 3)
    for each in record.rounds:
        if each.side == failing:
            failed = pl.when(pl.col("route") == "/a").then(pl.lit(503)).otherwise("status")
            asked[each.cell] = asked[each.cell].with_columns(status=failed.cast(pl.UInt16()))
    tried = judge_trial(record, asked)
    assert ([each.route for each in tried.routes], tried.worse) == (["/b"], ())
    assert [(each.route, each.before, each.after) for each in tried.failures] == [("/a", *shares)]
    assert said in next(describe_trials([tried]))
    assert summarize_trial(tried) == f"{said.partition(':')[0]}."


def test_requests_that_are_never_answered_are_failures_and_no_latency() -> None:
    tried = judge_trial(*make_trial([{"/a": None}] * 3, [{"/a": 20.0}] * 3))
    assert tried.routes == ()
    assert [(each.before, each.after) for each in tried.failures] == [(1.0, 0.0)]


def test_the_warm_up_and_the_drain_are_not_judged() -> None:
    record, asked = make_trial([{"/a": 20.0}] * 3, [{"/a": 20.0}] * 3)
    for each in record.rounds:
        early = make_rows(each.began_s - 1.0, {"/a": 400.0}, count=5)
        late = make_rows(each.ended_s, {"/a": 900.0}, count=5)
        rows = make_table([*early, *late], ASKED).filter(
            ~pl.col("started_s").is_between(each.began_s + 1.0, each.ended_s)
        )
        asked[each.cell] = pl.concat([asked[each.cell], rows])
    (change,) = judge_trial(record, asked).routes
    assert change.before.p99_ms == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("took_ms", "worse", "failures"),
    [(None, (), [("/a", 0.0, 1.0)]), (9000.0, ("/a",), [])],
    ids=["hangs", "blocks"],
)
def test_a_side_that_hangs_in_the_warm_up_is_measured(
    took_ms: float | None, worse: tuple[str, ...], failures: list[tuple[str, float, float]]
) -> None:
    record, asked = make_trial([{"/a": 20.0}] * 3, [{"/a": 20.0}] * 3)
    for each in record.rounds:
        if each.side == "after":
            rows = make_rows(each.began_s - 1.0, {"/a": took_ms})
            asked[each.cell] = make_table(rows, ASKED).head(6)
    tried = judge_trial(record, asked)
    assert (tried.reason, tried.worse) == (None, worse)
    assert [(each.route, each.before, each.after) for each in tried.failures] == failures


def test_two_sides_that_hang_are_no_comparison() -> None:
    tried = judge_trial(*make_trial([{"/a": None}] * 3, [{"/a": None}] * 3))
    assert tried.reason == "in some rounds, most requests were never answered"


def test_a_route_of_two_methods_is_two_routes() -> None:
    record, asked = make_trial([{"/a": 20.0}] * 3, [{"/a": 20.0}] * 3)
    for each in record.rounds:
        posts = make_table(make_rows(each.began_s, {"/a": 80.0}, method="POST"), ASKED)
        asked[each.cell] = pl.concat([asked[each.cell], posts])
    found = {each.route: each.before.p50_ms for each in judge_trial(record, asked).routes}
    assert found == pytest.approx({"GET /a": 20.0, "POST /a": 80.0})


@pytest.mark.parametrize(
    ("pairs", "count", "said"),
    [(2, 20, "2 rounds per side ended"), (3, 4, "no route was called 5 times")],
)
def test_too_little_is_no_comparison(pairs: int, count: int, said: str) -> None:
    record, asked = make_trial([{"/a": 20.0}] * pairs, [{"/a": 80.0}] * pairs)
    few = {name: rows.head(count) for name, rows in asked.items()}
    tried = judge_trial(record, few)
    assert tried.reason is not None
    assert said in tried.reason
    assert (tried.routes, tried.worse) == ((), ())


def test_an_invalid_trial_says_why() -> None:
    record, asked = make_trial([{"/a": 20.0}] * 3, [{"/a": 80.0}] * 3)
    tried = judge_trial(replace(record, invalid="it yields"), asked)
    assert tried == Tried("pool=100", 3, reason="it yields")
    assert list(describe_trials([tried])) == ["--try pool=100: not measured: it yields."]


@pytest.mark.parametrize(
    ("after_mb", "known", "said"),
    [
        ((100.0, 110.0, 120.0), (52.0, 110.0), "Memory grew from 52 to 110 MB."),
        ((30.0, 31.0, 32.0), (52.0, 31.0), "Memory shrank from 52 to 31 MB."),
        ((53.0, 110.0, 120.0), None, "no clear change."),
        ((None, 110.0, 120.0), None, "no clear change."),
    ],
)
def test_memory_that_the_change_takes_is_said(
    after_mb: tuple[float | None, ...], known: tuple[float, float] | None, said: str
) -> None:
    record, asked = make_trial([{"/a": 20.0}] * 3, [{"/a": 20.0}] * 3)
    pairs = zip((50.0, 52.0, 54.0), after_mb, strict=True)
    memory_mb = [each for pair in pairs for each in pair]
    rounds = [
        replace(each, memory_mb=used) for each, used in zip(record.rounds, memory_mb, strict=True)
    ]
    tried = judge_trial(replace(record, rounds=tuple(rounds)), asked)
    assert tried.memory_mb == known
    assert next(describe_trials([tried])).endswith(said)


def test_what_may_go_wrong_is_said() -> None:
    record, asked = make_trial([{"/a": 200.0}] * 3, [{"/a": 20.0}] * 3)
    tried = judge_trial(replace(record, warnings=("it sets a global",)), asked)
    assert next(describe_trials([tried])).endswith("Note that it sets a global.")


def test_each_finding_gets_the_trial_of_its_cure_or_the_first_that_concerns_it() -> None:
    builder = AuditBuilder()
    builder.block(1.0, 0.2, [endpoint("report", 20)] * 4)
    (found,) = find_all(builder.build()).findings
    offload, other = Tried("offload=/report", 3), Tried("offload=/free", 3)
    pool, workers = Tried("pool=100", 3), Tried("workers=2", 3)
    cured = replace(found, cure=Cure(None, None, (), (), "", trial="offload=/report"))
    for tried, alone, of_cure in (
        (
            [pool, other],
            Tried(None, reason="no --try measures this change"),
            Tried(None, reason="--try offload=/report was not given"),
        ),
        ([], None, None),  # without --try
        ([workers, other, offload], workers, offload),
        ([offload, workers], offload, offload),
    ):
        assert attach_trials([found, cured], tried) == (
            replace(found, tried=alone), replace(cured, tried=of_cure),
        )  # fmt: skip


def test_a_page_gives_the_reason_for_a_change_that_no_trial_measures() -> None:
    builder = AuditBuilder()
    builder.block(1.0, 0.2, [endpoint("report", 20)] * 4)
    (found,) = find_all(builder.build()).findings
    edited = replace(found, cure=Cure(None, None, (), (), ""))
    (given,) = attach_trials([edited], [Tried("pool=100", 3)])
    assert FindingCard(1, given).untried == "no --try measures this change"
    assert FindingCard(1, given).outlook == []
    could = replace(found, cure=Cure(None, None, (), (), "", trial="offload=/report"))
    uncured = replace(found, cure=None)
    others = attach_trials([could, uncured], [Tried("pool=100", 3)])
    assert others[1].tried == Tried(None, reason="no change is proposed that a trial could measure")
    for each in (*others, edited):
        assert FindingCard(1, each).untried == ""


@pytest.mark.parametrize(
    ("queue", "trial"),
    [("anyio", "pool=100"), ("executor", "executor=64"), ("limiter 1", None)],
)
def test_a_wait_gets_the_trial_of_its_own_queue(queue: str, trial: str | None) -> None:
    kind = ExecutorWait if queue == "executor" else PoolWait
    wait = kind(
        severity="warning", confidence="high", queue=queue, setter=None, capacity=40.0,
        in_use=40.0, loop_ms=0.0, is_after=False,
    )  # fmt: skip
    tried = [Tried(each, 3) for each in ("executor=64", "pool=100", "workers=2")]
    (found,) = attach_trials([wait], tried)
    assert (found.tried and found.tried.trial) == trial


@pytest.mark.parametrize(
    ("server", "typed", "chosen", "said"),
    [
        ("uvicorn", ("auto",), ["workers=2", "pool=20", "offload=/a"], "give --try for others"),
        ("uvicorn", ("auto", "pool=20", "pool=9"), ["pool=20", "pool=9", "workers=2", "offload=/a"],
         "give --try for others: executor=64"),
        ("fastapi", ("auto",), ["workers=2", "pool=20", "offload=/a"], "give --try for others"),
        ("python", ("auto",), ["pool=20", "offload=/a", "executor=64"], "leaves out workers=2"),
        ("uvicorn", ("pool=9",), ["pool=9"], ""),
    ],
)  # fmt: skip
def test_auto_tries_what_cures_the_worst_findings(
    tmp_path: Path, server: str, typed: tuple[str, ...], chosen: list[str], said: str
) -> None:
    trials = ("workers=99", "workers=2", None, "pool=20", "workers=2", "offload=/a", "executor=64")
    builder = AuditBuilder()
    builder.block(1.0, 0.2, [endpoint("report", 20)] * 4)
    (found,) = find_all(builder.build()).findings
    findings = AuditFindings(
        tuple(replace(found, cure=Cure(None, None, (), (), "", trial=each)) for each in trials)
    )
    command, shown = AuditedCommand((server, "main:app"), Path()), list[str]()
    order = read_trial_order(TrialOptions(typed), command, is_asked=True)
    with (
        patch("study.audit_trials.load_audit_evidence"),
        patch("study.audit_trials.find_all", return_value=findings),
    ):
        asked = choose_trials(order, command, RunDir(tmp_path), shown.append)
    assert [str(each) for each in asked] == chosen
    assert said in " ".join(shown)


@pytest.mark.parametrize(
    "typed",
    [f"pool={'9' * 5000}", "pool=٣", "offload=/a\x1b[31m", "offload=/a\udcff", "offload=/a?b=1"],
)
def test_no_value_of_a_trial_is_more_than_its_kind_takes(typed: str) -> None:
    with pytest.raises(UserError, match="give a") as refused:
        parse_trial(typed)
    assert str(refused.value).isprintable()
