"""The wait of requests that a loop serves in rounds, from the calibration's own rates."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.cpu_law import CpuLaw
from analysis.theory.formulas import compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.prediction_range import compute_range
from analysis.theory.rounds import add_rounds
from records.prediction import CpuSample
from scenarios.model import Load
from scenarios.units import Second

FEW, MANY, USERS = 6, 20, 100
LOAD = Load(users=USERS, duration_s=10.0)
cpus = st.floats(0.0001, 0.001)


def build_model(cpu_s: Second) -> ServerModel:
    return ServerModel("async def", delay_s=0.1, loop_cpu_s=cpu_s, cpu_jitter="exponential")


def sample(model: ServerModel, excess_s: Callable[[int], Second]) -> list[CpuSample]:
    """Return the calibration of a server whose requests take that much longer than the formula."""
    found = [CpuSample(1, 100, 100 * model.loop_cpu_s, model.loop_cpu_s)]
    for in_flight in (FEW, MANY):
        delay_s = model.delay_s * in_flight / USERS
        level = replace(model, delay_s=delay_s)
        took_s = compute_curve(level, [in_flight]).points[0].mean_s + excess_s(in_flight)
        found.append(CpuSample(in_flight, in_flight, took_s, model.loop_cpu_s, delay_s))
    return found


@given(cpus, st.floats(0.0, 0.002))
def test_what_is_the_same_at_each_level_is_no_round(cpu_s: Second, network_s: Second) -> None:
    model = build_model(cpu_s)
    found = add_rounds(model, sample(model, lambda _: network_s), LOAD)
    assert found.rounds_s == pytest.approx(0, abs=1e-9)  # rounding of differences
    assert found.delay_s == pytest.approx(model.delay_s)


@given(cpus, st.floats(0.1, 3.0))
def test_what_grows_with_the_requests_in_flight_is(cpu_s: Second, share: float) -> None:
    """At most the CPU of all requests: no request waits for more."""
    model = build_model(cpu_s)
    found = add_rounds(model, sample(model, lambda in_flight: share * cpu_s * in_flight), LOAD)
    assert found.rounds_s == pytest.approx(min(1.0, share) * cpu_s * USERS, rel=1e-6)
    assert found.delay_s == pytest.approx(model.delay_s + found.rounds_s / 2)


def test_the_wait_for_rounds_is_not_the_clients() -> None:
    waiting = replace(build_model(0.001), delay_s=1.0 + 4.5, rounds_s=9.0, client_timeout_s=5.0)
    assert not waiting.times_out
    assert waiting.held_s == 5.5
    assert replace(waiting, rounds_s=0.0).times_out


def test_the_range_reaches_from_no_rounds_to_all() -> None:
    """An aiohttp session per request, calibrated with 0.36 ms per request in flight: 852 to 901
    requests/s were measured, and 992 predicted without rounds."""
    model = build_model(0.00045)
    found = add_rounds(model, sample(model, lambda in_flight: 0.00036 * in_flight), LOAD)
    law = CpuLaw(model.loop_cpu_s, largest=MANY)
    low, high = compute_range(replace(found, cpu_law=law), LOAD, 850.0)
    assert low is not None
    assert high is not None
    assert low < 852 < 901 < 990 < high


@pytest.mark.parametrize("lacks", ["a loop", "a second level", "delays"])
def test_without_evidence_there_are_no_rounds(lacks: str) -> None:
    model = build_model(0.0005)
    samples = sample(model, lambda in_flight: 0.0003 * in_flight)
    if lacks == "a loop":
        model = replace(model, style="def")
    elif lacks == "a second level":
        samples = samples[:2]
    else:
        samples = [replace(each, delay_s=None) for each in samples]
    assert add_rounds(model, samples, LOAD) == model


def test_only_requests_in_flight_make_rounds() -> None:
    """A calibration is shared by scenarios with another delay or load."""
    model = build_model(0.0005)
    samples = sample(model, lambda in_flight: 0.0002 * in_flight)
    for load, in_flight in (
        (replace(LOAD, users=10), 10.0),
        (replace(LOAD, think_s=0.3), 25.0),
        (replace(LOAD, arrival_rate=80.0), 8.0),
    ):
        found = add_rounds(model, samples, load)
        assert found.rounds_s == pytest.approx(0.0002 * in_flight)
    two = replace(model, workers=2)
    assert add_rounds(two, samples, LOAD).rounds_s == pytest.approx(0.0002 * USERS / 2)


def test_without_a_delay_nothing_waits_for_rounds() -> None:
    """A cell without a delay shares the calibration of one with a delay."""
    model = build_model(0.0005)
    samples = sample(model, lambda in_flight: 0.00036 * in_flight)
    assert add_rounds(replace(model, delay_s=0.0), samples, LOAD).rounds_s == 0.0
