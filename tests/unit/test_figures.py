from dataclasses import asdict, fields, replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.resource_usage import (
    compute_cpu_ms_per_request,
    compute_cpu_percent_peak,
    compute_peak_together,
)
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from records.cell import CellRecord, Phases, find_death_rounds
from records.rows import BYSTANDER, MACHINE
from tests.unit.samples import Sent, deaths, healthy, machine, record, tables

KEYS = """scenario, trial, users, duration_s, requests, failures, failure_ratio, unfinished, rps,
ok_rps, failures_per_s, median_ms, ok_median_ms, median_lower_bound_ms, p95_ms, p99_ms, max_ms,
threads_unique, threads_spawned, threads_active_mean, threads_active_peak, pool_total,
pool_waiting_peak, loop_lag_p99_ms, loop_lag_max_ms, worker_restarts, cpu_percent_peak,
rss_mib_peak, generator_cpu_percent_peak, bystander, whole_run, predicted, verdicts, errors"""


def test_every_key_of_the_design_is_there() -> None:
    content = asdict(compute_summary(record(), tables([(3.0, 4.0, None)])))
    assert {key.strip() for key in KEYS.split(",")} <= set(content)
    bystander, whole_run = content["bystander"], content["whole_run"]
    assert isinstance(bystander, dict)
    assert isinstance(whole_run, dict)
    assert {"median_ms", "p99_ms", "failures"} <= set(bystander)
    assert {"requests", "failures", "rps", "median_ms"} <= set(whole_run)


def test_completions_count_in_the_window_in_which_they_ended() -> None:
    sent: list[Sent] = [
        (0.0, 1.0, None),  # before
        (1.5, 2.0, None),  # its end opens the window
        (3.0, 4.0, "HTTP 502: x"),
        (11.0, 12.0, None),  # after
    ]
    cell = compute_summary(record(), tables(sent))
    assert (cell.requests, cell.failures, cell.unfinished) == (2, 1, 0)
    assert cell.rps == pytest.approx(0.2)
    assert cell.ok_rps == pytest.approx(0.1)
    assert cell.failures_per_s == pytest.approx(0.1)
    assert cell.median_ms == pytest.approx(500)
    assert cell.ok_median_ms == pytest.approx(500)
    assert cell.max_ms == pytest.approx(1000)
    assert [(each.error, each.count) for each in cell.errors] == [("HTTP 502: x", 1)]


def test_the_unfinished_raise_the_lower_bound_of_the_median() -> None:
    sent: list[Sent] = [(3.0, 4.0, None)] + [(3.0, None, None)] * 2
    cell = compute_summary(record(), tables(sent))
    assert cell.unfinished == 2
    assert cell.median_ms == pytest.approx(1000)
    assert cell.median_lower_bound_ms == pytest.approx(10_000)  # sent at 3 s, drain ends at 13


def test_whole_run_counts_the_ramp_and_not_the_drain() -> None:
    sent: list[Sent] = [(0.0, 1.0, None), (1.0, 2.0, None), (11.5, 12.5, None)]
    whole = compute_summary(record(), tables(sent)).whole_run
    assert (whole.requests, whole.failures) == (2, 0)
    assert whole.rps == pytest.approx(2 / 12)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 11.9), st.floats(0.001, 9) | st.none(), st.sampled_from([None, "HTTP 500"])
        ),
        min_size=1,
        max_size=40,
    )
)
def test_the_parts_make_the_whole(shapes: list[tuple[float, float | None, str | None]]) -> None:
    sent: list[Sent] = [
        (start, None if took is None else start + took, error if took else None)
        for start, took, error in shapes
    ]
    cell = compute_summary(record(), tables(sent))
    ended = [end for _, end, _ in sent if end is not None]
    assert cell.requests == sum(2.0 <= end < 12.0 for end in ended)
    assert cell.unfinished == len(sent) - len(ended)
    assert cell.failures == sum(each.count for each in cell.errors)
    if cell.median_ms is not None:
        assert cell.p95_ms is not None
        assert cell.p99_ms is not None
        assert cell.max_ms is not None
        assert cell.median_ms <= cell.p95_ms <= cell.p99_ms <= cell.max_ms


def test_unknown_is_none_never_zero() -> None:
    cell = compute_summary(
        replace(record(), phases=Phases(), interrupted="Ctrl-C"), tables([(0.5, None, None)])
    )
    for name in ("duration_s", "rps", "ok_rps", "median_ms", "p99_ms", "failure_ratio"):
        assert getattr(cell, name) is None, name
    assert cell.interrupted == "Ctrl-C"
    assert cell.verdicts[0].code == "INTERRUPTED"
    assert {each.name for each in fields(CellSummary)} >= {"fates", "cycles"}


def test_cycles_run_from_death_to_death() -> None:
    times = Phases(1.0, 3.5, 9.5, 13.0, True)
    killed = replace(
        record("async-http-sync"),
        phases=times,
        deaths=deaths(3.0, 6.0, 9.0),
        cycles_planned=2,
    )
    sent: list[Sent] = [
        (3.5, 4.0, None),
        (4.0, 6.1, "reset"),
        (7.0, 8.0, None),
        (7.0, 9.1, "reset"),
    ]
    first, second = compute_summary(killed, tables(sent)).cycles
    assert (first.start_s, first.end_s, second.end_s) == (3.5, 6.5, 9.5)
    assert (first.ok, first.failures, second.ok, second.failures) == (1, 1, 1, 1)
    assert first.ok_rps == pytest.approx(1 / 3)


def test_what_was_open_when_the_window_closed_counts_in_the_bound() -> None:
    """Three waited for 9 s and were answered in the drain; one was quick."""
    late: Sent = (3.4, 12.4, None)
    sent: list[Sent] = [(3.0, 4.0, None), late, late, late]
    cell = compute_summary(record(), tables(sent))
    assert (cell.requests, cell.unfinished) == (1, 0)
    assert cell.median_ms == pytest.approx(1000)
    assert cell.median_lower_bound_ms == pytest.approx(9000)


def test_workers_that_die_together_make_one_round() -> None:
    assert find_death_rounds(deaths(31.1, 31.1, 62.0, 63.1, 94.0)) == [31.1, 63.1, 94.0]
    assert find_death_rounds(()) == []


def test_a_dead_worker_and_its_successor_are_not_added_up() -> None:
    rows = [
        (0.5 * tick, "server", pid, 0.5 * tick, 100 * 2**20, 9, 1)
        for pid, ticks in ((1, range(4, 14)), (2, range(14, 24)))
        for tick in ticks
    ]
    both = pl.DataFrame(rows, schema=MACHINE, orient="row")
    assert compute_peak_together(both, "server", "rss_bytes") == 100 * 2**20
    assert compute_cpu_percent_peak(both, "server") == pytest.approx(100)


@pytest.mark.parametrize(
    ("cores", "requests", "found"),
    [(0.5, 99, None), (0.5, 100, 50.0), (0.019, 1000, None), (0.02, 1000, 0.2), (None, 500, None)],
)
def test_cpu_per_request_needs_requests_and_more_cpu_than_the_clock_misses(
    cores: float | None, requests: int, found: float | None
) -> None:
    assert compute_cpu_ms_per_request(cores, requests, 10.0) == (found and pytest.approx(found))


def test_cpu_and_memory_come_from_outside() -> None:
    found = tables([(3.0, 4.0, None)])
    cell = compute_summary(record(), found)
    # half-second samples of an exact share: only float rounding
    assert cell.cpu_percent_peak == pytest.approx(50)
    assert cell.cpu_ms_per_request is None  # one response is too few
    many = compute_summary(record(), tables([(3.0, 4.0, None)] * 200))
    assert many.cpu_ms_per_request == pytest.approx(25)  # half a core for 10 s, 200 answers
    assert cell.generator_cpu_percent_peak == pytest.approx(10)
    assert cell.rss_mib_peak == pytest.approx(1)


def test_lag_is_what_the_heartbeat_is_late_weighted_by_time() -> None:
    found = tables([(3.0, 4.0, None)])
    late = pl.when(pl.col("at_s").is_between(5, 6)).then(0.5).otherwise(0.005)
    found = type(found)(
        **{each.name: getattr(found, each.name) for each in fields(found) if each.name != "probe"},
        probe=found.probe.with_columns(heartbeat_age_s=late),
    )
    cell = compute_summary(record(), found)
    assert cell.loop_lag_max_ms == pytest.approx(490)
    assert cell.loop_lag_p99_ms == pytest.approx(490)  # a tenth of the time
    assert cell.threads_spawned == 1


def test_an_unanswered_ping_is_a_failure_and_counts_with_its_age() -> None:
    rows = [(1, 3.0, 3.01, 200, None), (2, 4.0, None, None, None), (3, 5.0, 5.5, None, "reset")]
    found = tables([(3.0, 4.0, None)])
    pings = pl.DataFrame(rows, schema=BYSTANDER, orient="row")
    found = type(found)(
        **{e.name: getattr(found, e.name) for e in fields(found) if e.name != "bystander"},
        bystander=pings,
    )
    seen = compute_summary(record(), found).bystander
    assert (seen.pings, seen.failures, seen.unanswered) == (3, 2, 1)
    assert seen.median_ms == pytest.approx(10)  # no quantile contains the reset one
    assert seen.p99_ms == pytest.approx(9000)


def planted() -> dict[str, CellRecord]:
    plain = record()
    return {
        "WORKER_DEATHS": replace(plain, deaths=deaths(5.0)),
        "NOT_STEADY": replace(plain, phases=replace(plain.phases, steady=False, ramp_end_s=1.25)),
        "DESCRIPTORS": replace(plain, descriptors_limit=21),
        "JOURNAL_LOST": replace(plain, journals_lost=("probe-1-2.journal",)),
        "INTERRUPTED": replace(plain, interrupted="SIGTERM"),
        "THREADS_LEFT": replace(plain, threads_left=40),
    }


@pytest.mark.parametrize("code", list(planted()))
def test_a_planted_fault_is_seen(code: str) -> None:
    assert compute_summary(record(), tables(healthy())).verdicts == ()
    found = compute_summary(planted()[code], tables(healthy()))
    assert [verdict.code for verdict in found.verdicts] == [code]


def test_a_log_that_tells_of_missing_descriptors_is_heard() -> None:
    faulty = replace(record(), log_faults=("OSError: [Errno 24] Too many open files",))
    found = compute_summary(faulty, tables(healthy()))
    assert [(each.code, each.severity) for each in found.verdicts] == [("DESCRIPTORS", "error")]


def test_faults_in_the_tables_are_seen() -> None:
    good = tables(healthy())

    def codes(**changed: pl.DataFrame) -> list[str]:
        parts = {each.name: getattr(good, each.name) for each in fields(good)} | changed
        return [verdict.code for verdict in compute_summary(record(), type(good)(**parts)).verdicts]

    assert codes(machine=machine(server_cpu=0.5, load_cpu=0.95)) == ["GENERATOR_SATURATED"]
    late = good.upstream.with_columns(waited_ms=pl.col("asked_ms") * 1.06)
    assert codes(upstream=late) == ["UPSTREAM_LATE"]
    just = good.upstream.with_columns(waited_ms=pl.col("asked_ms") * 1.04)
    assert codes(upstream=just) == []
    assert codes(handlers=good.handlers.clear()) == ["COUNTS_DISAGREE"]
    silent = good.probe.filter(pl.col("at_s") < 8)
    assert codes(probe=silent) == ["PROBE_STOPPED"]
    assert compute_summary(record(), good).threads_active_mean is not None
    stopped = compute_summary(record(), replace(good, probe=silent))
    assert (stopped.threads_active_mean, stopped.threads_active_peak) == (None, None)
    nobody = good.requests.with_columns(ended_s=pl.lit(None, dtype=pl.Float64), status=None)
    assert codes(requests=nobody) == ["LITTLE_MISMATCH", "UNFINISHED"]
