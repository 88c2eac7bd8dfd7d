"""The tool's statements about its own figures are true for any record: each false sentence that was
found, with its whole kind."""

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.measures.probe_metrics import BlockingSite
from analysis.metrics import METRICS, Metric, get_metric
from analysis.report.notes import write_notes
from analysis.report.run_table import build_run_table
from analysis.summary.cell import compute_summary
from analysis.summary.model import BystanderLatency, CellSummary
from analysis.summary.predicates import has_starved_users, mark_extremes
from analysis.summary.thresholds import judge_thresholds, parse_thresholds
from analysis.verdicts.base import Verdict, VerdictRecord, list_verdicts
from analysis.verdicts.faults import WorkerDeaths
from analysis.verdicts.instruments import MOST_PROCESSES, list_stronger_loads, suggest_less_load
from analysis.verdicts.limits import FULL_SHARE, NAMED_CORES
from analysis.verdicts.machine import MachineBusy
from analysis.verdicts.unanswered import LONGER, Unfinished
from analysis.verdicts.window import NotSteady, TooShort
from records.cell import BY_SERVER, UpstreamSummary
from scenarios.catalogue import CATALOGUE
from scenarios.model import Load, Scenario
from scenarios.options import list_options
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from tests.unit.samples import healthy, machine, record, tables
from tests.unit.test_validity import growing, starving, with_table
from tests.unit.test_verdicts import SAMPLES

CELL = compute_summary(record(), tables(healthy()))
STARVED = VerdictRecord("UNFINISHED", "warning")


def find_verdict(cell: CellSummary, code: str) -> VerdictRecord:
    return next(each for each in cell.verdicts if each.code == code)


def starving_beside_a_slow_one() -> CellSummary:
    """Three of four users get no response, and one response took longer than they have waited."""
    plain, found = starving()
    slow, later = tables([(-1.0, 11.9, None)], users=1), pl.col("request_id") + 2**21
    added = {
        name: pl.concat(
            [getattr(found, name), getattr(slow, name).with_columns(request_id=later)],
            how="diagonal",
        )
        for name in ("requests", "handlers", "upstream")
    }
    return compute_summary(plain, with_table(found, **added))


# the star of a median, and what UNFINISHED says of the same requests


def test_a_starred_median_and_the_verdict_on_the_unanswered_agree() -> None:
    cell = starving_beside_a_slow_one()
    assert {each.code for each in cell.verdicts} == {"LITTLE_MISMATCH", "UNFINISHED"}
    unfinished = find_verdict(cell, "UNFINISHED")
    assert unfinished.severity == "warning"
    assert unfinished.message == (
        "3 requests were unanswered when the drain ended, the oldest after 12.0 s; the slowest "
        "completed request took 12.9 s, and 3 users got no response in the whole window: the "
        "median covers only the 101 completed requests"
    )
    starred = build_run_table([cell]).rows[0]
    assert any(str(each).endswith("*") for each in starred.cells)


@given(
    unfinished=st.integers(1, 500),
    oldest_s=st.floats(0.1, 100),
    slowest_s=st.none() | st.floats(0.1, 100),
    starved=st.none() | st.integers(1, 500),
)
def test_the_star_stands_exactly_where_the_verdict_warns(
    unfinished: int, oldest_s: float, slowest_s: float | None, starved: int | None
) -> None:
    verdict = Unfinished(
        unfinished=unfinished, completed=9, oldest_s=oldest_s, slowest_s=slowest_s, starved=starved
    )
    cell = replace(CELL, verdicts=(verdict.to_record(),))
    calm = starved is None and slowest_s is not None and oldest_s <= LONGER * slowest_s
    assert has_starved_users(cell) is ("covers only" in verdict.message or slowest_s is None)
    assert has_starved_users(cell) is not calm
    assert f"{oldest_s:,.1f} s" in verdict.message  # the readers can judge for themselves


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        ("median_ms", False), ("p99_ms", False), ("mean_ms", False),
        ("median_censored_ms", True), ("bystander.median_ms", True), ("ok_rps", True),
    ],
)  # fmt: skip
def test_no_threshold_is_kept_by_a_starred_latency(figure: str, met: bool) -> None:
    other = replace(CELL.bystander, median_ms=3.0)
    cell = replace(CELL, median_censored_ms=3.0, bystander=other, verdicts=(STARVED,))
    (outcome,) = judge_thresholds(parse_thresholds(f"*: {figure} > 0"), [cell])
    assert outcome.met is met
    assert met or "UNFINISHED" in (outcome.why or "")


# marks

SITE = BlockingSite(
    route="/a", file="a.py", line=1, function="f", seconds=9.0, longest_ms=900.0, share=1.0
)
BLOCKED = replace(CELL, loop_blocked_share=0.98, blocking_sites=(SITE,))


@pytest.mark.parametrize(
    "poor",
    [
        BLOCKED,
        replace(CELL, verdicts=(STARVED,)),
        replace(CELL, worker_restarts=3),
    ],
)
def test_a_cell_wins_nothing_by_serving_few(poor: CellSummary) -> None:
    """One thread and no failures are easy if almost nothing is served."""
    cells = [
        replace(each, threads_spawned=threads, failure_ratio=failed)
        for each, threads, failed in ((poor, 1, 0.0), (CELL, 41, 0.002), (CELL, 501, 0.3))
    ]
    for key in ("threads_spawned", "failure_ratio"):
        assert mark_extremes(cells, get_metric(key)) == {1: "best", 2: "worst"}
    slow = [
        replace(each, ok_rps=rate) for each, rate in zip(cells, (1.0, 40.0, 490.0), strict=True)
    ]
    assert mark_extremes(slow, get_metric("ok_rps")) == {0: "worst", 2: "best"}


def test_cells_of_other_loads_are_not_compared() -> None:
    few = [replace(CELL, users=20, ok_rps=rate) for rate in (15.0, 20.0)]
    many = [replace(CELL, users=500, ok_rps=rate) for rate in (490.0, 40.0)]
    assert mark_extremes([*few, *many], get_metric("ok_rps")) == {1: "best", 0: "worst"} | {
        2: "best",
        3: "worst",
    }
    assert mark_extremes([few[0], many[0]], get_metric("ok_rps")) == {}


def with_figure(value: float, metric: Metric, *, starves: bool) -> CellSummary:
    changed: dict[str, Any] = {metric.key: value}
    return replace(CELL, **changed, verdicts=(STARVED,) if starves else ())


MARKED = [each for each in METRICS if each.better and "." not in each.key]


@given(
    values=st.lists(st.floats(0, 1000), min_size=2, max_size=6),
    starved=st.sets(st.integers(0, 5)),
    metric=st.sampled_from(MARKED),
)
def test_no_mark_praises_a_cell_whose_users_starve(
    values: list[float], starved: set[int], metric: Metric
) -> None:
    cells = [
        with_figure(each, metric, starves=place in starved) for place, each in enumerate(values)
    ]
    marks = mark_extremes(cells, metric)
    praised = {place for place, mark in marks.items() if mark == "best"}
    assert metric.key == "ok_rps" or not praised & starved
    assert all(2 * list(marks.values()).count(mark) <= len(cells) for mark in ("best", "worst"))


# which part of the machine was full, and whose it was

SHARES = st.floats(0.0, 1.0).filter(lambda each: abs(each - NAMED_CORES) > 1e-6)
"""No part at the very bound: the rest that belongs to other programs is a difference of floats."""


@given(server=SHARES, load=SHARES, others=SHARES, cores=st.integers(1, 2))
def test_full_cores_are_named_by_what_used_them(
    server: float, load: float, others: float, cores: int
) -> None:
    assume(abs(others - max(server, load)) > 1e-6)  # sums of floats cannot decide this
    rows = machine(server_cpu=server, load_cpu=load, other_cores=others)
    cell = compute_summary(
        replace(record(), cores=cores), with_table(tables(healthy()), machine=rows)
    )
    found = [each for each in cell.verdicts if each.code == "CORES_FULL"]
    assert bool(found) == (server + load + others > FULL_SHARE * cores)
    for verdict in found:
        assert "database" not in verdict.message  # there is none
        used = {"server": server, "load": load, "other programs": others}
        for name, share in used.items():
            assert (name in verdict.message) == (share > NAMED_CORES), verdict.message
        assert float(verdict.message.split()[0]) <= cores
        mostly_others = others > max(server, load)
        assert ("stop the other programs" in verdict.advice) == mostly_others


def test_a_database_is_named_where_it_used_the_cores() -> None:
    rows = machine(server_cpu=0.5, load_cpu=0.1, other_cores=1.4)
    own = rows.filter(pl.col("role") == "load").with_columns(
        role=pl.lit("database"), pid=pl.lit(7, pl.UInt32), cpu_s=14 * pl.col("cpu_s")
    )
    found = with_table(tables(healthy()), machine=pl.concat([rows, own]))
    cell = compute_summary(replace(record(), cores=2), found)
    message = find_verdict(cell, "CORES_FULL").message
    assert message == "2.00 of 2 cores were busy: database 1.40, server 0.50, load 0.10"


@pytest.mark.parametrize(
    ("other", "stolen", "words", "not_said"),
    [
        (0.4, 0.0, "other programs used 0.40 cores", "host"),
        (0.0, 0.3, "the host took 0.30 cores", "programs"),
        (0.4, 0.3, "0.40 cores of this machine and the host took 0.30 cores", "0.00"),
    ],
)
def test_a_busy_machine_names_who_made_it_busy(
    other: float, stolen: float, words: str, not_said: str
) -> None:
    verdict = MachineBusy(other_cores=other, stolen_cores=stolen)
    assert words in verdict.message
    assert not_said not in verdict.message
    assert ("stop the other programs" in verdict.advice) == (other > 0)


# advice

CONDITIONS = (
    Load(), Load(processes=3), Load(users=1), Load(arrival_rate=50.0), Load(think_s=1.0),
    Load(requests=100), Load(engine="oha", processes=2), Load(processes=MOST_PROCESSES),
)  # fmt: skip


@pytest.mark.parametrize("scenario", CATALOGUE, ids=lambda each: each.name)
def test_every_load_that_is_advised_can_be_asked_for(scenario: Scenario) -> None:
    for load in CONDITIONS:
        mine = replace(scenario, load=load)
        for option in list_stronger_loads(mine):
            name, value = option.split()
            changed = (
                Overrides(load_processes=int(value))
                if name == "--load-processes"
                else Overrides(engine="oha")
            )
            assert option in (f"--load-processes {value}", "--engine oha")
            (found,) = apply_overrides((mine,), changed)
            assert found.load != mine.load  # another load than the late one
        assert ("--users" in suggest_less_load(load)) is not load.is_open


OPTIONS = {each.name for each in list_options(Overrides)}
ELSEWHERE = re.compile(r"\b(?:line|row|column|below|above|see there)\b")


@pytest.mark.parametrize(
    "verdict",
    [
        *SAMPLES,
        WorkerDeaths(deaths=1, causes="ended by itself"),
        MachineBusy(other_cores=0.0, stolen_cores=0.3),
        NotSteady(cause="no warm-up", turn_s=500.0, blocks=True, less="fewer --users"),
        NotSteady(cause="warm-up", unwarmed=1, warm_up_limit_s=30.0, less="fewer --users"),
        Unfinished(unfinished=3, completed=9, oldest_s=1.0, slowest_s=1.0),
    ],
    ids=lambda each: each.code,
)
def test_advice_can_be_followed_wherever_it_is_read(verdict: Verdict) -> None:
    """It appears below a terminal's table, in a page, in Markdown and in summary.json."""
    assert not ELSEWHERE.search(verdict.advice), verdict.advice
    typed = set(re.findall(r"--[a-z-]+", f"{verdict.message} {verdict.advice}"))
    assert typed <= OPTIONS | {"--profile", "--port", "--timeout"}, typed - OPTIONS  # gunicorn's


def test_every_verdict_is_looked_at() -> None:
    assert {type(each) for each in SAMPLES} == set(list_verdicts())


def test_a_worker_that_ended_by_itself_is_not_helped_by_a_longer_timeout() -> None:
    itself = WorkerDeaths(deaths=1, causes="ended by itself")
    killed = WorkerDeaths(deaths=2, causes=f"{BY_SERVER} gunicorn: x, ended by itself")
    assert "--worker-timeout" not in itself.advice
    assert "--worker-timeout 0 (gunicorn's --timeout) only stops the kills" in killed.advice


def late_upstream(implementation: str, load: Load) -> VerdictRecord:
    found = tables(healthy())
    late = found.upstream.with_columns(waited_ms=pl.lit(1200.0))
    plain = record()
    said = UpstreamSummary(implementation, 9, 9, 0, 0, 2, 1000.0, 200.0, 200.0)
    own = replace(plain, scenario=replace(plain.scenario, load=load), upstream=said)
    return find_verdict(compute_summary(own, with_table(found, upstream=late)), "UPSTREAM_LATE")


def test_an_upstream_is_not_replaced_by_itself() -> None:
    closed = Load(users=2, duration_s=10.0)
    assert "--upstream go or fewer --users" in late_upstream("python", closed).advice
    assert "--upstream go" not in late_upstream("go", closed).advice
    assert "--arrival-rate" in late_upstream("go", Load(arrival_rate=4.0, duration_s=10.0)).advice


@pytest.mark.parametrize(("other_cores", "blames_machine"), [(0.0, False), (0.9, True)])
def test_a_busy_machine_is_not_cured_by_options_of_ours(
    other_cores: float, blames_machine: bool
) -> None:
    found = tables(healthy())
    late = found.upstream.with_columns(waited_ms=pl.lit(1200.0))
    rows = machine(server_cpu=0.2, load_cpu=0.2, other_cores=other_cores)
    cell = compute_summary(record(), with_table(found, upstream=late, machine=rows))
    advice = find_verdict(cell, "UPSTREAM_LATE").advice
    assert ("idle machine" in advice) == blames_machine == ("--" not in advice)


@pytest.mark.parametrize(("load_cpu", "blames_machine"), [(0.2, True), (0.97, False)])
def test_a_late_generator_is_saturated_only_by_its_own_cpu(
    load_cpu: float, blames_machine: bool
) -> None:
    found = tables(healthy())
    late = found.requests.with_columns(intended_s=pl.col("started_s") - 0.5)
    rows = machine(server_cpu=0.2, load_cpu=load_cpu, other_cores=0.7)
    cell = compute_summary(record(), with_table(found, requests=late, machine=rows))
    advice = find_verdict(cell, "GENERATOR_SATURATED").advice
    assert ("idle machine" in advice) == blames_machine == ("--" not in advice)


def test_a_short_window_of_seconds_is_not_to_count_more_requests() -> None:
    assert "--requests" not in TooShort(window_s=2.0, counts_requests=False).advice
    unseen = tables(healthy())
    unseen = with_table(unseen, machine=unseen.machine.filter(pl.col("role") != "load"))
    assert not compute_summary(record(), unseen).verdicts  # ten seconds are not too short


# how long to run


@given(
    turn_s=st.floats(0.1, 5000),
    window_s=st.floats(1, 300),
    cause=st.sampled_from(["no warm-up", "warm-up"]),
)
def test_what_a_longer_window_does_not_change_is_not_advised(
    turn_s: float, window_s: float, cause: str
) -> None:
    """A warm-up's limit does not depend on the window."""
    plain = record()
    ends = {"ramp_end_s": 1.25, "window_end_s": 2.0 + window_s, "drain_end_s": 3.0 + window_s}
    phases = replace(plain.phases, steady=False, **ends)
    cold = replace(plain, phases=phases, turn_s=turn_s if cause == "no warm-up" else None)
    verdict = find_verdict(compute_summary(cold, tables(healthy())), "NOT_STEADY")
    assert verdict.data["cause"] == cause
    assert "longer_s" not in verdict.data
    assert not re.search(r"run about|use a longer", f"{verdict.message} {verdict.advice}")
    assert "fewer --users" in verdict.advice


def test_a_blocked_loop_is_not_told_to_run_for_half_an_hour() -> None:
    blocks = record("async-http-sync-shared")
    phases = replace(blocks.phases, steady=False)
    verdict = find_verdict(
        compute_summary(replace(blocks, phases=phases, turn_s=517.0), tables(healthy())),
        "NOT_STEADY",
    )
    assert "remove the blocking call" in verdict.advice
    assert "longer" not in verdict.message


@pytest.mark.parametrize(("turn_s", "advised"), [(5.0, True), (900.0, False)])
def test_a_drift_is_waited_for_only_where_that_is_a_matter_of_minutes(
    turn_s: float, advised: bool
) -> None:
    """1,800 requests in 10 s, of so many users that a turn takes as long as that."""
    plain = record()
    users = round(turn_s * 18)
    load = Load(users=users, duration_s=10.0)
    crowd = replace(plain, scenario=replace(plain.scenario, load=load))
    cell = compute_summary(crowd, tables(growing(0.05), users=users))
    verdict = find_verdict(cell, "NOT_STEADY")
    assert ("longer_s" in verdict.data) is advised
    assert ("s longer" in verdict.message) is advised


def test_everybody_was_warm_so_nobody_was_not() -> None:
    plain = record()
    cold = replace(plain, phases=replace(plain.phases, steady=False))
    assert not compute_summary(cold, tables(healthy())).verdicts


# a bystander


@given(
    answered=st.integers(0, 40),
    refused=st.integers(0, 40),
    unanswered=st.integers(0, 40),
    median_ms=st.floats(101, 9000),
)
def test_what_became_of_the_background_requests_adds_up(
    answered: int, refused: int, unanswered: int, median_ms: float
) -> None:
    pings = answered + refused + unanswered
    known_ms = median_ms if answered + unanswered else None
    other = BystanderLatency(known_ms, None, refused + unanswered, pings, unanswered, "/health")
    (note,) = [each for each in write_notes(replace(CELL, bystander=other)) if "/health" in each]
    assert not re.search(r"\b0 (?:of|failed|had)|–", note)
    assert ("were answered" in note) == (pings > 0 and not refused + unanswered)
    assert ("failed" in note) == bool(refused)
    assert ("had no response" in note) == bool(unanswered)
    shown = re.findall(r"(\d+)(?: of \d+)? (?:failed|had no response)", note)
    assert list(map(int, shown)) == [each for each in (refused, unanswered) if each]
