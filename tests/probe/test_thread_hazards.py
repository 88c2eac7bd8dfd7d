"""Code that is safe only on the event loop's thread is reported; code that is safe in threads is
not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
from asgi_probe.thread_hazards import find_hazards

hits = 0
cache: dict[str, int] = {}
seen: list[str] = []
total = SimpleNamespace(count=0)
limits: dict[str, int] = {"most": 3}
own = threading.local()
lock = threading.Lock()
queue: asyncio.Queue[int] = asyncio.Queue()


def count_up() -> None:
    global hits
    hits += 1


def remember(key: str) -> int:
    if key not in cache:
        cache[key] = len(key)
    return cache[key]


async def count_globally() -> None:
    global hits
    hits = hits + 1


async def add_to_item() -> None:
    cache["x"] += 1


async def add_to_attribute() -> None:
    total.count += 1


async def add_to_state(request: SimpleNamespace) -> None:
    request.app.state.count += 1


async def change_state(request: SimpleNamespace) -> None:
    if 3 not in request.app.state.known:
        request.app.state.known.append(3)


async def take_first() -> str:
    return seen.pop() if seen else ""


async def call_helper() -> None:
    count_up()


async def call_both() -> int:
    count_up()
    return remember("x")


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1

    async def __call__(self) -> None:
        self.count += 1

    async def count_by_method(self) -> None:
        self.add()


counter = Counter()


async def call_method() -> None:
    counter.add()


def make_closure() -> Callable[[], object]:
    count = 0

    async def count_in_closure() -> None:
        nonlocal count
        count += 1

    return count_in_closure


async def ask_loop() -> None:
    asyncio.get_running_loop().time()


async def put() -> None:
    queue.put_nowait(1)


SHARED = "{place} reads and changes {thing}, and two threads can do so at once"
OF_LOOP = "{place} calls {thing}, but asyncio works only in the event loop's thread"


@pytest.mark.parametrize(
    ("endpoint", "text", "function", "line", "thing"),
    [
        (count_globally, SHARED, count_globally, 2, "hits"),
        (add_to_item, SHARED, add_to_item, 1, "cache"),
        (add_to_attribute, SHARED, add_to_attribute, 1, "total.count"),
        (partial(add_to_attribute), SHARED, add_to_attribute, 1, "total.count"),
        (add_to_state, SHARED, add_to_state, 1, "request.app.state.count"),
        (change_state, SHARED, change_state, 2, "request.app.state.known"),
        (take_first, SHARED, take_first, 1, "seen"),
        (call_helper, SHARED, count_up, 2, "hits"),
        (counter, SHARED, Counter.__call__, 1, "self.count"),
        (counter.count_by_method, SHARED, Counter.add, 1, "self.count"),
        (call_method, SHARED, Counter.add, 1, "self.count"),
        (ask_loop, OF_LOOP, ask_loop, 1, "asyncio.get_running_loop"),
        (put, OF_LOOP, put, 1, "queue.put_nowait"),
    ],
)
def test_a_hazard_has_its_thing_and_line(
    endpoint: object, text: str, function: Callable[..., object], line: int, thing: str
) -> None:
    code = function.__code__
    place = f"{code.co_name} (test_thread_hazards.py:{code.co_firstlineno + line})"
    assert find_hazards(endpoint) == [text.format(place=place, thing=thing)]


def test_a_closure_keeps_what_requests_share() -> None:
    (hazard,) = find_hazards(make_closure())
    assert "reads and changes count," in hazard


def test_each_function_that_is_called_is_read_once() -> None:
    texts = [each.split(", and")[0].split(") ")[1] for each in find_hazards(call_both)]
    assert texts == ["reads and changes hits", "reads and changes cache"]


async def read_alone() -> int:
    return cache["x"] + limits["most"] + len(seen)


async def write_alone() -> None:
    cache["y"] = 1
    seen.append("y")


async def change_locals() -> None:
    cache, total = {"x": 1}, SimpleNamespace(count=0)
    cache["x"] += 1
    total.count += 1


async def use_lock() -> None:
    global hits
    with lock:
        hits += 1
        cache["x"] += 1


async def use_inner() -> None:
    def change(hits: int) -> None:
        cache = {"x": hits}
        cache["x"] += 1

    change(hits)


async def use_own() -> None:
    own.count = 1
    own.count += 1


async def use_result() -> None:
    remember.__dict__.get("x")
    asyncio.iscoroutine(3)


async def recurse() -> None:
    recurse()  # type: ignore[unused-coroutine]


class PerRequest:
    """Like Starlette's HTTPEndpoint."""

    def __init__(self) -> None:
        self.scope: dict[str, object] = {}
        self.count = 0

    async def get(self) -> None:
        self.count += 1


@pytest.mark.parametrize(
    "endpoint",
    [
        read_alone, write_alone, change_locals, use_lock, use_inner, use_own, use_result, recurse,
        PerRequest().get, len, 3, eval("lambda: 3"),
    ],
)  # fmt: skip
def test_what_is_safe_in_threads_is_no_hazard(endpoint: object) -> None:
    assert find_hazards(endpoint) == []


def test_nothing_of_the_service_runs() -> None:
    class Settings:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

        @property
        def value(self) -> int:
            raise AssertionError

    settings = Settings()

    async def endpoint() -> None:
        settings.value.append(3)  # type: ignore[attr-defined]
        settings.other.append(3)  # type: ignore[attr-defined]

    assert find_hazards(endpoint) == []
