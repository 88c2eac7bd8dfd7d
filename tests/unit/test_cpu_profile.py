"""The code that CPU per request belongs to: laws of the attribution, on handmade stacks."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.cpu_attribution import (
    APP,
    NATIVE,
    REST,
    Sampling,
    SamplingPair,
    name_library,
)
from analysis.measures.cpu_profile import (
    WATCHDOG,
    CpuGrowth,
    compare_samplings,
    complete_stacks,
    compute_cpu_ms,
)
from analysis.report.cpu_chart import draw_cpu_growth
from analysis.report.cpu_notes import describe_growth
from analysis.stats.proportions import compute_share, subtract
from records.cpu_profile import SampledPhase, Stack, format_stacks, parse_stacks
from stress.cpu_sampler import shorten_stacks
from stress.places import ROOT

LOOP = "Runner.run (lib/python3.11/asyncio/runners.py)"
ENDPOINT = "answer (app/endpoints.py)"
WALK = "Pool.walk (site-packages/httpx/pool.py)"
IS_IDLE = "Connection.is_idle (site-packages/httpx/connection.py)"
PARSE = "parse (site-packages/h11/parser.py)"
DUMPS = "dumps (lib/python3.11/json/__init__.py)"
FRAMES = (LOOP, ENDPOINT, WALK, IS_IDLE, PARSE, DUMPS)

stacks = st.dictionaries(
    st.lists(st.sampled_from(FRAMES), min_size=1, max_size=4).map(tuple),
    st.integers(1, 200),
    min_size=1,
).filter(lambda found: sum(found.values()) >= 50)


def compare(alone: Sampling, load: Sampling) -> CpuGrowth:
    return compare_samplings(SamplingPair(alone, load))


def sampling(cpu_ms: float, **counts: int) -> Sampling:
    """Sample counts by the innermost frame, each called by the endpoint."""
    frames = {"loop": LOOP, "walk": WALK, "idle": IS_IDLE, "parse": PARSE, "own": ENDPOINT}
    callers = {"idle": (LOOP, ENDPOINT, WALK), "own": (LOOP,), "loop": ()}
    return Sampling(
        cpu_ms,
        {(*callers.get(key, (LOOP, ENDPOINT)), frames[key]): n for key, n in counts.items()},
    )


@given(alone=stacks, load=stacks, alone_ms=st.floats(0.1, 5), load_ms=st.floats(0.1, 50))
def test_the_parts_sum_to_the_whole(
    alone: dict[Stack, int], load: dict[Stack, int], alone_ms: float, load_ms: float
) -> None:
    found = compare(Sampling(alone_ms, alone), Sampling(load_ms, load))
    for parts in (found.by_library, found.by_function):
        assert sum(each.alone_ms for each in parts) == pytest.approx(alone_ms)
        assert sum(each.load_ms for each in parts) == pytest.approx(load_ms)
        if load_ms > alone_ms * 1.01:
            growths = [each.growth.estimate for each in parts if each.growth]
            assert sum(growths) == pytest.approx(1.0)


@given(found=stacks, alone_ms=st.floats(0.1, 5), factor=st.floats(0.5, 20))
def test_a_slower_machine_is_nobodys_fault(
    found: dict[Stack, int], alone_ms: float, factor: float
) -> None:
    """The same stacks at any cost of a request: all code grew alike, or none did."""
    growth = compare(Sampling(alone_ms, found), Sampling(alone_ms * factor, found))
    assert growth.cause is None
    assert not any(each.is_raised for each in growth.by_library)


@given(load=stacks, alone=stacks, factor=st.integers(2, 9))
def test_a_cause_has_most_of_the_growth(
    load: dict[Stack, int], alone: dict[Stack, int], factor: int
) -> None:
    growth = compare(Sampling(1.0, alone), Sampling(float(factor), load))
    if growth.cause is None:
        return
    assert growth.cause.share.low > 0.3
    inside = [each for each in load if not growth.cause.function or growth.cause.function in each]
    assert any(name_library(each[-1]) == growth.cause.library for each in inside)


def test_a_pool_that_is_walked_through_is_named_with_its_function() -> None:
    """is_idle has most of the samples and walk calls it: the growth passes through walk."""
    alone = sampling(1.0, own=60, loop=60, parse=60, walk=10, idle=10)
    load = sampling(3.0, own=40, loop=40, parse=40, walk=140, idle=140)
    growth = compare(alone, load)
    assert growth.cause is not None
    assert (growth.cause.library, growth.cause.function) == ("httpx", WALK)
    # 3 ms × 280/400 - 1 ms × 20/200 = 2.0 of 2 ms
    assert growth.cause.share.estimate == pytest.approx(1.0)
    assert describe_growth(growth) == (
        "CPU per request grew from 1.00 ms alone to 3.00 ms under load; 100 % "
        "(interval: 93 to 100 %) of the growth is Pool.walk (httpx/pool.py) and what it calls"
    )


def test_the_app_itself_can_be_it() -> None:
    growth = compare(sampling(1.0, own=50, loop=150), sampling(4.0, own=300, loop=100))
    assert growth.cause is not None
    assert (growth.cause.library, growth.cause.function) == (APP, ENDPOINT)
    assert f"of the growth is {ENDPOINT} and what it calls" in describe_growth(growth)


def test_who_only_calls_it_is_not_it() -> None:
    """The app's endpoint is on all stacks, and a package with little code calls the pool."""
    alone: dict[Stack, int] = {
        (LOOP, ENDPOINT, PARSE): 100,
        (LOOP, ENDPOINT, PARSE, WALK): 20,
        (LOOP,): 80,
    }
    load: dict[Stack, int] = {
        (LOOP, ENDPOINT, PARSE): 90,
        (LOOP, ENDPOINT, PARSE, WALK): 280,
        (LOOP,): 30,
    }
    growth = compare(Sampling(1.0, alone), Sampling(3.0, load))
    assert growth.cause is not None
    assert (growth.cause.library, growth.cause.function) == ("httpx", WALK)


def test_what_no_sample_shows_is_in_the_kernels_count() -> None:
    """97 samples per second, 2 s of CPU: 194 samples of CPU, of which 100 had a stack."""
    phase = SampledPhase(lasting_s=5.0, requests=1000, cpu_s=2.0, samples_per_s=97)
    found = complete_stacks({(ENDPOINT,): 100}, phase, idle_cores=0.0)
    assert found == {(ENDPOINT,): 100, (REST,): 94}
    assert name_library(REST) == REST
    assert complete_stacks({(ENDPOINT,): 200}, phase, 0.0) == {(ENDPOINT,): 200}


def test_samples_of_an_idle_server_are_nobodys_growth() -> None:
    """Its watchdog samples as often with many requests as with few."""
    alone = SampledPhase(lasting_s=5.0, requests=2000, cpu_s=4.3, samples_per_s=97)
    load = SampledPhase(lasting_s=5.0, requests=200, cpu_s=0.82, samples_per_s=97)
    looks = ("_bootstrap (lib/python3.13/threading.py)", f"Watchdog._run {WATCHDOG}")
    samplings = [
        Sampling(
            compute_cpu_ms(phase, 0.06),
            complete_stacks({(ENDPOINT,): own, looks: 29}, phase, 0.06),
        )
        for phase, own in ((alone, 388), (load, 51))
    ]
    assert all(looks not in each.stacks for each in samplings)
    growth = compare(*samplings)
    assert growth.cause is None or growth.cause.library != "asgi_probe"
    busy = complete_stacks({looks: 100}, load, 0.06)
    assert busy[looks] == 71  # what it costs more under load stays its own


def test_the_rest_can_be_the_cause_and_calls_nothing() -> None:
    alone: dict[Stack, int] = {(ENDPOINT,): 150, (REST,): 50}
    growth = compare(Sampling(1.0, alone), Sampling(4.0, {(ENDPOINT,): 100, (REST,): 300}))
    assert growth.cause is not None
    assert (growth.cause.library, growth.cause.function) == (REST, None)
    assert describe_growth(growth).endswith(
        "of the growth is system calls and C code without the GIL"
    )


def test_two_that_grew_nearly_alike_are_both_left_in_peace() -> None:
    alone = sampling(1.0, own=100, walk=30, parse=30)
    growth = compare(alone, sampling(3.0, own=100, walk=160, parse=140))
    assert growth.cause is None
    assert describe_growth(growth).endswith("no function or library clearly stands out")


def test_what_did_not_grow_has_no_cause() -> None:
    """Other shares of the same CPU: the throughput misses its prediction for another reason."""
    growth = compare(sampling(1.0, own=100, walk=100), sampling(1.1, own=20, walk=180))
    assert growth.cause is None
    assert describe_growth(growth) == (
        "CPU per request hardly grew: 1.00 ms alone, 1.10 ms under load; 90 % "
        "(interval: 85 to 93 %) of it is Pool.walk (httpx/pool.py) and what it calls"
    )


def test_few_samples_say_nothing() -> None:
    growth = compare(sampling(1.0, own=100), sampling(3.0, walk=49))
    assert growth.fault == "too few samples were taken"
    assert growth.cause is None


@pytest.mark.parametrize(
    ("frame", "library"),
    [
        (WALK, "httpx"),
        ("run (site-packages/six.py)", "six"),
        (DUMPS, "Python's json"),
        ("read (lib/python3.13t/ssl.py)", "Python's ssl"),
        (LOOP, NATIVE),
        ("run (site-packages/uvloop/__init__.py)", NATIVE),
        ("_find_and_load (<frozen importlib._bootstrap>)", "Python's import"),
        (ENDPOINT, APP),
        ("<lambda> (main.py)", APP),
        ("BaseEventLoop._run_once (lib/python3.12/asyncio/base_events.py)", "Python's asyncio"),
    ],
)
def test_each_frame_has_its_library(frame: str, library: str) -> None:
    assert name_library(frame) == library


@given(stacks)
def test_stacks_survive_their_file(found: dict[Stack, int]) -> None:
    assert parse_stacks(format_stacks(found)) == found


def test_equal_stacks_of_a_file_are_added() -> None:
    assert parse_stacks("a (x.py);b (y.py) 2\na (x.py);b (y.py) 3\n") == {
        ("a (x.py)", "b (y.py)"): 5
    }


def test_a_name_with_a_line_end_in_it_is_a_part_of_its_stack() -> None:
    """SQLAlchemy compiles functions from texts of several lines."""
    torn = "a (x.py);b (<text of\n bind)>) 2\na (x.py) 3\n"
    assert parse_stacks(torn) == {("a (x.py)", "b (<text of  bind)>)"): 2, ("a (x.py)",): 3}
    with pytest.raises(ValueError, match="without a count"):
        parse_stacks("a (x.py) 3\na (x.py);b")


def test_no_path_of_this_machine_is_kept() -> None:
    packages = "/home/me/.venv/lib/python3.11/site-packages"
    raw: dict[Stack, int] = {
        ('process 7:"python -m uvicorn"', f"run ({packages}/uvicorn/server.py)"): 1,
        ("f (/opt/py/lib/python3.11/json/__init__.py)", "g (/srv/own/app/clients.py)"): 2,
        (f"h ({ROOT}/probe/asgi_probe/middleware.py)", "k (/elsewhere/deep/down/tool.py)"): 3,
        tuple(f"f{n} (/srv/own/app/x.py)" for n in range(99)): 4,
        ('process 7:"python -m uvicorn"',): 9,
        ("process (/srv/own/app/main.py)",): 5,  # the app's own function
        ("k (/home/me/app (copy)/.venv/lib/python3.11/site-packages/httpx/a.py)",): 6,
    }
    found = Counter(shorten_stacks(raw, Path("/srv/own")))
    assert found.total() == 21
    assert found["process (app/main.py)",] == 5
    assert found["k (site-packages/httpx/a.py)",] == 6
    assert found[("run (site-packages/uvicorn/server.py)",)] == 1
    assert found["f (lib/python3.11/json/__init__.py)", "g (app/clients.py)"] == 2
    assert found["h (site-packages/asgi_probe/middleware.py)", "k (down/tool.py)"] == 3
    assert max(map(len, found)) == 24


def test_an_app_in_a_folder_with_packages_within_keeps_them_apart() -> None:
    raw: dict[Stack, int] = {
        ("f (/srv/own/.venv/lib/python3.11/site-packages/httpx/a.py)", "g (/srv/own/app/b.py)"): 1
    }
    assert list(shorten_stacks(raw, Path("/srv/own"))) == [
        ("f (site-packages/httpx/a.py)", "g (app/b.py)")
    ]


def test_a_share_has_wilsons_interval() -> None:
    """R 4.3: prop.test(15, 50, correct = FALSE)$conf.int is 0.1910, 0.4375."""
    found = compute_share(15, 50)
    assert found == pytest.approx((0.1910, 0.30, 0.4375), abs=5e-5)
    assert compute_share(0, 0) == (0.0, 0.0, 1.0)


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    """R. G. Newcombe, "Interval estimation for the difference between independent proportions"
    (Statistics in Medicine 17, 1998), table II, method 10: 56/70 - 48/80 is 0.0524 to 0.3339."""
    found = subtract(compute_share(56, 70), compute_share(48, 80))
    assert found == pytest.approx((0.0524, 0.20, 0.3339), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_estimate(count: int, more: int) -> None:
    low, share, high = compute_share(count, count + more)
    assert 0 <= low <= share <= high <= 1


def test_functions_of_one_name_have_bars_of_their_own() -> None:
    twin = "Connection.is_idle (site-packages/httpx/other.py)"
    stacks: dict[Stack, int] = {(ENDPOINT, IS_IDLE): 60, (ENDPOINT, twin): 60}
    chart = draw_cpu_growth("a cell", compare(Sampling(1.0, stacks), Sampling(3.0, stacks)))
    text = str(chart.to_dict())
    assert "httpx: Connection.is_idle" in text
    assert f"'{IS_IDLE}'" in text or f"'{twin}'" in text


def test_what_a_server_uses_when_nobody_asks_is_in_no_request() -> None:
    """0.03 cores are 0.75 ms per request at forty requests per second, almost nothing at 500."""
    forty = SampledPhase(lasting_s=5.0, requests=200, cpu_s=0.35, samples_per_s=97)
    many = SampledPhase(lasting_s=5.0, requests=2500, cpu_s=2.65, samples_per_s=97)
    for phase in (forty, many):
        assert compute_cpu_ms(phase, idle_cores=0.03) == pytest.approx(1.0)
    assert compute_cpu_ms(forty, idle_cores=0.3) == 0.0  # it was busier before the load
