"""The finding POOL_DEADLOCK, from handmade records: deadlocks, and what only looks like one."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from analysis.findings import AuditEvidence, find_all
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from records.rows import HANDOVERS, PROBE, THREAD_STACKS
from tests.unit.audit_samples import FOLDER, PID, AuditBuilder, Entry, library, make_table, own

LAST_S = 10.0
QUEUE_POOL = "QueuePool of 10"
WAIT: Sequence[Entry] = (
    ("threading", "/usr/lib/python3.13/threading.py", 359, "wait", 337),
    library("sqlalchemy.pool.impl", "_do_get"),
)
ASKERS = {
    "endpoint": "run_endpoint_function",
    "response": "serialize_response",
}
WORK = f"{FOLDER}/service.py:30 query"


@dataclass
class Threads:
    """Rows of offloaded calls and of their threads' stacks, with 2 samples per second."""

    handovers: list[dict[str, object]] = field(default_factory=list)
    stacks: list[dict[str, object]] = field(default_factory=list)
    capacity: float = 40.0
    queue: str = "anyio"

    def run(
        self, visit: int, began_s: float | None, ended_s: float | None, **columns: object
    ) -> dict[str, object]:
        """A call that got a thread at once."""
        row: dict[str, object] = {
            "pid": PID, "handover": len(self.handovers) + 1, "visit": visit, "route": "/query",
            "queue": self.queue, "capacity": self.capacity, "asked_s": began_s, "queued_s": None,
            "granted_s": began_s, "began_s": began_s, "ended_s": ended_s, "thread_id": 100 + visit,
            "work": WORK, "asker": ask_from("endpoint"), "failed": False,
        }  # fmt: skip
        self.handovers.append(row | columns)
        return self.handovers[-1]

    def stand(self, visit: int, began_s: float, ended_s: float | None, **columns: object) -> None:
        """A call whose thread stays at service.py:36."""
        waits_for = columns.pop("waits_for", QUEUE_POOL)
        line = columns.pop("line", 36)
        row = self.run(visit, began_s, ended_s, **columns)
        stack = [*WAIT, own("query", int(str(line)), f"{FOLDER}/service.py")]
        at_s, number = began_s + 0.1, 0
        while at_s < (LAST_S if ended_s is None else ended_s):
            number += 1
            self.stacks.append({
                "pid": PID, "at_s": at_s, "thread_id": row["thread_id"],
                "handover": row["handover"], "visit": visit, "route": row["route"],
                "stack": json.dumps(stack), "waits_for": waits_for if number > 1 else None,
            })  # fmt: skip
            at_s += 0.5

    def wait(self, visit: int, asked_s: float, granted_s: float | None, **columns: object) -> None:
        """A call that waits for a thread, by default to serialize a response."""
        began: dict[str, object] = {
            "asked_s": asked_s, "queued_s": asked_s, "granted_s": granted_s, "thread_id": None,
            "work": "fastapi._compat.v2.ModelField.serialize", "asker": ask_from("response"),
        }  # fmt: skip
        ended_s = None if granted_s is None else granted_s + 0.01
        self.run(visit, granted_s, ended_s, **(began | columns))

    def build(self) -> AuditEvidence:
        return replace(
            AuditBuilder().build(),
            handovers=make_table(self.handovers, HANDOVERS),
            thread_stacks=make_table(self.stacks, THREAD_STACKS),
            samples=make_table([{"pid": PID, "at_s": LAST_S}], PROBE),
        )

    def find(self) -> Sequence[PoolDeadlock]:
        found = find_all(self.build()).findings
        return [each for each in found if isinstance(each, PoolDeadlock)]


def ask_from(phase: str) -> str:
    stack = [
        library("starlette.concurrency", "run_in_threadpool"),
        library("fastapi.routing", ASKERS[phase]),
        library("fastapi.routing", "app"),
    ]
    return json.dumps(stack)


def lock_up(
    threads: Threads,
    *,
    ended_s: float | None = None,
    keepers: int = 10,
    waits_for: str | None = QUEUE_POOL,
) -> Threads:
    """Visits 1 to 10 have a connection and request a thread at second 1; so do 40 others."""
    for visit in range(1, keepers + 1):
        threads.run(visit, 0.5, 0.9)
    for visit in range(101, 141):
        failed = ended_s is not None
        threads.stand(visit, 0.95, ended_s, failed=failed, waits_for=waits_for)
    for visit in range(1, keepers + 1):
        threads.wait(visit, 1.0, None if ended_s is None else ended_s + 0.01)
    return threads


def test_forty_threads_and_ten_connections() -> None:
    (found,) = lock_up(Threads()).find()
    assert (found.code, found.severity, found.confidence) == ("POOL_DEADLOCK", "error", "high")
    assert (found.route, found.phase, found.cause) == ("/query", "endpoint", "deadlock")
    assert (found.file, found.line, found.function) == ("service.py", 36, "query")
    assert (found.call, found.count) == (QUEUE_POOL, 50)
    assert found.seconds == pytest.approx(40 * 9.05 + 10 * 9.0)
    assert found.longest_ms == pytest.approx(9050.0)
    assert found.message.startswith(
        "40 of 40 threads of anyio's pool are stuck at service.py:36, waiting for a QueuePool of "
        "10. 10 requests that hold all of the QueuePool wait for a thread (response "
        "serialization)."
        " None of them made progress for 9.1 s."
    )
    assert "Make the QueuePool as large as the number of concurrent requests" in found.message
    (holder,) = found.holders or ()
    assert (holder.file, holder.line) == ("service.py", 36)
    assert holder.seconds == pytest.approx(40 * 9.05)


def test_it_ended_by_timeout() -> None:
    (found,) = lock_up(Threads(), ended_s=5.95).find()
    assert found.confidence == "high"
    assert "The deadlock ended after 5.0 s, when 40 calls failed." in found.message
    assert found.seconds == pytest.approx(40 * 5.0 + 10 * 4.95)


def test_it_ended_without_any_failure_and_is_none() -> None:
    threads = lock_up(Threads(), ended_s=6.0)
    threads.handovers = [each | {"failed": False} for each in threads.handovers]
    assert threads.find() == []


def test_an_answer_with_an_error_is_a_failure_too() -> None:
    """The code may catch the error and answer 503."""
    threads = lock_up(Threads(), ended_s=6.0)
    threads.handovers = [each | {"failed": False} for each in threads.handovers]
    audit = AuditBuilder()
    for visit in range(101, 141):
        audit.handle("/query", visit=visit, status=503)
    evidence = replace(threads.build(), handlers=audit.build().handlers)
    (found,) = PoolDeadlock.find(evidence).findings
    assert "40 calls failed" in found.message


def test_requests_of_other_routes_count_and_keep_nothing() -> None:
    threads = lock_up(Threads())
    threads.wait(200, 4.0, None, route="/health", asker=ask_from("endpoint"))
    (found,) = threads.find()
    assert found.count == 51
    assert found.seconds == pytest.approx(40 * 9.05 + 10 * 9.0 + 6.0)
    assert "10 requests that hold all of the QueuePool" in found.message


def test_fewer_keepers_than_connections_are_less_evidence() -> None:
    (found,) = lock_up(Threads(), keepers=3).find()
    assert found.confidence == "medium"
    assert "3 requests that passed this place wait for a thread" in found.message


def test_nested_hand_overs() -> None:
    """Each thread calls the loop, for a call that needs another thread."""
    threads = Threads(capacity=4.0)
    for visit in range(1, 5):
        line = 36 if visit < 4 else 37
        threads.stand(visit, 1.0, None, waits_for="the event loop", line=line)
        threads.wait(visit, 1.1, None, asker=ask_from("endpoint"))
    (found,) = threads.find()
    assert (found.confidence, found.count) == ("high", 4)
    assert found.message.startswith(
        "4 of 4 threads of anyio's pool are stuck at service.py:36, waiting for the event loop."
        " 4 calls made inside these threads wait for a thread of the same pool."
    )


def test_threads_that_hand_over_to_their_own_executor() -> None:
    threads = Threads(capacity=2.0, queue="executor")
    asker = json.dumps([["concurrent.futures.thread", "/usr/lib/t.py", 1, "_worker", 1]])
    for visit in (1, 2):
        threads.stand(visit, 1.0, None, waits_for="a thread of the pool")
        threads.wait(0, 1.1, None, asker=asker)
    (found,) = threads.find()
    assert (found.call, found.keepers) == ("a thread of the pool", 2)
    assert "asyncio's default executor" in found.message


def test_a_slow_upstream_is_none() -> None:
    assert lock_up(Threads(), waits_for=None).find() == []
    assert lock_up(Threads(), ended_s=6.0, waits_for=None).find() == []


def test_a_wait_for_the_loop_that_nobody_nests_is_none() -> None:
    assert lock_up(Threads(), waits_for="the event loop").find() == []


def test_a_lock_that_a_working_thread_keeps_is_none() -> None:
    threads = Threads(capacity=4.0)
    threads.run(1, 0.5, 0.6)
    threads.run(5, 0.7, None)  # works, and holds the lock
    for visit in (2, 3, 4):
        threads.stand(visit, 1.0, None, waits_for="lock")
    threads.wait(1, 1.1, None)
    assert threads.find() == []


def test_a_lock_that_a_waiting_request_keeps() -> None:
    threads = Threads(capacity=4.0)
    threads.run(1, 0.5, 0.6)
    for visit in (2, 3, 4, 5):
        threads.stand(visit, 1.0, None, waits_for="lock")
    threads.wait(1, 1.1, None)
    (found,) = threads.find()
    assert found.confidence == "medium"
    assert (
        "waiting for a lock. 1 request that passed this place waits for a thread" in found.message
    )


def test_two_locks_are_two_places() -> None:
    threads = Threads(capacity=4.0)
    threads.run(1, 0.5, 0.6)
    for visit in (2, 3, 4, 5):
        threads.stand(visit, 1.0, None, waits_for="lock", line=36 + visit % 2)
    threads.wait(1, 1.1, None)
    assert threads.find() == []


def test_a_few_threads_may_stand_elsewhere() -> None:
    threads = lock_up(Threads())
    for row in threads.handovers:
        if row["visit"] in (101, 102, 103, 104):
            threads.stacks = [each for each in threads.stacks if each["visit"] != row["visit"]]
    (found,) = threads.find()
    assert found.message.startswith("36 of 40 threads")
    threads.stacks = [each for each in threads.stacks if each["visit"] != 105]
    assert threads.find() == []


def test_threads_that_work_with_what_others_wait_for_are_none() -> None:
    """Two of forty hold the semaphore and wait for a slow upstream: they will release it. Two
    requests that held it before wait to be serialized, and hold nothing now."""
    threads = Threads()
    for visit in (1, 2):
        threads.run(visit, 0.5, 0.9)
        threads.wait(visit, 1.0, None)
    for visit in range(101, 139):
        threads.stand(visit, 0.95, None, waits_for="BoundedSemaphore of 2")
    assert len(threads.find()) == 1
    for visit in (3, 4):
        threads.stand(visit, 0.95, None, waits_for=None, line=38)
    assert threads.find() == []
    for row in threads.handovers[-2:]:  # another function; but their requests have passed it
        row["work"] = f"{FOLDER}/service.py:50 send"
    assert len(threads.find()) == 1
    for visit in (3, 4):
        threads.run(visit, 0.5, 0.9)
    assert threads.find() == []


def test_a_pool_that_goes_on_is_none() -> None:
    """Connections are returned all the time: threads wait 3 s for one, and get it."""
    threads = Threads()
    for visit in range(1, 11):
        threads.run(visit, 0.5, 0.9)
        threads.wait(visit, 1.0, 9.0)
    for visit in range(101, 180):
        began_s = 1.0 + 0.1 * (visit - 101)
        threads.stand(visit, began_s, began_s + 4.0)
    assert threads.find() == []


def test_waiting_calls_of_new_requests_alone_are_none() -> None:
    """Async code may hold the connections: nothing shows that a waiting call holds one."""
    threads = Threads()
    for visit in range(101, 141):
        threads.stand(visit, 0.95, 6.0, failed=True)
    for visit in range(1, 11):
        threads.wait(visit, 1.0, None)
    assert threads.find() == []


def test_a_free_thread_is_no_deadlock() -> None:
    assert lock_up(Threads(capacity=60.0)).find() == []
    assert lock_up(Threads(capacity=math.nan)).find() == []


def test_what_has_just_begun_is_not_yet_one() -> None:
    threads = Threads(capacity=2.0)
    threads.run(1, 0.5, 0.6)
    for visit in (2, 3):
        threads.stand(visit, LAST_S - 0.9, None)
    threads.wait(1, LAST_S - 0.8, None)
    assert threads.find() == []
