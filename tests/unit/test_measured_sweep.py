"""One setting at several values: invalid sweeps, the value where it stops paying, the output."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.search_tables import (
    build_sweep_table,
    describe_cpu_growth,
    describe_limit,
    write_sweep_remarks,
)
from analysis.report.summary_charts import render_sweep_chart
from analysis.report.table import render_terminal
from analysis.summary import sweep
from analysis.summary.cell import compute_summary
from analysis.summary.run import read_run_settings
from analysis.summary.sweep import (
    COLLAPSED_CPU,
    WORTH,
    Collapse,
    SweepSettings,
    summarize_sweeps,
)
from analysis.verdicts.base import VerdictRecord
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.settings import Overrides
from scenarios.sweep import (
    SweepAxis,
    SweepStep,
    build_sweep_steps,
    format_setting_value,
    parse_values,
    select_sweep_axis,
)
from tests.unit.samples import healthy, record, tables

CELL = replace(compute_summary(record(), tables(healthy())), verdicts=())
values = st.lists(st.integers(1, 1000), min_size=2, max_size=8, unique=True).map(sorted)
rates = st.floats(0.1, 10_000.0)


def found(setting: str, *points: tuple[float, float]) -> sweep.Sweep:
    """A sweep of one trial, from values and rates; the requests' CPU fills one core."""
    steps = tuple(SweepStep(f"x.{setting}-{value:g}", "x", value) for value, _ in points)
    cells = [
        replace(CELL, scenario=step.scenario, ok_rps=rate, cpu_ms_per_request=1000 / (rate or 1))
        for step, (_, rate) in zip(steps, points, strict=True)
    ]
    (one,) = summarize_sweeps(cells, SweepSettings(setting, steps))
    return one


@given(values=values, data=st.data())
def test_no_cheaper_value_has_nearly_all_of_the_throughput(
    values: list[int], data: st.DataObject
) -> None:
    points = [(float(value), data.draw(rates)) for value in values]
    most = max(rate for _, rate in points)
    one = found("pool", *points)
    good = {value for value, rate in points if rate >= (1 - WORTH) * most}
    assert one.enough == min(good)
    shorter = {value for value, _ in points if value <= max(good)}
    assert found("delay", *points).enough == (max(good) if shorter <= good else None)


def test_a_line_marks_only_the_value_beyond_which_more_was_measured() -> None:
    """The last value that was tried shows nothing of what lies beyond it."""
    assert found("pool", (10, 10.0), (40, 40.0), (100, 40.0)).stops_paying
    assert not found("pool", (10, 10.0), (40, 40.0)).stops_paying
    assert found("delay", (0.1, 40.0), (0.2, 40.0), (1.0, 4.0)).stops_paying
    assert not found("delay", (0.1, 40.0), (1.0, 4.0)).stops_paying
    assert not found("pool", (10, 0.0)).stops_paying


def test_where_a_pool_stops_paying_is_said() -> None:
    one = found("pool", (10, 10.0), (40, 40.0), (100, 99.0), (500, 100.0))
    assert describe_limit(one) == (
        "more than pool 100 stops paying: throughput grows by less than 5 % (to at most 100.0 rps)"
    )
    assert describe_limit(found("pool", (10, 10.0), (40, 40.0))) == (
        "pool 40 still helped; no larger value was tried"
    )


def test_where_more_does_harm_is_said() -> None:
    one = found("pool", (10, 10.0), (250, 100.0), (500, 71.7))
    assert describe_limit(one).endswith("(to at most 100.0 rps); 500 serves 28.3 % less than that")


def test_where_more_users_are_served_less_the_collapse_is_named() -> None:
    one = found("users", (10, 100.0), (100, 800.0), (250, 500.0), (500, 200.0))
    assert one.collapse == Collapse(peak=100.0, start=250.0, lost=0.75)
    collapse = "\n".join(write_sweep_remarks(one))
    assert "is highest at 100 users (800.0 rps) and falls from 250 users on" in collapse
    assert "500 users get 75.0 % less" in collapse
    assert found("pool", (10, 100.0), (100, 50.0)).collapse is None


def test_a_dip_that_is_made_good_again_is_no_collapse() -> None:
    assert found("users", (10, 100.0), (100, 50.0), (500, 99.0)).collapse is None
    late = found("users", (10, 100.0), (50, 50.0), (100, 99.0), (500, 60.0)).collapse
    assert late == Collapse(10.0, 500.0, 0.4)


def test_a_fall_that_costs_nothing_or_is_the_load_programs_is_no_collapse() -> None:
    one = found("users", (10, 100.0), (500, 50.0))
    few, many = one.points
    assert sweep.find_collapse([few, many]) == Collapse(10.0, 500.0, 0.5)
    same_cost = replace(many, figures={**many.figures, "cpu_ms_per_request": 14.9})
    for harmless in (
        same_cost,
        replace(many, figures={**many.figures, "cpu_ms_per_request": None}),
        replace(many, doubts={"GENERATOR_SATURATED": 1}),
    ):
        assert sweep.find_collapse([few, harmless]) is None
    assert "500 serves 50.0 % less" in describe_limit(replace(one, collapse=None))


@given(values=values, data=st.data())
def test_a_collapse_is_a_fall_that_lasts(values: list[int], data: st.DataObject) -> None:
    points = [(float(value), data.draw(rates)) for value in values]
    collapse, most = found("users", *points).collapse, max(rate for _, rate in points)
    after = dict(points)
    if collapse is None:
        assert points[-1][1] * COLLAPSED_CPU >= most * (1 - 1e-9)
    else:
        assert after[collapse.peak] == most
        assert collapse.peak < collapse.start
        assert all(rate * COLLAPSED_CPU < most for value, rate in points if value >= collapse.start)
        assert collapse.lost == pytest.approx(1 - points[-1][1] / most)


def test_trials_that_overlap_are_no_collapse() -> None:
    steps = tuple(SweepStep(f"x.users-{value}", "x", float(value)) for value in (10, 100))
    trials = {10: (80.0, 100.0, 110.0), 100: (70.0, 75.0, 81.0)}
    cells = [
        replace(CELL, scenario=step.scenario, trial=n, ok_rps=rate, cpu_ms_per_request=step.value)
        for step in steps
        for n, rate in enumerate(trials[round(step.value)], start=1)
    ]
    (one,) = summarize_sweeps(cells, SweepSettings("users", steps))
    assert (one.points[1].ok_rps, one.points[1].ok_rps_range) == (75.0, (70.0, 81.0))
    assert one.collapse is None
    apart = [replace(each, ok_rps=min(each.ok_rps or 0.0, 79.0)) for each in cells[3:]]
    (one,) = summarize_sweeps([*cells[:3], *apart], SweepSettings("users", steps))
    assert one.collapse == Collapse(10.0, 100.0, 0.25)


def open_loop(*points: tuple[float, float, float]) -> sweep.Sweep:
    """100 requests per second, from delays in seconds, rates, and CPU per request."""
    steps = tuple(SweepStep(f"x.delay-{delay_s}", "x", delay_s) for delay_s, _, _ in points)
    cells = [
        replace(CELL, scenario=step.scenario, ok_rps=rate, cpu_ms_per_request=cpu_ms)
        for step, (_, rate, cpu_ms) in zip(steps, points, strict=True)
    ]
    (one,) = summarize_sweeps(cells, SweepSettings("delay", steps, arrival_rate=100.0))
    return one


def test_cpu_per_request_against_what_is_in_flight_is_said() -> None:
    grown = open_loop((0.01, 100.0, 0.5), (1.0, 100.0, 0.6), (5.0, 60.0, 3.0))
    assert list(write_sweep_remarks(grown)) == [
        "x: 100.0 rps were offered; from a delay of 5000ms on (500 in flight), less than 95 % are "
        "served",
        "CPU per request grows from 0.5 ms with 1 in flight to 3.0 ms with 500",
    ]
    (few,) = (
        replace(each, points=(replace(each.points[0], offered_rps=94.0),))
        for each in [open_loop((0.01, 93.0, 0.5))]
    )
    assert list(write_sweep_remarks(few)) == [
        "x: 100.0 rps on average were offered, and served at every delay"
    ]
    dented = open_loop((0.01, 100.0, 0.5), (0.5, 90.0, 0.5), (1.0, 100.0, 0.5))
    assert list(write_sweep_remarks(dented)) == [
        "x: 100.0 rps were offered; less than 95 % are served at a delay of 500ms, but not at "
        "longer ones"
    ]
    level = open_loop((0.01, 100.0, 0.5), (5.0, 99.0, 0.55))
    assert list(write_sweep_remarks(level)) == [
        "x: 100.0 rps were offered, and served at every delay"
    ]
    falling = open_loop((0.01, 100.0, 5.0), (5.0, 99.0, 0.5))
    assert not describe_cpu_growth(falling)


def test_several_scenarios_share_one_picture_of_their_cpu() -> None:
    one = open_loop((0.01, 100.0, 0.5), (5.0, 99.0, 0.55))
    picture = render_sweep_chart([one, replace(one, scenario="y")])
    assert picture is not None
    for text in ("requests in flight", "CPU per request, ms", ">x<", ">y<", ">500<"):
        assert text in picture.svg


def test_what_a_delay_costs_is_said() -> None:
    assert "up to 100ms costs less than 5 %" in describe_limit(
        found("delay", (0.01, 100.0), (0.1, 99.0), (1.0, 10.0))
    )
    assert describe_limit(found("delay", (0.01, 100.0), (0.1, 10.0))) == (
        "the delay is the limit from 10ms on"
    )


def test_where_shorter_delays_serve_less_the_delay_is_not_blamed() -> None:
    one = found("delay", (0.01, 350.0), (0.1, 350.0), (1.0, 490.0))
    assert describe_limit(one) == "shorter delays serve less, so the delay is not the limit"


def test_what_grows_with_the_users_is_said() -> None:
    steps = (SweepStep("x.users-1", "x", 1.0),)
    cells = [replace(CELL, scenario="x.users-1")]
    (one,) = summarize_sweeps(cells, SweepSettings("users", steps, "the pool"))
    assert "the pool grew with the users, as the scenario defines" in write_sweep_remarks(one)


def test_a_sweep_that_was_cut_short_in_its_first_step_has_nothing_to_say() -> None:
    step = SweepStep("x.pool-1", "x", 1.0)
    cut = replace(CELL, scenario=step.scenario, interrupted="Ctrl-C")
    assert summarize_sweeps([cut], SweepSettings("pool", (step,))) == ()


def test_nothing_answered_is_no_verdict_on_the_setting() -> None:
    assert (
        describe_limit(found("users", (1, 0.0), (2, 0.0))) == "no request was answered at any value"
    )


def test_a_step_that_nobody_should_believe_is_named() -> None:
    steps = (SweepStep("x.users-1", "x", 1.0), SweepStep("x.users-2", "x", 2.0))
    doubted = VerdictRecord("GENERATOR_SATURATED", "error")
    cells = [
        replace(CELL, scenario="x.users-1"),
        replace(CELL, scenario="x.users-2", verdicts=(doubted,)),
    ]
    (one,) = summarize_sweeps(cells, SweepSettings("users", steps))
    shown = render_terminal(build_sweep_table(one, "x"))
    assert shown[-1] == "GENERATOR_SATURATED makes these figures doubtful: users 2"


def test_the_table_fits_80_columns() -> None:
    one = found("pool", (10_000, 99_999.9))
    wide = {"median_ms": 999_999.0, "p99_ms": 999_999.0}
    huge = replace(one.points[0], figures=dict.fromkeys(one.points[0].figures, 99_999.9) | wide)
    assert (
        max(map(len, render_terminal(build_sweep_table(replace(one, points=(huge,)), "x")))) <= 80
    )


def test_the_middle_of_the_trials_counts() -> None:
    step = SweepStep("x.pool-1", "x", 1.0)
    cells = [
        replace(CELL, scenario=step.scenario, trial=n, ok_rps=rate)
        for n, rate in enumerate((1.0, 100.0, 3.0), start=1)
    ]
    (one,) = summarize_sweeps(cells, SweepSettings("pool", (step,)))
    assert (one.points[0].ok_rps, one.points[0].trials) == (3.0, 3)


def test_a_manifest_gives_back_what_was_asked() -> None:
    asked = SweepSettings("delay", (SweepStep("a", "b", 0.1),))
    manifest = {"sweep": json.loads(json.dumps(asdict(asked)))}
    assert read_run_settings(manifest).sweep == asked
    assert read_run_settings({}).sweep is None
    assert summarize_sweeps([CELL], None) == ()


def test_values_are_put_in_order_and_taken_once() -> None:
    assert parse_values("pool", "40,10, 40") == (10.0, 40.0)
    assert parse_values("delay", "1s,10ms") == (0.01, 1.0)


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("pool", "10,x", "'x' is not a whole number"),
        ("users", "", "'' is not a whole number"),
        ("users", "1.5", "'1.5' is not a whole number"),
        ("delay", "10", "give a plain number with its unit"),
        ("pool", ",".join(map(str, range(1, 22))), "give at most 20 values"),
    ],
)
def test_values_that_are_none_are_refused(setting: str, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_values(setting, text)
    assert said in str(caught.value)
    assert f"--{setting}" in str(caught.value)


def test_one_thing_is_varied() -> None:
    swept, fixed = select_sweep_axis({"pool": (1.0, 2.0), "users": (9.0,)}, Overrides())
    assert (swept, fixed) == (SweepAxis("pool", (1.0, 2.0)), Overrides(users=9))
    for wrong in ({"pool": (1.0, 2.0), "users": (1.0, 2.0)}, {"pool": (1.0,)}):
        with pytest.raises(UserError) as caught:
            select_sweep_axis(wrong, Overrides())
        assert "varies one setting" in str(caught.value)


def test_each_step_is_a_scenario_with_a_name_and_the_value() -> None:
    scenarios, steps = build_sweep_steps(
        select_scenarios(("control",)), SweepAxis("pool", (10.0, 40.0)), Overrides()
    )
    assert len({each.name for each in scenarios}) == len(scenarios) == len(steps) == 6
    assert [each.server.pool for each in scenarios] == [step.value for step in steps]
    assert steps[0] == SweepStep("sync-sleep.pool-10", "sync-sleep", 10.0)


def test_a_value_that_fits_no_scenario_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        build_sweep_steps(
            select_scenarios(("nothing",)), SweepAxis("delay", (0.1, 0.2)), Overrides()
        )
    assert "--delay" in str(caught.value)
    with pytest.raises(UserError):
        build_sweep_steps(
            select_scenarios(("control",)), SweepAxis("pool", (10.0, 1e6)), Overrides()
        )


@given(value=st.sampled_from((0.0, 0.001, 0.01, 0.25, 1.0, 60.0)))
def test_a_delay_is_written_as_it_can_be_typed(value: float) -> None:
    assert parse_values("delay", format_setting_value("delay", value)) == (value,)
