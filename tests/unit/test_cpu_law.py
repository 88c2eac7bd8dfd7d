"""CPU per request as a function of the requests in flight: fitted, and used in predictions."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.cpu_law import LEAST_SHARE, MACHINE_SHARE, CpuLaw, fit_cpu_law
from analysis.theory.formulas import compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.prediction import compute_prediction
from records.prediction import CpuSample
from scenarios.model import Load, Style

LEVELS = (1, 11, 33, 100)
laws = st.builds(
    CpuLaw,
    alone_s=st.floats(0.0002, 0.02),
    company_s=st.floats(0.0, 0.02),
    each_s=st.floats(0.0, 0.0001),
)


def sample(law: CpuLaw, levels: tuple[int, ...] = LEVELS, times: int = 4) -> list[CpuSample]:
    """The calibration of a server that follows the law exactly."""
    return [CpuSample(n, 100, 100.0, law.compute_cpu_s(n)) for n in levels for _ in range(times)]


@given(laws, st.integers(1, 5000))
def test_a_law_is_found_again(law: CpuLaw, in_flight: int) -> None:
    found = fit_cpu_law(sample(law), math.inf)
    # to the precision of least squares: 1e-6 of the measurement, fifty times beyond its range
    assert found.compute_cpu_s(in_flight) == pytest.approx(
        law.compute_cpu_s(in_flight), rel=1e-4, abs=1e-7
    )
    assert found.is_extrapolated(101)
    assert not found.is_extrapolated(100)


@given(laws, st.integers(2, 60), st.integers(1, 5000))
def test_who_waits_for_a_thread_costs_no_more_than_that(
    law: CpuLaw, threads: int, in_flight: int
) -> None:
    """For any number of waiting requests: each waits for one thread."""
    waiting_s = law.alone_s / 4
    found = fit_cpu_law(sample(replace(law, most=threads, waiting_s=waiting_s)), threads)
    inside_s, all_s = (found.compute_cpu_s(each) for each in (threads, threads + in_flight))
    assert inside_s <= all_s < inside_s + found.waiting_s
    assert found.waiting_s <= 1.01 * waiting_s + law.each_s * threads
    assert not found.is_extrapolated(threads + in_flight)


def test_a_thread_that_is_not_free_costs_cpu() -> None:
    """sync-json, 40 threads: 0.62 ms alone, 0.71 with 33, 0.78 with 100, 0.87 with 300."""
    samples = [
        CpuSample(n, 100, 0.1, ms / 1000) for n, ms in ((1, 0.625), (33, 0.712), (100, 0.78))
    ]
    found = fit_cpu_law(samples * 4, 40)
    assert 1000 * found.compute_cpu_s(500) == pytest.approx(0.82, abs=0.01)
    assert 1000 * found.deviate(1.0).compute_cpu_s(300) > 0.83


@given(laws, st.floats(1.0, 1000.0), st.floats(0.0, 3.0))
def test_the_interval_is_around_the_middle(law: CpuLaw, in_flight: float, wide: float) -> None:
    law = replace(law, largest=5000)
    low, middle, high = (law.deviate(each).compute_cpu_s(in_flight) for each in (-wide, 0.0, wide))
    assert LEAST_SHARE * law.alone_s <= low <= middle <= high
    # the calibration left no uncertainty: the rest is the machine's
    assert high - middle == pytest.approx(wide * MACHINE_SHARE * middle, abs=1e-12)


def test_scatter_makes_it_wider() -> None:
    law = CpuLaw(0.001, 0.0005, 0.00001)
    steady = sample(law)
    shaky = [
        replace(each, cpu_s=each.cpu_s * (0.9, 1.1)[place % 2]) for place, each in enumerate(steady)
    ]
    few, many = (fit_cpu_law(each, math.inf).compute_half_width_s(100) for each in (steady, shaky))
    assert many > 2 * few  # `few` is what two servers differ by


def test_each_level_is_measured_at_another_server() -> None:
    """3 % more at one of two levels is 3 % of growth from 6 to 20 in flight, and a fifth of the
    CPU with 100: the interval includes it even if no sample scatters."""
    same = CpuLaw(0.004)
    found = fit_cpu_law(sample(same, (1, 6, 20)), math.inf)
    apart = [
        replace(each, cpu_s=each.cpu_s * (1 + MACHINE_SHARE * (each.in_flight == 20)))
        for each in sample(same, (1, 6, 20))
    ]
    law = fit_cpu_law(apart, math.inf)
    assert law.compute_cpu_s(100) > 1.15 * same.alone_s
    assert law.deviate(-1.0).compute_cpu_s(100) < same.alone_s
    assert found.deviate(1.0).compute_cpu_s(100) > law.compute_cpu_s(100)


def test_two_levels_leave_open_how_it_goes_on() -> None:
    law = CpuLaw(0.001, 0.0, 0.0001)
    found = fit_cpu_law(sample(law, (1, 10)), math.inf)
    assert found.compute_cpu_s(10) == pytest.approx(law.compute_cpu_s(10))
    assert found.deviate(1.0).compute_cpu_s(50) >= law.compute_cpu_s(50)


def test_company_that_makes_it_cheaper_may_do_so_no_further() -> None:
    """2.9 ms alone and 2.6 with two may be 2.3 with ten, or more by the growth that two levels
    cannot rule out; there is no reason to expect a fifth."""
    found = fit_cpu_law(sample(CpuLaw(0.0029, -0.0006), (1, 2)), math.inf)
    low, middle, high = (found.deviate(each).compute_cpu_s(10) for each in (-1.0, 0.0, 1.0))
    assert middle == pytest.approx(0.0029 - 0.9 * 0.0006)
    assert low > 0.002  # half as much less again, at most
    assert high > 0.0029 + 9 * 0.0002


def test_threads_that_let_go_of_the_gil_use_several_cores() -> None:
    """30 ms of CPU each, on 1.9 cores: 63 a second, and not 33."""
    alone, several = ([CpuSample(n, 50, 50 * 0.03 / c, 0.03)] * 4 for n, c in ((1, 1.0), (8, 1.9)))
    law = fit_cpu_law([*alone, *several], 40)
    assert law.parallel == pytest.approx(1.9)
    model = ServerModel("def", delay_s=0.1, loop_cpu_s=0.03, cpu_law=law, cores=2)
    found = compute_prediction(model, Load(users=100, duration_s=30.0))
    assert found.ok_rps == pytest.approx(1.9 / 0.03, rel=0.01)
    assert found.cpu_loaded_ms == pytest.approx(30)
    # two workers have a core each
    crowded = compute_prediction(replace(model, workers=2), Load(users=100, duration_s=30.0))
    assert crowded.ok_rps == pytest.approx(2 / 0.03, rel=0.01)
    assert fit_cpu_law(alone, 40).parallel == 1.0


def test_one_level_is_a_constant() -> None:
    found = fit_cpu_law(sample(CpuLaw(0.003), (1,)), math.inf)
    assert found.compute_cpu_s(500) == pytest.approx(0.003)
    with pytest.raises(ValueError, match="samples"):
        fit_cpu_law([], math.inf)


def test_a_request_alone_leaves_open_what_company_costs() -> None:
    found = fit_cpu_law(sample(CpuLaw(0.003), (1,)), math.inf)
    low, high = found.deviate(-1.0), found.deviate(1.0)
    assert low.compute_cpu_s(100) < 0.6 * 0.003 < 1.4 * 0.003 < high.compute_cpu_s(100)
    assert high.compute_cpu_s(1) == pytest.approx((1 + MACHINE_SHARE) * 0.003, rel=0.03)


def test_a_pool_that_is_walked_through_collapses() -> None:
    """1 ms, and 10 us for each other request in flight: full with 400 users, each of whom makes it
    5 ms; a user more then brings less."""
    law = CpuLaw(0.001, 0.0, 0.00001)
    model = ServerModel(
        "async def", delay_s=1.0, loop_cpu_s=0.001, cpu_law=law, cpu_jitter="exponential"
    )
    points = compute_curve(model, [50, 200, 300, 1000, 2000]).points
    rates = [each.ok_rps for each in points]
    # at the end nothing counts but the CPU: 1 / cpu(n)
    assert rates[3:] == [pytest.approx(1 / law.compute_cpu_s(n), rel=0.001) for n in (1000, 2000)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4]
    assert points[0].limited_by == "users"
    assert points[-1].limited_by == "interpreter"


@given(st.floats(0.0001, 0.01), st.floats(-0.75, 3.0), st.integers(1, 500))
def test_no_prediction_exceeds_its_ceiling(alone_s: float, growth: float, users: int) -> None:
    """users-async-psycopg: 0.45 ms alone and 0.29 with ten in flight, where queries share work."""
    law = CpuLaw(alone_s, company_s=growth * alone_s)
    model = ServerModel("async def", delay_s=0.001, loop_cpu_s=alone_s, cpu_law=law)
    found = compute_curve(model, [users])
    assert found.highest_rps is not None
    assert found.points[0].ok_rps <= found.highest_rps * (1 + 1e-9)  # rounding


@pytest.mark.parametrize("style", ["def", "async def"])
def test_formula_and_simulation_follow_one_law(style: Style) -> None:
    law = CpuLaw(0.004, 0.004, 0.0001)
    model = ServerModel(
        style, pool=30, delay_s=0.2, loop_cpu_s=0.004, cpu_law=law, cpu_jitter="exponential"
    )
    load = Load(users=100, spawn_rate=1000.0, duration_s=30.0)
    found = compute_prediction(model, load)
    assert found.mean_ms is not None
    assert found.ok_rps is not None
    # the simulation's median of a full queue is the formula's mean within a few percent of chance
    assert found.median_ms == pytest.approx(found.mean_ms, rel=0.05)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.ok_rps < found.high


def test_a_given_cpu_has_no_range() -> None:
    found = compute_prediction(ServerModel("async def", loop_cpu_s=0.001), Load(users=10))
    assert (found.low, found.high, found.extrapolated) == (None, None, False)


def test_thinking_users_are_not_in_flight() -> None:
    """100 users who think for 9 of 10 seconds have about ten requests in flight."""
    law = CpuLaw(0.001, 0.0, 0.0001)
    model = ServerModel("async def", delay_s=1.0, loop_cpu_s=0.001, cpu_law=law)
    settled = model.scale_cpu_to_users(100, think_s=9.0)
    assert settled.loop_cpu_s == pytest.approx(law.compute_cpu_s(10.0), rel=0.01)
    assert model.scale_cpu_to_users(100).loop_cpu_s == pytest.approx(law.compute_cpu_s(100))


def test_arrivals_settle_at_what_they_have_in_flight() -> None:
    law = CpuLaw(0.001, 0.0, 0.00001)
    model = ServerModel("async def", delay_s=1.0, loop_cpu_s=0.001, cpu_law=law)
    assert model.scale_cpu_to_rate(100).loop_cpu_s == pytest.approx(
        law.compute_cpu_s(100), rel=0.01
    )
    # n such that n · cpu(n) = 1 s, about: beyond it more than one second of work each second
    full = model.scale_cpu_to_rate().loop_cpu_s
    assert full == pytest.approx(law.compute_cpu_s(1 / full), rel=0.01)


@pytest.mark.parametrize(("growth_s", "extrapolated"), [(0.0, False), (0.00002, True)])
def test_a_range_that_reaches_into_saturation_is_extrapolated(
    growth_s: float, extrapolated: bool
) -> None:
    """0.5 ms for each of 500 requests a second leaves half a core; 10 ms, which the interval of
    its growth does not rule out, saturate it twenty times over."""
    variance = growth_s**2
    spread = ((0.0,) * 4, (0.0,) * 4, (0.0, 0.0, variance, 0.0), (0.0,) * 4)
    law = CpuLaw(0.0005, largest=100, spread=spread)
    model = ServerModel("async def", delay_s=1.0, loop_cpu_s=0.0005, cpu_law=law)
    found = compute_prediction(model, Load(users=500, duration_s=30.0))
    assert found.limited_by == "users"
    assert found.extrapolated is extrapolated
    assert found.low is not None
    assert found.ok_rps is not None
    assert (found.low < 0.92 * found.ok_rps) is extrapolated
