"""Which phase requests a thread, in whose code, and how long it waits: handmade records."""

import json
from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from analysis.findings.waits.handover_evidence import locate_handovers, locate_thread_stacks
from records.rows import HANDLERS, PROBE, THREAD_STACKS
from tests.unit.audit_samples import (
    FOLDER,
    PID,
    RUN,
    SITE,
    Entry,
    library,
    make_table,
    own,
)
from tests.unit.handover_samples import (
    APP,
    BACKGROUND,
    CHUNK,
    DEPENDENCY,
    ENDPOINT,
    TEARDOWN,
    TO_THREAD,
    build_evidence,
    make_handover,
)


def locate_one(**columns: object) -> Mapping[str, object]:
    return locate_handovers(build_evidence([make_handover(**columns)])).row(0, named=True)


@pytest.mark.parametrize(
    ("phase", "asker"),
    [
        ("endpoint", ENDPOINT),
        ("dependency", DEPENDENCY),
        ("background", BACKGROUND),
        ("stream", CHUNK),
        ("response", [*TO_THREAD, library("fastapi.routing", "serialize_response"), *APP]),
        ("file", [TO_THREAD[0], library("starlette.responses", "__call__"), *APP]),
        ("file", [TO_THREAD[0], library("starlette.staticfiles", "get_response"), *APP]),
        ("file", [*TO_THREAD, library("starlette.datastructures", "read"), own("put", 31), *APP]),
        ("file", [library("anyio._core._fileio", "read"), own("put", 31), *APP]),
        ("endpoint", [*TO_THREAD, own("put", 31), *APP]),
        ("background", [library("anyio._core._fileio", "read"), own("mail", 31), *BACKGROUND[2:]]),
        ("teardown", TEARDOWN),
        (
            "file",  # Starlette closes a file that it has sent
            [
                library("anyio._core._fileio", "aclose"),
                library("contextlib", "__aexit__"),
                library("starlette.responses", "_handle_simple"),
                *APP,
            ],
        ),
        (
            "teardown",
            [
                library("anyio._core._fileio", "aclose"),
                own("open_log", 51),
                library("contextlib", "__aexit__"),
                *APP,
            ],
        ),
        ("callback", [*TO_THREAD, own("poll", 41), *RUN]),
        (
            "exception-handler",
            [*TO_THREAD, library("starlette._exception_handler", "wrapped_app"), *RUN],
        ),
    ],
)
def test_the_stack_that_asks_says_the_phase(phase: str, asker: Sequence[Entry]) -> None:
    assert locate_one(asker=json.dumps(asker))["phase"] == phase


def read_places(**columns: object) -> tuple[list[object], list[object]]:
    """The places of the waiting code and of the working code."""
    found, names = locate_one(**columns), ("file", "line", "function")
    return [found[each] for each in names], [found[f"work_{each}"] for each in names]


def test_the_line_that_asks_waits_and_the_work_keeps_the_thread() -> None:
    asker = json.dumps([*TO_THREAD, own("put", 31), *APP])
    work = f"{FOLDER}/my shop/db.py:7 make.<locals>.load"
    asks, works = ["main.py", 31, "put"], ["my shop/db.py", 7, "load"]
    assert read_places(asker=asker, work=work) == (asks, works)
    assert read_places(work=work) == (works, works)  # the framework, for the user's code
    for foreign in (f"{SITE}/redis/client.py:7 Redis.get", "time.sleep", None):
        assert read_places(asker=asker, work=foreign) == (asks, asks)
    nobody = [None] * 3
    assert read_places(asker=json.dumps(RUN), work="time.sleep") == (nobody, nobody)


def test_seconds_are_split_into_token_loop_and_use() -> None:
    found = locate_one(asked_s=1.0, queued_s=1.25, granted_s=3.25, began_s=3.75, ended_s=7.75)
    assert [found[each] for each in ("token_s", "loop_s", "used_s")] == [2.0, 0.75, 4.5]
    free = locate_one(asked_s=1.0, granted_s=1.5, began_s=2.0, ended_s=7.0)
    assert [free[each] for each in ("token_s", "loop_s", "used_s")] == [0.0, 1.0, 5.5]


@pytest.mark.parametrize("queue", ["executor", "executor db", "asgiref"])
def test_an_executors_wait_lasts_while_its_threads_work(queue: str) -> None:
    """Its only thread works until second 3, and starts the next call at 4."""
    works = make_handover(queue=queue, capacity=1.0, ended_s=3.0)
    waits = make_handover(
        queue=queue, capacity=1.0, queued_s=1.0, granted_s=None, began_s=4.0, ended_s=6.0
    )
    found = locate_handovers(build_evidence([works, waits])).row(1, named=True)
    assert [found[each] for each in ("token_s", "loop_s", "used_s")] == [2.0, 1.0, 2.0]


def test_the_limit_of_a_dependency_is_at_the_dependency() -> None:
    asker = json.dumps([library("fastapi.dependencies.utils", "solve_dependencies"), *APP])
    token = make_handover(
        queue="limiter 1", work=None, began_s=None, asker=asker, granted_s=1.0, ended_s=3.0
    )
    work = make_handover(asker=json.dumps(DEPENDENCY), began_s=1.5, ended_s=2.5)
    later = make_handover(work=f"{FOLDER}/main.py:40 answer", began_s=3.5, ended_s=4.0)
    rows = locate_handovers(build_evidence([token, work, later]))
    names = ["file", "line", "function", "work_line"]
    assert rows.select(names).row(0) == ("main.py", 10, "load", 10)
    alone = locate_handovers(build_evidence([token, later]))
    assert alone.select(names).row(0) == (None, None, None, None)
    assert alone["loop_s"][0] == 0.0


WAITING = {"queued_s": 1.0, "granted_s": None, "began_s": None, "ended_s": None}


def test_what_never_ends_lasts_while_its_process_is_seen() -> None:
    never = make_handover(**WAITING)
    works = make_handover(ended_s=None)
    rows = locate_handovers(build_evidence([never, works]))
    assert rows["token_s"].to_list() == [9.0, 0.0]  # the recording ends at second 10
    assert rows["used_s"].to_list() == [0.0, 9.0]
    killed = make_table([{"pid": PID, "at_s": 6.0}, {"pid": PID, "at_s": 5.0}], PROBE)
    rows = locate_handovers(build_evidence([never, works], samples=killed))
    assert (rows["token_s"][0], rows["used_s"][1]) == (5.0, 5.0)


def test_a_wait_that_is_given_up_ends() -> None:
    found = locate_one(**{**WAITING, "ended_s": 3.0}, failed=True)
    assert [found[each] for each in ("token_s", "loop_s", "used_s")] == [2.0, 0.0, 0.0]
    unknown = locate_one(**WAITING, failed=True)
    assert (unknown["token_s"], unknown["used_s"]) == (0.0, 0.0)


def test_what_is_asked_after_the_answer_says_so() -> None:
    sent = make_table([{"pid": PID, "visit": 1, "route": "/a", "sent_s": 1.0}], HANDLERS)
    rows = [make_handover(asked_s=0.5), make_handover(asked_s=1.5), make_handover(visit=None)]
    assert locate_handovers(build_evidence(rows, handlers=sent))["is_after"].to_list() == [
        False, True, False,
    ]  # fmt: skip


def test_no_rows_are_no_rows() -> None:
    found = locate_handovers(build_evidence([]))
    assert found.is_empty()
    assert {"phase", "file", "line", "token_s", "loop_s", "used_s"} <= set(found.columns)
    assert locate_thread_stacks(build_evidence([])).is_empty()


def test_a_threads_stack_gives_the_users_innermost_line() -> None:
    stack = [library("socket", "recv"), own("query", 36), own("load", 12)]
    sample = {"pid": PID, "at_s": 1.0, "handover": 1, "route": "/a", "stack": json.dumps(stack)}
    foreign = {**sample, "stack": json.dumps(stack[:1])}
    stacks = make_table([sample, foreign, {**sample, "handover": None}], THREAD_STACKS)
    found = locate_thread_stacks(build_evidence([], thread_stacks=stacks))
    assert found.select("handover", "line", "function").rows() == [(1, 36, "query")]
    assert isinstance(found, pl.DataFrame)
