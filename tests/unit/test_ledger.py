from itertools import pairwise
from math import isnan

from hypothesis import given
from hypothesis import strategies as st

from stress.load.sent_requests import LedgerEntry, RequestLedger, Row, UserRamp


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=200), st.integers(1, 40))
def test_every_request_is_told_and_the_counts_agree(
    steps: list[tuple[int, bool]], look_every: int
) -> None:
    """For any behaviour of users and any time of reading, the last row of each id is right."""
    ledger = RequestLedger(cell_number=7)
    for _ in range(5):
        ledger.add_user()
    asking: dict[int, LedgerEntry] = {}
    rows: list[Row] = []
    clock = 0.0
    for count, (user, good) in enumerate(steps):
        clock += 1.0
        if user in asking:
            error = None if good else "HTTP 500"
            ledger.finish(asking.pop(user), clock, 200 if good else 500, error, 4)
        else:
            asking[user] = ledger.begin(user, clock, clock)
        if count % look_every == 0:
            rows += ledger.take_new_rows()
    rows += ledger.take_new_rows()
    last = {row[1]: row for row in rows}
    counts = ledger.take_snapshot()
    assert len(last) == counts.sent
    assert sum(isnan(row[4]) for row in last.values()) == counts.in_flight == len(asking)
    assert counts.completed + counts.in_flight == counts.sent
    assert counts.failed == sum(row[6] is not None for row in last.values())
    assert ledger.take_new_rows() == []


def test_ids_differ_between_users_processes_and_requests() -> None:
    ids = set()
    for process in range(3):
        ledger = RequestLedger(cell_number=1, process=process)
        for _ in range(4):
            user = ledger.add_user()
            for _ in range(5):
                entry = ledger.begin(user, 0.0, 0.0)
                ids.add(entry.request_id)
                ledger.finish(entry, 1.0, 200, None, 0)
    assert len(ids) == 3 * 4 * 5


def test_a_process_counts_its_requests_over_all_users() -> None:
    """A count of each user would begin again within an hour, and a row replace another one."""
    ledger = RequestLedger(cell_number=1, process=2)
    users = [ledger.add_user(), ledger.add_user()]
    first, *later = (ledger.begin(user, 0.0, 0.0).request_id for user in [*users, *users])
    assert later == [first + 1, first + 2, first + 3]
    assert ledger.take_snapshot().users == 2


def test_a_user_is_warm_after_a_request_sent_when_the_ramp_was_over() -> None:
    ledger = RequestLedger(cell_number=1)
    user = ledger.add_user()
    early = ledger.begin(user, 0.0, 0.0)
    ledger.ramp_end_s = 5.0
    ledger.finish(early, 6.0, 200, None, 0)
    assert ledger.take_snapshot().warm == 0
    reset = ledger.begin(user, 6.0, 6.0)
    ledger.finish(reset, 6.5, 0, "connection closed", 0)
    assert ledger.take_snapshot().warm == 0  # no server answered it
    late = ledger.begin(user, 6.5, 6.5)
    ledger.finish(late, 7.0, 500, "HTTP 500", 0)
    assert ledger.take_snapshot().warm == 1


@given(st.integers(1, 500), st.floats(0.5, 500), st.integers(1, 4))
def test_users_of_all_processes_begin_evenly(users: int, spawn_rate: float, processes: int) -> None:
    ramps = [UserRamp(users, spawn_rate, processes, process) for process in range(processes)]
    turns = sorted(
        ramp.compute_user_start_s(user, 100.0)
        for user in range(-(-users // processes))
        for ramp in ramps
    )[:users]
    gaps = [after - before for before, after in pairwise(turns)]
    assert turns[0] == 100.0
    assert all(abs(gap - 1 / spawn_rate) < 1e-6 for gap in gaps)  # floats near 1000 s
    assert turns[-1] <= ramps[0].end_s
