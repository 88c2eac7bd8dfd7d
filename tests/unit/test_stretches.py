"""Laws of the probe's records of a blocked loop: sums between two times, the parts of a late
heartbeat's delay, and a coroutine whose steps are timed."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from math import isclose, nan

import pytest
from asgi_probe import counters, holders
from asgi_probe.blocks import LoopWatch
from asgi_probe.counters import Counters, interpolate, limit, subtract
from asgi_probe.holders import NO_HOLDER, HolderLog
from asgi_probe.routes import Message
from asgi_probe.stretches import subtract_spans
from asgi_probe.timed_call import time_call
from hypothesis import given
from hypothesis import strategies as st

moments = st.floats(0, 100, allow_nan=False)
points = st.lists(st.tuples(moments, moments), min_size=1, max_size=20).map(
    lambda each: sorted(zip(sorted(a for a, _ in each), sorted(b for _, b in each), strict=True))
)
spans = st.tuples(moments, moments).map(lambda each: (min(each), max(each)))


def measure(span: tuple[float, float]) -> float:
    return max(0.0, span[1] - span[0])


@given(points, moments, moments)
def test_sums_that_grow_never_shrink_between_two_moments(
    looks: list[tuple[float, ...]], first: float, last: float
) -> None:
    began, ended = sorted((first, last))
    (grown,) = subtract(looks, began, ended)
    assert grown >= -1e-9
    assert grown <= looks[-1][1] - looks[0][1] + 1e-9


@given(points, moments, moments, moments)
def test_what_two_parts_grew_by_is_what_the_whole_did(
    looks: list[tuple[float, ...]], first: float, middle: float, last: float
) -> None:
    a, b, c = sorted((first, middle, last))
    (whole,) = subtract(looks, a, c)
    assert isclose(subtract(looks, a, b)[0] + subtract(looks, b, c)[0], whole, abs_tol=1e-6)


@given(points)
def test_a_look_itself_is_exact(looks: list[tuple[float, ...]]) -> None:
    times = [look[0] for look in looks]
    for at_s, value in looks:
        if times.count(at_s) == 1:
            assert isclose(interpolate(looks, at_s)[0], value, abs_tol=1e-9)


@given(st.floats(allow_nan=False), st.floats(0, 1e9))
def test_a_share_of_a_stretch_lies_within_it(value: float, most: float) -> None:
    assert 0 <= limit(value, most) <= most


@given(spans, st.lists(spans, max_size=3), st.lists(spans, max_size=6))
def test_nothing_is_unknown_that_is_known_or_was_looked_at(
    silence: tuple[float, float],
    missed: list[tuple[float, float]],
    known: list[tuple[float, float]],
) -> None:
    for part in subtract_spans(silence, missed, known):
        if measure(part) <= 0:
            continue
        middle = (part[0] + part[1]) / 2
        assert silence[0] <= part[0] < part[1] <= silence[1]
        assert any(first <= middle <= last for first, last in missed)
        assert not any(first < middle < last for first, last in known)


@given(spans, spans)
def test_what_nobody_looked_at_is_unknown_as_a_whole(
    silence: tuple[float, float], missed: tuple[float, float]
) -> None:
    overlap = measure((max(silence[0], missed[0]), min(silence[1], missed[1])))
    assert isclose(sum(map(measure, subtract_spans(silence, [missed], []))), overlap)


IDLE_S = 100.0


def list_looks(blocked_s: float) -> list[float]:
    """The times of the watchdog's looks while a thread waits, and then computes."""
    return [each / 100 for each in range(round((IDLE_S + blocked_s) * 100) + 1)]


@pytest.mark.parametrize("blocked_s", [0.05, 1, 60])
def test_a_block_is_measured_from_its_start(
    blocked_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(counters, "monotonic", lambda: now[0])
    monkeypatch.setattr(counters, "read_thread_cpu_s", lambda _: max(0.0, now[0] - IDLE_S))
    sums = Counters(threading.get_native_id())
    for now[0] in list_looks(blocked_s):
        sums.read_clocks(now[0])
    sums.close()
    used = sums.measure(IDLE_S, IDLE_S + blocked_s, nan)
    assert used.cpu_s == pytest.approx(blocked_s, rel=0.03)


def log_thread(
    monkeypatch: pytest.MonkeyPatch,
    looks: Sequence[float],
    read_cpu_s: Callable[[float], float],
    find_stack: Callable[[float], str] = str,
) -> HolderLog:
    """Log a thread whose CPU seconds and stack are functions of the time."""
    now, ended, watch = [0.0], threading.Event(), make_watch()
    thread = threading.Thread(target=ended.wait, daemon=True)
    thread.start()
    monkeypatch.setattr(
        holders,
        "read_thread_cpu_s",
        lambda native: read_cpu_s(now[0]) if native == thread.native_id else 0.0,
    )
    log = HolderLog(watch)
    for now[0] in looks:
        watch.others = now[0], {thread.ident or 0: find_stack(now[0])}
        log.read(now[0], read_cpu_s(now[0]), reads_stacks=False)
    ended.set()
    thread.join()
    return log


def test_the_thread_that_held_the_gil_is_measured_from_the_start_of_a_long_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = log_thread(monkeypatch, list_looks(60), lambda at_s: max(0.0, at_s - IDLE_S))
    assert log.find_holder(IDLE_S, IDLE_S + 60).cpu_s == pytest.approx(60, rel=0.1)


@pytest.mark.parametrize(("first_s", "last_s"), [(50, 10), (1.2, 0.3)])
def test_the_line_that_held_the_gil_for_most_of_a_block_is_named(
    first_s: float, last_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its last part, all looks are kept."""
    log = log_thread(
        monkeypatch,
        list_looks(first_s + last_s),
        float,
        lambda at_s: "first" if at_s <= IDLE_S + first_s else "last",
    )
    assert log.find_holder(IDLE_S, IDLE_S + first_s + last_s).stack == "first"


PAUSES = {"looks that were left out": (30, 31, list_looks(0)), "one look": (0, 3, [0, 1, 2, 4])}


@pytest.mark.parametrize(("paused_s", "until_s", "looks"), PAUSES.values(), ids=PAUSES)
def test_a_thread_that_computed_before_and_after_a_block_did_not_cause_it(
    paused_s: float, until_s: float, looks: Sequence[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pytest plug-in asks at the end of the test, when the looks are thinned out."""
    log = log_thread(
        monkeypatch, looks, lambda at_s: min(at_s, paused_s) + max(0.0, at_s - until_s)
    )
    assert log.find_holder(paused_s + 0.2, paused_s + 0.25) == NO_HOLDER


def test_a_short_block_between_the_looks_of_a_slow_heartbeat_has_its_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = log_thread(monkeypatch, [each / 20 for each in range(1_000)], float)
    assert log.find_holder(49.76, 49.81).cpu_s == pytest.approx(0.05)


def make_watch() -> LoopWatch:
    return LoopWatch(times_handles=False, times_steps=True)


class OwnError(Exception):
    pass


def test_a_timed_coroutine_passes_on_what_it_awaits_and_raises() -> None:
    seen: list[object] = []

    async def app(scope: object, *_: object) -> None:
        assert isinstance(scope, dict)
        seen.append(await asyncio.sleep(0, "value"))
        try:
            await scope["future"]
        except OwnError as error:
            seen.append(error)
            raise LookupError from error

    async def run() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        with pytest.raises(LookupError):
            await time_call(app({"future": future}, receive, send), None, make_watch())

    error = OwnError()
    asyncio.run(run())
    assert seen == ["value", error]


def test_a_timed_coroutine_can_be_cancelled_and_times_nothing_afterwards() -> None:
    watch, cleaned = make_watch(), []

    async def app(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    async def run() -> None:
        async def call() -> None:
            await time_call(app({}, receive, send), None, watch)

        task = asyncio.ensure_future(call())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert cleaned == [True]
    assert watch.running is None


async def receive() -> Message:
    raise AssertionError


async def send(_: Message) -> None: ...
