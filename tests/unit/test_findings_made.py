"""Findings about objects that requests create, and about sizes, from handmade records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence
from analysis.findings.base import AuditFinding
from analysis.findings.resources.client_per_request import ClientPerRequest
from analysis.findings.resources.gil_reenabled import GilReenabled
from analysis.findings.resources.limiter_size import LimiterSize
from analysis.findings.resources.thread_growth import ThreadGrowth
from records.audit import GIL_OPTION, Phase
from records.rows import HANDLERS, MADE, PROBE
from tests.unit.audit_samples import PID, RECORD, Entry, endpoint, library, make_table

CLIENT = endpoint("quote", 12, [library("httpx._client", "__init__", 1400)])
LEAK = endpoint("watch", 31)
Row = Mapping[str, object]


def serve(route: str, count: int, first_visit: int = 1) -> list[Row]:
    """Requests, evenly over 8 of the 10 seconds."""
    return [
        {
            "pid": PID, "visit": first_visit + turn, "route": route, "protocol": "http",
            "arrived_s": 8 * turn / count, "returned_s": 8 * turn / count + 0.01,
        }
        for turn in range(count)
    ]  # fmt: skip


def make(
    request: Row, kind: str, stack: list[Entry], cpu_s: float | None = None
) -> dict[str, object]:
    return {
        "pid": PID, "visit": request["visit"], "route": request["route"],
        "at_s": request["arrived_s"], "kind": kind, "took_s": cpu_s, "cpu_s": cpu_s,
        "stack": json.dumps(stack),
    }  # fmt: skip


def end(thread: Row, after_s: float) -> Row:
    at_s = thread["at_s"]
    assert isinstance(at_s, float)
    return {**thread, "kind": f"{thread['kind']} end", "at_s": at_s + after_s, "took_s": after_s}


def build(
    handlers: Sequence[Row] = (), made: Sequence[Row] = (), samples: Sequence[Row] = ()
) -> AuditEvidence:
    return AuditEvidence(
        record=replace(RECORD, phases=(Phase("together", 0.0, 10.0, 2),)),
        asked=pl.DataFrame(schema={"route": pl.String, "phase": pl.String}),
        handlers=make_table(handlers, HANDLERS),
        made=make_table(made, MADE),
        samples=make_table(samples, PROBE),
    )


def find(kind: type[AuditFinding], evidence: AuditEvidence) -> tuple[AuditFinding, ...]:
    return kind.find(evidence).findings


def test_a_client_of_each_request_is_found_with_its_line_and_its_cpu() -> None:
    requests = serve("/quote", 20)
    made: list[Row] = [make(each, "httpx.AsyncClient", CLIENT, 0.015) for each in requests]
    (found,) = find(ClientPerRequest, build(requests, made))
    assert (found.route, found.phase, found.file, found.line) == (
        "/quote", "endpoint", "main.py", 12
    )  # fmt: skip
    assert (found.call, found.count, found.severity, found.confidence) == (
        "httpx.AsyncClient", 20, "warning", "high"
    )  # fmt: skip
    assert found.seconds == pytest.approx(0.3)
    assert found.median_ms == pytest.approx(15.0)
    assert found.share == pytest.approx(0.03)
    assert found.message == (
        "httpx.AsyncClient() is created in each request to /quote and takes 15.0 ms of CPU "
        "(median). Create one at startup and share it."
    )


@given(asked=st.integers(1, 60), made=st.integers(0, 60))
def test_what_few_requests_make_is_nobodys_fault(asked: int, made: int) -> None:
    """Created once and kept, or renewed from time to time."""
    requests = serve("/quote", asked)
    rows: list[Row] = [make(each, "TLS context", CLIENT, 0.02) for each in requests[:made]]
    count = min(asked, made)
    found = find(ClientPerRequest, build(requests, rows))
    assert bool(found) == (count >= 3 and count >= asked / 2)
    assert all(each.count == count for each in found)


def test_several_contexts_of_one_request_are_one_request() -> None:
    requests = serve("/quote", 4)
    rows: list[Row] = [make(each, "TLS context", CLIENT, 0.02) for each in requests * 2]
    (found,) = find(ClientPerRequest, build(requests, rows))
    assert found.count == 4
    assert found.median_ms == pytest.approx(40.0)


def test_a_cheap_client_is_worth_a_word_and_a_cheap_context_none() -> None:
    requests = serve("/quote", 20)
    client: list[Row] = [make(each, "aiohttp.ClientSession", CLIENT, 0.0001) for each in requests]
    (found,) = find(ClientPerRequest, build(requests, client))
    assert found.severity == "info"
    assert "has its own connection pool" in found.message
    context: list[Row] = [make(each, "TLS context", CLIENT, 0.0001) for each in requests]
    assert find(ClientPerRequest, build(requests, context)) == ()


def connect(requests: Sequence[Row]) -> list[Row]:
    stack = endpoint("order", 12, [library("psycopg.connection_async", "connect", 100)])
    made = [make(each, "psycopg.AsyncConnection.connect", stack) for each in requests]
    return [{**each, "took_s": 0.012} for each in made]


def test_a_connection_of_each_request_is_found_with_its_line_and_how_long_it_takes() -> None:
    requests = serve("/order", 40)
    (found,) = find(ClientPerRequest, build(requests, connect(requests)))
    assert (found.file, found.line, found.cause, found.count) == ("main.py", 12, "connection", 40)
    assert (found.median_ms, found.severity, found.share) == (12.0, "warning", None)
    assert found.message == (
        "psycopg.AsyncConnection.connect() connects to the database in each request to /order and "
        "takes 12.0 ms (median). Take connections from a pool created at startup."
    )


@given(size=st.integers(1, 40), later=st.integers(0, 40))
def test_a_pool_that_grows_while_it_is_asked_is_nobodys_fault(size: int, later: int) -> None:
    """That many arrive at once, and each creates a connection that all share from then on."""
    first: list[Row] = [
        {**each, "arrived_s": 0.0, "returned_s": 1.0} for each in serve("/order", size)
    ]
    rest = serve("/order", later, first_visit=size + 1)
    rest = [
        {**each, "arrived_s": 2.0 + turn, "returned_s": 2.5 + turn}
        for turn, each in enumerate(rest)
    ]
    assert find(ClientPerRequest, build([*first, *rest], connect(first))) == ()


def test_a_task_after_the_answer_is_no_client() -> None:
    requests = serve("/order", 20)
    made: list[Row] = [make(each, "background task", CLIENT) for each in requests]
    assert find(ClientPerRequest, build(requests, made)) == ()


def test_threads_that_outlive_their_requests_are_growth() -> None:
    requests = serve("/watch", 120)
    made: list[Row] = [make(each, "thread", LEAK) for each in requests]
    levels: list[Row] = [
        {"pid": PID, "at_s": at_s, "threads_other": count, "threads_executor": 2}
        for at_s, count in ((0.0, 1), (9.9, 121))
    ]
    (found,) = find(ThreadGrowth, build(requests, made, levels))
    assert (found.route, found.file, found.line, found.function) == (
        "/watch", "main.py", 31, "watch"
    )  # fmt: skip
    assert (found.severity, found.confidence, found.call) == ("error", "high", "threading.Thread")
    assert "from 3 to 123" in found.message
    flat = [{**each, "threads_other": 1} for each in levels]
    assert find(ThreadGrowth, build(requests, made, flat)) == ()


@given(
    lives_s=st.lists(st.floats(0.0, 1.9), min_size=60, max_size=60),
    count=st.integers(1, 60),
)
def test_threads_that_end_are_no_growth(lives_s: list[float], count: int) -> None:
    requests = serve("/watch", count)
    made: list[Row] = [make(each, "thread", LEAK) for each in requests]
    ended = [end(each, life_s) for each, life_s in zip(made, lives_s, strict=False)]
    assert find(ThreadGrowth, build(requests, [*made, *ended])) == ()


def test_threads_that_may_still_end_are_no_growth() -> None:
    """Each lives for 5 s, so the last ones run when the recording ends."""
    requests = serve("/watch", 120)
    made: list[Row] = [make(each, "thread", LEAK) for each in requests]
    ended = [each for each in (end(row, 5.0) for row in made) if float(str(each["at_s"])) < 10]
    assert 0 < len(ended) < len(made)
    assert find(ThreadGrowth, build(requests, [*made, *ended])) == ()


def test_threads_that_the_shutdown_ends_are_growth() -> None:
    requests = serve("/watch", 50)
    made: list[Row] = [make(each, "thread", LEAK) for each in requests]
    ended = [end(each, 10.6 - float(str(each["at_s"]))) for each in made]
    (found,) = find(ThreadGrowth, build(requests, [*made, *ended]))
    assert found.count == 50


def test_requests_that_have_not_made_their_thread_yet_are_no_sign_of_an_end() -> None:
    """Each starts it at its end, 3 s after arrival: the last third of them are too young."""
    requests = [
        {**each, "returned_s": float(str(each["arrived_s"])) + 3.0} for each in serve("/watch", 60)
    ]
    made = [make({**each, "arrived_s": each["returned_s"]}, "thread", LEAK) for each in requests]
    (found,) = find(ThreadGrowth, build(requests, made))
    judged = [each for each in requests if float(str(each["returned_s"])) <= 9.0]
    assert (found.count, found.confidence) == (len(judged), "high")


@pytest.mark.parametrize("size", [1, 8, 40])
def test_a_pool_that_fills_up_is_no_growth(size: int) -> None:
    requests = serve("/watch", 120)
    made: list[Row] = [make(each, "thread", LEAK) for each in requests[:size]]
    assert find(ThreadGrowth, build(requests, made)) == ()


def test_an_executor_that_the_first_request_makes_may_fill_up() -> None:
    requests = serve("/watch", 120)
    made: list[Row] = [
        {**make(requests[0], "executor thread", LEAK), "at_s": each["arrived_s"]}
        for each in requests
    ]
    assert find(ThreadGrowth, build(requests, made)) == ()


def test_the_thread_of_a_request_that_lasts_is_no_growth() -> None:
    requests = [{**each, "returned_s": None} for each in serve("/watch", 120)]
    made: list[Row] = [make(each, "thread", LEAK) for each in requests]
    assert find(ThreadGrowth, build(list(requests), made)) == ()


def test_an_executor_of_each_request_is_named_as_one() -> None:
    requests = serve("/watch", 20)
    made: list[Row] = [make(each, "executor thread", LEAK) for each in requests * 2]
    (found,) = find(ThreadGrowth, build(requests, made))
    assert (found.call, found.count, found.severity) == ("ThreadPoolExecutor", 20, "warning")
    assert "40 threads that 20 requests started were still running" in found.message


def sample(total: float, borrowed: float, count: int = 10, first: int = 0) -> list[Row]:
    return [
        {"pid": PID, "at_s": (first + turn) / 100, "pool_total": total, "pool_borrowed": borrowed}
        for turn in range(count)
    ]


@pytest.mark.parametrize("total", [4.0, 10.0, 40.0, 100.0, 1000.0])
def test_a_sensible_size_of_the_pool_says_nothing(total: float) -> None:
    assert find(LimiterSize, build(samples=sample(total, 3.0))) == ()
    assert find(LimiterSize, build(samples=sample(float("nan"), float("nan")))) == ()


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (1.0, "has 1 token ("),
        (3.0, "has 3 tokens ("),
        (5000.0, "has 5,000 tokens"),
        (inf, "has no token limit"),
    ],
)
def test_an_unusual_size_is_said_with_its_number(total: float, said: str) -> None:
    (found,) = find(LimiterSize, build(samples=sample(total, 1.0)))
    assert found.severity == "info"
    assert said in found.message
    json.dumps(found.export(), allow_nan=False)


def test_a_pool_that_lends_more_than_it_has_is_said() -> None:
    over = sample(40.0, 43.0, 3, first=10)
    (found,) = find(LimiterSize, build(samples=[*sample(40.0, 40.0), *over]))
    assert "has 40 tokens, but 43 were in use at once" in found.message
    assert find(LimiterSize, build(samples=[*sample(40.0, 40.0), *over[:2]])) == ()


@pytest.mark.parametrize(
    ("free_threaded", "gil", "by", "said"),
    [
        (False, True, None, None),
        (True, False, None, None),
        (True, True, "orjson.orjson", "the import of orjson.orjson turned it on"),
        (True, True, None, "a module that does not support running without it"),
        (True, True, GIL_OPTION, "Remove the option"),
    ],
)
def test_a_free_threaded_python_with_its_gil_on_is_a_finding(
    free_threaded: bool, gil: bool, by: str | None, said: str | None
) -> None:
    (process,) = RECORD.processes
    process = replace(process, free_threaded=free_threaded, gil=gil, gil_enabled_by=by)
    evidence = replace(build(), record=replace(RECORD, processes=(process, process)))
    found = find(GilReenabled, evidence)
    assert len(found) == (said is not None)
    for each in found:
        assert said is not None
        assert said in each.message
        assert each.severity == ("info" if by == GIL_OPTION else "warning")
