"""A fault is planted in the records of a healthy cell, and the verdict must see it."""

from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest

from analysis.measures.resource_usage import compute_cores_by_process
from analysis.report.notes import write_notes
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from analysis.verdicts.base import VerdictRecord
from analysis.verdicts.window import NotSteady, takes_turns
from records.cell import CellRecord
from records.clocks import ClockModel
from records.cpu_profile import CpuProfile, Level, SampledPhase, Stacks
from records.prediction import Prediction
from scenarios.catalogue import select_scenarios
from scenarios.model import Load
from tests.unit.samples import InMemoryTables, Sent, healthy, machine, record, tables


def with_table(found: InMemoryTables, **changed: pl.DataFrame) -> InMemoryTables:
    return InMemoryTables(
        **({each.name: getattr(found, each.name) for each in fields(found)} | changed)
    )


def only_verdict(cell: CellSummary) -> VerdictRecord:
    (verdict,) = cell.verdicts
    return verdict


def codes(cell: CellSummary) -> list[str]:
    return [verdict.code for verdict in cell.verdicts]


def test_a_healthy_cell_has_nothing_to_answer_for() -> None:
    cell = compute_summary(record(), tables(healthy()))
    assert cell.verdicts == ()
    assert cell.users_seen == pytest.approx(2.0)  # two users, always asking: exact
    assert cell.users_unanswered == 0


def starving() -> tuple[CellRecord, InMemoryTables]:
    """One user is served again and again, three wait from the ramp on and are never answered."""
    plain = record()
    four = replace(plain, scenario=replace(plain.scenario, load=Load(users=4, duration_s=10.0)))
    lucky: list[Sent] = [(1.0 + 0.1 * turn, 1.1 + 0.1 * turn, None) for turn in range(119)]
    sent = [row for row in lucky for _ in range(1)]
    found = tables(sent, users=1)
    waiting = tables([(1.0, None, None)] * 3, users=3).requests.with_columns(
        user=pl.Series([1, 2, 3], dtype=pl.UInt32), request_id=pl.col("request_id") + 2**20
    )
    seen = waiting.select(
        "request_id", pid=pl.lit(1, pl.UInt32), route=pl.lit("/"), arrived_s=pl.lit(1.0)
    )
    return four, with_table(
        found,
        requests=pl.concat([found.requests, waiting]),
        handlers=pl.concat([found.handlers, seen], how="diagonal"),
    )


def test_starved_users_break_littles_law_and_the_median_says_so() -> None:
    cell = compute_summary(*starving())
    assert codes(cell) == ["LITTLE_MISMATCH", "UNFINISHED"]
    assert cell.verdicts[0].data["unanswered"] == cell.users_unanswered == 3
    assert cell.users_seen == pytest.approx(1.0)
    message = cell.verdicts[0].message
    assert "3 got no response" in message
    # the number is what its own formula gives: one user, 0.1 s, ten times a second
    assert cell.rps is not None
    assert cell.mean_ms is not None
    seen = cell.rps * cell.mean_ms / 1000
    assert f"completed requests account for {seen:.0f} of 4 users" in message
    assert cell.median_ms == pytest.approx(100)
    assert any("Kaplan" in note for note in write_notes(cell))


def test_the_censored_quantile_knows_that_the_end_was_not_seen() -> None:
    cell = compute_summary(*starving())
    assert cell.p99_ms == pytest.approx(100)
    assert cell.p99_censored_ms is None  # 3 of 103 were never answered: nobody knows
    assert cell.median_censored_ms == pytest.approx(100)


def test_half_of_the_users_starve_though_half_of_the_requests_are_quick() -> None:
    cell = compute_summary(*starving())
    assert cell.users_longest_wait_median_ms == pytest.approx(12_000)  # from 1 s to the drain's end
    assert any("half of the users waited 12,000 ms" in note for note in write_notes(cell))


def test_a_window_that_is_short_against_a_response_breaks_no_law() -> None:
    """Both ask for 3 s in step: an edge cuts a whole round from throughput × response."""
    sent: list[Sent] = [(1.2 + 3 * n, 4.2 + 3 * n, None) for n in range(4) for _ in range(2)]
    cell = compute_summary(record(), tables(sent))
    assert cell.users_seen == pytest.approx(1.8)  # three rounds of 3 s end in a window of 10 s
    assert "LITTLE_MISMATCH" not in codes(cell)


def test_a_lost_load_process_is_not_taken_for_starved_users() -> None:
    plain, found = starving()
    cell = compute_summary(replace(plain, load_processes_lost=1), found)
    assert "LOAD_PROCESS_DIED" in codes(cell)
    assert "LITTLE_MISMATCH" not in codes(cell)


def test_requests_that_an_interruption_left_open_say_nothing_of_the_server() -> None:
    plain, found = starving()
    assert "UNFINISHED" in codes(compute_summary(plain, found))
    assert "UNFINISHED" not in codes(compute_summary(replace(plain, interrupted="Ctrl-C"), found))
    assert "UNFINISHED" not in codes(compute_summary(replace(plain, load_processes_lost=1), found))


def test_an_open_loop_that_fails_quickly_is_not_served() -> None:
    """No backlog grows where every request is refused at once."""
    refused: list[Sent] = [(due_s, end_s, "HTTP 504: x") for due_s, end_s, _ in arrivals(100, 1000)]
    cell = compute_summary(open_record(100), tables(refused))
    assert codes(cell)[0] == "OVERLOADED"
    assert cell.verdicts[0].data["cause"] == "failures"
    assert "the time to fail is not a latency" in cell.verdicts[0].message


def test_more_users_than_there_are_is_no_steady_state() -> None:
    """Everybody's long request of before ends in the window."""
    sent = healthy()
    old: list[Sent] = [(-8.0, 3.0, None)] * 2
    cell = compute_summary(record(), tables(old + sent))
    assert codes(cell)[0] == "LITTLE_MISMATCH"
    assert cell.verdicts[0].severity == "warning"
    assert "too short compared with a response" in cell.verdicts[0].message


@pytest.mark.parametrize(
    ("other_cores", "stolen_cores", "expected"),
    [(0.0, 0.0, []), (0.1, 0.02, []), (0.5, 0.0, ["MACHINE_BUSY"]), (0.0, 0.3, ["MACHINE_BUSY"])],
)
def test_others_on_the_machine(
    other_cores: float, stolen_cores: float, expected: list[str]
) -> None:
    rows = machine(server_cpu=0.5, load_cpu=0.1, other_cores=other_cores, stolen_cores=stolen_cores)
    cell = compute_summary(record(), with_table(tables(healthy()), machine=rows))
    assert codes(cell) == expected
    assert cell.other_load_cores == pytest.approx(other_cores, abs=1e-9)  # float rounding
    assert cell.stolen_cores == pytest.approx(stolen_cores, abs=1e-9)


@pytest.mark.parametrize(
    ("throttled", "expected"), [(0.0, []), (0.02, []), (0.7, ["CPU_THROTTLED"])]
)
def test_a_quota_that_stops_the_container_is_named(throttled: float, expected: list[str]) -> None:
    quiet = machine(server_cpu=0.5, load_cpu=0.1)
    stopped = quiet.filter(pl.col("role") == "stolen").with_columns(
        role=pl.lit("throttled"), cpu_s=pl.col("at_s") * throttled
    )
    rows = pl.concat([quiet, stopped])
    cell = compute_summary(record(), with_table(tables(healthy()), machine=rows))
    assert codes(cell) == expected
    assert cell.throttled_cores == pytest.approx(throttled, abs=1e-9)
    assert compute_summary(record(), tables(healthy())).throttled_cores is None


def test_a_late_generator_is_a_saturated_one() -> None:
    found = tables(healthy())
    late = found.requests.with_columns(intended_s=pl.col("started_s") - 0.2)
    cell = compute_summary(record(), with_table(found, requests=late))
    assert "GENERATOR_SATURATED" in codes(cell)
    assert cell.generator_lateness_p99_ms == pytest.approx(200)
    assert "left at least 200 ms late" in cell.verdicts[0].message


def test_a_late_generator_of_unknown_cpu_is_judged_by_its_lateness_and_says_so() -> None:
    found = tables(healthy())
    late = found.requests.with_columns(intended_s=pl.col("started_s") - 0.2)
    unseen = found.machine.filter(pl.col("role") != "load")
    cell = compute_summary(record(), with_table(found, requests=late, machine=unseen))
    verdict = next(each for each in cell.verdicts if each.code == "GENERATOR_SATURATED")
    assert verdict.message == (
        "the load generator's CPU is unknown: the window has too few samples; "
        "1 % of the requests left at least 200 ms late"
    )
    assert set(verdict.data) == {"lateness_p99_ms", "options"}
    in_time = compute_summary(record(), with_table(found, machine=unseen))
    assert "GENERATOR_SATURATED" not in codes(in_time)


def test_each_load_process_is_told_by_itself() -> None:
    plain = machine(server_cpu=0.5, load_cpu=0.3)
    second = machine(server_cpu=0.0, load_cpu=0.1).filter(pl.col("role") == "load")
    both = pl.concat([plain, second.with_columns(pid=pl.lit(3, pl.UInt32))])
    cell = compute_summary(record(), with_table(tables(healthy()), machine=both))
    assert cell.generator_cpu_percent == pytest.approx((30, 10))


def growing(per_s: float) -> list[Sent]:
    """Responses that get longer by so much each second; two users."""
    sent: list[Sent] = []
    for _ in range(2):
        at_s = 1.0
        while at_s < 12.5:
            took_s = 0.05 * (1 + per_s * (at_s - 1.0))
            sent.append((at_s, at_s + took_s, None))
            at_s += took_s
    return sent


def test_a_response_that_drifts_is_not_steady_and_says_how_long_to_run() -> None:
    cell = compute_summary(record(), tables(growing(0.05), users=1))
    verdict = next(each for each in cell.verdicts if each.code == "NOT_STEADY")
    # users who wait longer send fewer requests: the more certain of the two is reported
    assert verdict.data["cause"] in {"response", "throughput"}
    # 1.55/1.05 over the window, the Theil–Sen line through twentieths of equal counts
    assert cell.response_drift == pytest.approx(0.39, abs=0.08)
    assert "longer" in verdict.message
    steady = compute_summary(record(), tables(growing(0.0), users=1))
    assert "NOT_STEADY" not in codes(steady)


def test_a_warm_up_that_ran_out_says_how_many_were_not_served() -> None:
    plain = record()
    ramp_end_s = 1.25  # what they sent after it ends at 2 s, as the window opens
    cold = replace(plain, phases=replace(plain.phases, steady=False, ramp_end_s=ramp_end_s))
    verdict = only_verdict(compute_summary(cold, tables(healthy(), users=2)))
    assert verdict.data["cause"] == "warm-up"
    assert verdict.data["unwarmed"] == 2


def test_a_warm_up_that_could_not_be_enough_was_left_out_and_says_how_long_it_would_last() -> None:
    plain = record()
    cold = replace(plain, turn_s=500.0, phases=replace(plain.phases, steady=False))
    verdict = next(
        each
        for each in compute_summary(cold, tables(healthy(), users=2)).verdicts
        if each.code == "NOT_STEADY"
    )
    assert (verdict.data["cause"], verdict.data["turn_s"]) == ("no warm-up", 500.0)
    assert verdict.message == (
        "the window opened without a warm-up: serving every user once takes at least 500 s; a "
        "warm-up lasts at most 30 s"
    )
    assert verdict.severity == "warning"
    warm = replace(cold, phases=plain.phases)  # all were served in the ramp
    assert "NOT_STEADY" not in codes(compute_summary(warm, tables(healthy(), users=2)))


def test_a_blocked_uvloop_is_named_as_the_reason_of_a_long_turn() -> None:
    (blocked,) = select_scenarios(("async-http-sync-shared",))
    blocks = {
        loop: takes_turns(replace(blocked, server=replace(blocked.server, loop=loop)))
        for loop in ("uvloop", "asyncio")
    }
    assert blocks == {"uvloop": True, "asyncio": False}
    verdict = NotSteady(
        cause="no warm-up", turn_s=124_740.0, accepts_one=True, less="fewer --users"
    )
    assert verdict.message == (
        "the window opened without a warm-up: serving every user once takes at least 124,740 s, "
        "because a blocked uvloop accepts one new connection per round and serves all users that "
        "it has accepted before it accepts the next; a warm-up lasts at most 30 s"
    )


def open_record(rate: float) -> CellRecord:
    plain = record()
    load = Load(arrival_rate=rate, duration_s=10.0)
    return replace(plain, scenario=replace(plain.scenario, load=load))


def arrivals(rate: float, served_a_second: float, took_s: float = 0.1) -> list[Sent]:
    """Constant arrivals from 0 to 12.4 s at a server that answers one after the other."""
    sent: list[Sent] = []
    free_s = 0.0
    for due_s in np.arange(0, 12.4, 1 / rate):
        free_s = max(free_s, float(due_s)) + 1 / served_a_second
        end_s = free_s + took_s
        sent.append((float(due_s), end_s if end_s < 13 else None, None))
    return sent


def test_beyond_capacity_the_cell_is_overloaded_and_its_percentiles_mean_nothing() -> None:
    cell = compute_summary(open_record(100), tables(arrivals(100, served_a_second=80)))
    assert codes(cell)[0] == "OVERLOADED"
    assert cell.users is None
    assert cell.open_loop is not None
    assert cell.open_loop.overloaded
    assert cell.open_loop.offered_rps == pytest.approx(100, rel=0.01)  # an arrival at the edge
    assert cell.open_loop.sustained_rps == pytest.approx(80, rel=0.01)
    assert cell.open_loop.backlog_growth_per_s == pytest.approx(20, rel=0.05)
    assert "NOT_STEADY" not in codes(cell)  # it never will be


def test_below_capacity_it_is_not() -> None:
    cell = compute_summary(open_record(100), tables(arrivals(100, served_a_second=125)))
    assert cell.verdicts == ()
    assert cell.open_loop is not None
    assert not cell.open_loop.overloaded
    assert cell.median_ms == pytest.approx(108)


def test_an_open_loop_counts_from_when_the_request_was_due() -> None:
    """Coordinated omission: what could not leave waited all the same."""
    found = tables(arrivals(100, served_a_second=1000))
    stalled = found.requests.with_columns(
        intended_s=pl.col("started_s") - pl.when(pl.col("started_s") > 6).then(2.0).otherwise(0.0)
    )
    cell = compute_summary(open_record(100), with_table(found, requests=stalled))
    assert cell.p99_ms == pytest.approx(2101)
    assert cell.open_loop is not None
    assert cell.open_loop.service_p99_ms == pytest.approx(101)


@pytest.mark.parametrize(("uncertainty_s", "known"), [(0.0002, True), (0.004, False)])
def test_what_joins_two_clocks_is_told_only_if_they_are_known(
    uncertainty_s: float, known: bool
) -> None:
    clock = ClockModel(0, 0.0, 5.0, 10.0, 5.0, uncertainty_s, 9)
    cell = compute_summary(replace(record(), clocks=(clock,)), tables(healthy()))
    assert (cell.arrival_delay_median_ms is not None) is known
    assert cell.clock_uncertainty_ms == pytest.approx(1000 * uncertainty_s)
    assert cell.median_ms is not None  # one clock has both its ends


def test_a_lost_load_process_is_told() -> None:
    cell = compute_summary(replace(record(), load_processes_lost=1), tables(healthy()))
    assert codes(cell) == ["LOAD_PROCESS_DIED"]


def warming(until_s: float) -> list[Sent]:
    """The runner opened the window at 2 s, but so long responses were ten times as long."""
    count = round(100 * (until_s - 1.0))
    slow: list[Sent] = [(1.0 + 0.01 * n, 1.5 + 0.01 * n, None) for n in range(count)]
    quick: list[Sent] = [
        (until_s + 0.5 + 0.01 * n, until_s + 0.55 + 0.01 * n, None) for n in range(1200)
    ]
    return [sent for sent in slow + quick if (sent[1] or 0) < 12.9]


def test_the_window_opens_when_the_warm_up_ends() -> None:
    cell = compute_summary(record(), tables(warming(until_s=2.5), users=100))
    assert cell.duration_s is not None
    # the first quick answer comes at 3.05 s; MSER-5 sees means of five, 0.05 s each
    assert cell.duration_s == pytest.approx(12 - 3.05, abs=0.11)
    assert cell.warm_up_cut_s == pytest.approx(10 - cell.duration_s)
    assert cell.median_ms == pytest.approx(50)
    assert any("MSER-5" in note for note in write_notes(cell))


def test_what_settles_late_is_said() -> None:
    cell = compute_summary(record(), tables(warming(until_s=5.0), users=100))
    assert cell.warm_up_cut_s == 0
    (verdict,) = [each for each in cell.verdicts if each.code == "NOT_STEADY"]
    assert verdict.data["cause"] == "late"
    assert "longer" in verdict.message


def test_failures_at_the_beginning_are_never_cut_away() -> None:
    found = tables(warming(until_s=2.5), users=100)
    is_early = pl.col("ended_s").is_between(2.2, 2.3)
    failing = found.requests.with_columns(
        error=pl.when(is_early).then(pl.lit("HTTP 500")).otherwise(pl.col("error"))
    )
    cell = compute_summary(record(), with_table(found, requests=failing))
    assert cell.warm_up_cut_s == 0


def judge_server(
    server_cpu: float, scenario: str = "async-http-shared", cores: int | None = None
) -> CellSummary:
    """A healthy cell whose server used so many cores, on a machine that has so many."""
    found = with_table(tables(healthy()), machine=machine(server_cpu=server_cpu, load_cpu=0.1))
    return compute_summary(replace(record(scenario), cores=cores), found)


def test_a_full_interpreter_is_the_limit() -> None:
    verdict = only_verdict(judge_server(0.97))
    assert (verdict.code, verdict.severity) == ("INTERPRETER_FULL", "warning")
    assert verdict.message.startswith("the worker used 0.97 cores")
    assert verdict.data == {
        "cores": pytest.approx(0.97),
        "workers": 1,
        "is_predicted": False,
        "keeps_up": False,
    }


def test_a_server_with_time_to_spare_is_not_full() -> None:
    assert judge_server(0.89).verdicts == ()


def test_a_worker_that_started_near_the_end_is_not_a_full_interpreter() -> None:
    """It computes only while it starts; the one before it had little to do."""
    idle = machine(server_cpu=0.05, load_cpu=0.1)
    born = machine(server_cpu=0.97, load_cpu=0.1).filter(pl.col("role") == "server")
    late = born.filter(pl.col("at_s") > 10).with_columns(pid=pl.lit(9, pl.UInt32))
    early = idle.filter((pl.col("role") != "server") | (pl.col("at_s") < 10))
    found = with_table(tables(healthy()), machine=pl.concat([early, late]))
    codes = [each.code for each in compute_summary(record("async-http-shared"), found).verdicts]
    assert "INTERPRETER_FULL" not in codes


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        ([(0, 18, 0.97), (20, 38, 0.99), (40, 60, 0.98)], [0.98, 0.02]),
        ([(0, 18, 0.97), (20, 38, 0.99), (40, 60, 0.98), (0, 60, 0.1)], [0.98, 0.1, 0.02]),
        ([(each, each + 4, 0.99) for each in range(0, 60, 6)], [0.02]),  # they only start
    ],
)
def test_workers_that_replace_each_other_are_one(
    lives: list[tuple[int, int, float]], expected: list[float]
) -> None:
    """The last process only watches them, such as gunicorn's."""
    rows = [
        {"role": "server", "pid": pid, "at_s": float(at_s), "cpu_s": cores * at_s}
        for pid, (began_s, ended_s, cores) in enumerate([*lives, (0, 60, 0.02)])
        for at_s in range(began_s, ended_s + 1)
    ]
    assert compute_cores_by_process(pl.DataFrame(rows), "server") == pytest.approx(expected)


@pytest.mark.parametrize("profile", [None, CpuProfile(fault="py-spy is not installed")])
def test_a_full_interpreter_that_was_predicted_is_no_surprise(profile: CpuProfile | None) -> None:
    """It is one where a request also took more CPU than alone."""
    theory = Prediction(100.0, 20.0, 20.0, 30.0, 100.0, "interpreter")
    found = with_table(tables(healthy()), machine=machine(server_cpu=0.97, load_cpu=0.1))
    cell = compute_summary(replace(record(), cpu_profile=profile), found, theory)
    (verdict,) = cell.verdicts
    assert (verdict.code, verdict.severity) == ("INTERPRETER_FULL", "info")
    said = [each for each in write_notes(cell) if "explained" in each]
    why = [f"CPU per request is not explained: {profile.fault}"] if profile else []
    assert said == why


def test_a_compiled_server_has_no_interpreter() -> None:
    assert "INTERPRETER_FULL" not in codes(judge_server(1.0, "axum-http-shared"))


def test_each_worker_has_its_own_interpreter() -> None:
    """One that is full among two leaves the other to work."""
    scenario = record().scenario
    two = replace(scenario, server=replace(scenario.server, workers=2))
    found = with_table(tables(healthy()), machine=machine(server_cpu=0.97, load_cpu=0.1))
    assert compute_summary(replace(record(), scenario=two), found).verdicts == ()


@pytest.mark.parametrize(
    ("server_cpu", "cores", "expected"),
    [
        (1.0, 4, ["INTERPRETER_FULL"]),
        (1.1, 1, ["CORES_FULL"]),  # C code without the GIL would have used more, had there been any
        (1.3, 4, []),  # it did use more: how much of it is Python is unknown
    ],
)
def test_threads_fill_one_interpreter_only_where_cores_are_left(
    server_cpu: float, cores: int, expected: list[str]
) -> None:
    assert codes(judge_server(server_cpu, "sync-http-shared", cores=cores)) == expected


class SampledTables(InMemoryTables):
    """Of a cell that was sampled: under load one function has nearly all."""

    def load_stacks(self, level: Level) -> Stacks:
        own, hog = ("answer (app/endpoints.py)",), ("hog (app/clients.py)",)
        return {own: 90, hog: 7} if level == "alone" else {own: 40, hog: 430}


def sample(load_requests: int) -> CellSummary:
    """97 % of a core for 20 requests a second are 48.5 ms each; alone it is 1 ms. While it is
    sampled so many are answered in 5 s."""
    plain = tables([(1 + 0.1 * turn, 1.1 + 0.1 * turn, None) for turn in range(115) for _ in "ab"])
    found = with_table(plain, machine=machine(server_cpu=0.97, load_cpu=0.1))
    alone, load = SampledPhase(5.0, 1000, 1.0, 97), SampledPhase(5.0, load_requests, 4.85, 97)
    sampled = SampledTables(**{each.name: getattr(found, each.name) for each in fields(found)})
    return compute_summary(replace(record(), cpu_profile=CpuProfile(None, alone, load)), sampled)


def test_a_full_interpreter_that_was_sampled_says_with_what() -> None:
    cell = sample(load_requests=100)
    verdict = only_verdict(cell)
    assert verdict.code == "INTERPRETER_FULL"
    assert verdict.message.endswith(
        "limits the throughput; 91 % of the CPU is hog (app/clients.py)"
    )
    (note,) = [each for each in write_notes(cell) if each.startswith("CPU per request")]
    assert note.startswith("CPU per request grew from 1.00 ms alone to 48 ms under load; 93 % (")
    assert note.endswith("of the growth is hog (app/clients.py) and what it calls")


def test_a_server_that_went_on_otherwise_explains_nothing() -> None:
    """Three times as many answers: what was sampled was another state."""
    cell = sample(load_requests=300)
    assert only_verdict(cell).data.get("whose") is None
    assert cell.cpu_growth is not None
    assert cell.cpu_growth.cause is None
    assert any(
        each.endswith("CPU per request during sampling differed from the window")
        for each in write_notes(cell)
    )
