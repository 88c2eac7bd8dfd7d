"""The route of a block without a request: known if all requests in flight have the same one."""

from collections.abc import Sequence

import pytest

from analysis.findings.blocks.loop_blocked import LoopBlocked
from tests.unit.audit_samples import RUN, AuditBuilder, Entry, endpoint, find_kind, library, own

IN_REQUEST = [
    own("hash_password", 4),
    library("fastapi.dependencies.utils", "solve_dependencies"),
    *endpoint("report", 17)[1:],
]
CALLBACK = [own("poll", 41), *RUN]


def find_route(
    stack: Sequence[Entry], requests: Sequence[tuple[str, float, float | None]], pid: int = 7
) -> str | None:
    """requests: route, arrival, departure, around a block from second 1 to 2 of each ten."""
    audit = AuditBuilder()
    audit.block(1.0, 1.0, [stack] * 5, route=None, visit=0)
    for route, arrived_s, left_s in requests:
        audit.handle(route, pid=pid, arrived_s=arrived_s, returned_s=left_s)
    (found,) = find_kind(LoopBlocked, audit.build())
    return found.route


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([("/a", 0.9, 2.1)], "/a"),
        ([("/a", 0.9, None)], "/a"),  # it never left
        ([("/a", 0.9, 2.1), ("/a", 0.5, 2.3)], "/a"),
        ([("/a", 0.9, 2.1), ("/b", 2.0, 3.0)], "/a"),  # it arrived after the block
        ([("/a", 0.9, 2.1), ("/b", 0.1, 0.8)], "/a"),
        ([("/a", 0.9, 2.1), ("/b", 0.5, 2.3)], None),
        ([("/b", 0.1, 0.8)], None),
        ([], None),
    ],
)
def test_the_only_route_in_flight_is_the_block_s(
    requests: list[tuple[str, float, float | None]], expected: str | None
) -> None:
    assert find_route(IN_REQUEST, requests) == expected


def test_a_callback_and_another_process_get_no_route() -> None:
    assert find_route(CALLBACK, [("/a", 0.9, 2.1)]) is None
    assert find_route(IN_REQUEST, [("/a", 0.9, 2.1)], pid=8) is None
