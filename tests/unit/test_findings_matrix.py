"""Which code cost which route time: none loses more than its delay, and nothing counts twice."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, AuditFinding, export_findings, find_all
from analysis.findings.base import AuditFindings, HarmMatrix, Victim
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.blocks.victims import RequestsInFlight
from analysis.findings.matrix import charge_findings
from records.rows import HANDOVERS, LAYERS
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, make_table
from tests.unit.finding_samples import (
    SampleDeadlock,
    SampleExecutorWait,
    SampleKeptAnswer,
    SamplePins,
    SamplePoolWait,
    keep_threads,
)

ROUTES = ("/fast", "/slow", "/other")
LAYER = "/srv/shop/main.py:30 Timing.__call__"
TINY = 1e-6
Span = tuple[float, float]


@dataclass
class DelayedAudit:
    """Requests with delays of their own. spans: by visit, what may have cost it time."""

    audit: AuditBuilder = field(default_factory=AuditBuilder)
    handovers: list[dict[str, object]] = field(default_factory=list)
    layers: list[dict[str, object]] = field(default_factory=list)
    requests: list[tuple[str, Span, list[Span]]] = field(default_factory=list)

    def ask(self, route: str, began_s: float, took_s: float, is_answered: bool = True) -> int:
        ended_s = began_s + took_s if is_answered else None
        self.audit.ask(route, began_s, ended_s)
        visit = len(self.audit.asked)
        if not is_answered:
            self.audit.handle(route, request_id=visit)
        self.audit.handlers[-1]["visit"] = visit
        until_s = ended_s if ended_s is not None else max(began_s, 10.0)
        self.requests.append((route, (began_s, until_s), []))
        return visit

    def wait(
        self,
        visit: int,
        began_s: float,
        took_s: float | None,
        queue: str = "anyio",
        line: int = 20,
    ) -> None:
        """took_s: None if it never gets a thread."""
        granted_s = None if took_s is None else began_s + took_s
        self.handovers.append({
            "pid": PID, "handover": len(self.handovers), "visit": visit, "queue": queue,
            "route": self.requests[visit - 1][0], "asked_s": began_s, "queued_s": began_s,
            "granted_s": granted_s, "began_s": granted_s, "ended_s": granted_s, "capacity": 2.0,
            "asker": json.dumps(endpoint("read", line)),
        })  # fmt: skip
        self.requests[visit - 1][2].append((began_s, 1e9 if granted_s is None else granted_s))

    def use(self, visit: int, began_s: float, took_s: float) -> None:
        """A token of anyio's that was free at once."""
        route = self.requests[visit - 1][0]
        self.handovers.append({
            "pid": PID, "handover": len(self.handovers), "visit": visit, "queue": "anyio",
            "route": route, "asked_s": began_s, "granted_s": began_s, "began_s": began_s,
            "ended_s": began_s + took_s, "asker": json.dumps(endpoint("read", 20)),
            "work": "/srv/shop/main.py:20 read", "capacity": 2.0,
        })  # fmt: skip

    def keep(self, visit: int, began_s: float, took_s: float) -> None:
        """A middleware holds back the start of the response."""
        route, _, spans = self.requests[visit - 1]
        late_s = began_s + took_s
        outer = {
            "layer": LAYER, "kind": "ASGI", "depth": 1, "entered_s": began_s, "inner_s": began_s,
            "answered_s": began_s, "passed_s": late_s, "body_s": late_s,
        }  # fmt: skip
        inner = {
            "layer": "endpoint", "kind": "endpoint", "depth": 2, "start_wait_s": took_s,
            "body_s": late_s, "sent_s": late_s,
        }  # fmt: skip
        both = {"pid": PID, "visit": visit, "route": route, "returned_s": late_s}
        self.layers += [both | {"start_wait_s": 0.0} | each for each in (outer, inner)]
        spans.append((began_s, late_s))

    def build(self) -> AuditEvidence:
        return replace(
            self.audit.build(),
            handovers=make_table(self.handovers, HANDOVERS),
            layers=make_table(self.layers, LAYERS),
        )


def measure_union(spans: Sequence[Span], within: Span) -> float:
    """Seconds of the spans within another, by brute force."""
    edges = sorted({edge for span in [*spans, within] for edge in span})
    return sum(
        until_s - from_s
        for from_s, until_s in pairwise(edges)
        if within[0] <= from_s and until_s <= within[1]
        if any(begin <= from_s and until_s <= end for begin, end in spans)
    )


HALVES = st.integers(0, 10).map(lambda half: half / 2)
"""Times that often coincide."""


@st.composite
def make_delayed_audit(draw: st.DrawFn) -> DelayedAudit:
    made, now_s = DelayedAudit(), draw(HALVES)
    for number in range(draw(st.integers(0, 3))):
        length_s = draw(st.floats(0.02, 3))
        stack = endpoint("report", 17 + number % 2)
        made.audit.block(now_s, length_s, [stack] * 4, route=draw(st.sampled_from(ROUTES)))
        now_s += length_s + draw(HALVES)
    for route in ROUTES if draw(st.booleans()) else ():
        made.ask(route, 9.0, 0.0)
    for _ in range(draw(st.integers(1, 6))):
        visit = made.ask(
            draw(st.sampled_from(ROUTES)), draw(HALVES), draw(HALVES), draw(st.booleans())
        )
        for _ in range(draw(st.integers(0, 3))):
            queue = draw(st.sampled_from(["anyio", "executor", "limiter 1", "asgiref"]))
            wait_s = draw(st.none() | HALVES)
            made.wait(visit, draw(HALVES), wait_s, queue, draw(st.integers(20, 21)))
        if draw(st.booleans()):  # a middleware runs within its request
            begin_s, end_s = made.requests[visit - 1][1]
            kept_s = draw(st.floats(0, 1)) * (end_s - begin_s)
            made.keep(visit, end_s - kept_s, kept_s)
    return made


HOLDERS = st.lists(
    st.builds(
        keep_threads, st.sampled_from([*ROUTES, None]), st.floats(0, 100), st.integers(10, 13)
    ),
    max_size=4,
)


@st.composite
def make_findings(draw: st.DrawFn) -> list[AuditFinding]:
    """Every place has one finding per kind of queue, and some have others."""
    kinds = SamplePoolWait, SampleExecutorWait, SampleDeadlock, SamplePins
    every = st.tuples(st.sampled_from(kinds), st.sampled_from(ROUTES), st.integers(20, 21))
    usual = [(kind, route, line) for kind in kinds[:2] for route in ROUTES for line in (20, 21)]
    found: list[AuditFinding] = [
        kind(
            severity="warning",
            confidence="high",
            route=route,
            phase="endpoint",
            file="main.py",
            line=line,
            function="read",
            seconds=draw(st.floats(0, 50)),
            holders=draw(st.just((keep_threads(None, 1.0),)) | st.none() | HOLDERS.map(tuple)),
        )
        for kind, route, line in [*usual, *draw(st.lists(every, max_size=4))]
    ]
    return found + [find_kept_answer(route) for route in ROUTES if draw(st.booleans())]


def find_kept_answer(route: str) -> AuditFinding:
    return SampleKeptAnswer(
        severity="warning", confidence="high", route=route, phase="middleware", file="main.py",
        line=30, function="Timing.__call__", seconds=1.0, cause="answer",
    )  # fmt: skip


def find_wait(holders: Sequence[tuple[str | None, float]]) -> AuditFinding:
    return SamplePoolWait(
        severity="error", confidence="high", route="/fast", phase="endpoint", file="main.py",
        line=20, function="read", seconds=9.0, count=1, cause="pool",
        holders=tuple(keep_threads(route, seconds) for route, seconds in holders),
    )  # fmt: skip


def round_cells(matrix: HarmMatrix) -> list[list[float]]:
    return [[round(each, 6) for each in row] for row in matrix.seconds]


def sum_column(matrix: HarmMatrix, route: str) -> float:
    place = matrix.routes.index(route)
    return sum(row[place] for row in matrix.seconds)


def measure_most(made: DelayedAudit, evidence: AuditEvidence, route: str) -> float:
    """The most that requests of the route can have lost: not more than their delay compared with
    the route's fastest request without its own delays, and only time in blocks and delays, where
    overlapping times count once."""
    blocks = [(each.began_s, each.ended_s) for each in evidence.stretches]
    mine = [each for each in made.requests if each[0] == route]
    answered = {row["request_id"] for row in made.audit.asked if row["ended_s"] is not None}
    fastest_s = min(
        within[1] - within[0] - measure_union(spans, within)
        for number, (name, within, spans) in enumerate(made.requests, start=1)
        if name == route and number in answered
    )
    return sum(
        min(
            max(0.0, within[1] - within[0] - fastest_s),
            measure_union([*spans, *blocks], within),
        )
        for _, within, spans in mine
    )


@given(make_delayed_audit(), make_findings())
def test_no_route_lost_more_than_it_was_late_and_a_row_is_what_the_culprit_took(
    made: DelayedAudit, samples: list[AuditFinding]
) -> None:
    evidence = made.build()
    found, matrix = charge_findings([*LoopBlocked.find(evidence).findings, *samples], evidence)
    for route in matrix.routes:
        assert sum_column(matrix, route) <= measure_most(made, evidence, route) + TINY
    assert all(cell >= 0 for row in matrix.seconds for cell in row)
    assert all(len(row) == len(matrix.routes) for row in matrix.seconds)
    assert abs(sum(each.taken_s for each in found) - sum(map(sum, matrix.seconds))) < TINY
    for culprit, row in zip(matrix.rows, matrix.seconds, strict=True):
        assert sum(row) > 0
        if culprit.route in matrix.routes:
            assert row[matrix.routes.index(culprit.route)] == 0
        if culprit.harm == "blocks the loop":
            key = culprit.route, culprit.line, culprit.phase
            mine = [each for each in found if (each.route, each.line, each.phase) == key]
            taken_s = sum(each.taken_s for each in mine if each.code == "LOOP_BLOCKED")
            assert abs(taken_s - sum(row)) < TINY


@settings(max_examples=40)
@given(make_delayed_audit(), st.lists(st.tuples(HALVES, HALVES), max_size=6))
def test_over_all_findings_of_an_audit_nobody_lost_more_than_it_was_late(
    made: DelayedAudit, uses: list[tuple[float, float]]
) -> None:
    """Here the findings themselves find the waits, their holders and the middleware."""
    for began_s, took_s in uses:
        made.use(made.ask("/slow", began_s, took_s), began_s, took_s)
    evidence = made.build()
    found = find_all(evidence)
    for route in found.matrix.routes:
        assert sum_column(found.matrix, route) <= measure_most(made, evidence, route) + TINY
    charged = [each for each in found.findings if each.code != "THREADS_PINNED"]
    lost: dict[str, float] = defaultdict(float)
    for victim in (each for finding in charged for each in finding.victims or ()):
        lost[victim.route] += victim.seconds
    for route, seconds in lost.items():
        assert seconds <= sum_column(found.matrix, route) + TINY


def ask_twice(made: DelayedAudit) -> int:
    """A route that takes 0.1 s, and a request of it that takes 2 s longer."""
    made.ask("/fast", 0.0, 0.1)
    return made.ask("/fast", 1.0, 2.1)


def test_waits_are_shared_out_among_the_holders() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    wait = find_wait([("/slow", 30.0), ("/other", 10.0), ("/fast", 40.0)])
    (found,), matrix = charge_findings([wait], made.build())
    assert [(each.route, each.harm, each.file) for each in matrix.rows] == [
        ("/slow", "keeps threads", "main.py"), ("/other", "keeps threads", "main.py"),
    ]  # fmt: skip
    assert matrix.routes == ("/fast",)
    assert round_cells(matrix) == [[0.75], [0.25]]
    (victim,) = found.victims or ()
    assert (victim.route, victim.requests, round(victim.seconds, 6)) == ("/fast", 1, 1.0)


def test_where_the_loop_was_blocked_meanwhile_the_block_counts() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    made.audit.block(1.5, 1.0, [endpoint("report", 17)] * 5)
    evidence = made.build()
    blocked = LoopBlocked.find(evidence).findings
    _, matrix = charge_findings([*blocked, find_wait([("/slow", 1.0)])], evidence)
    assert {each.harm for each in matrix.rows} == {"blocks the loop", "keeps threads"}
    assert round_cells(matrix) == [[1.0], [1.0]]


def test_a_request_that_was_not_late_lost_nothing() -> None:
    """A background task waits after the response; a wait behind other work costs nothing."""
    made = DelayedAudit()
    made.ask("/fast", 0.0, 2.0)
    visit = made.ask("/fast", 3.0, 2.0)
    made.wait(visit, 5.1, 3.0)
    made.wait(visit, 3.1, 1.0)
    (found,), matrix = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    assert found.victims == ()
    assert matrix == HarmMatrix()


def test_a_wait_that_never_ends_counts_while_the_request_lasts() -> None:
    made = DelayedAudit()
    made.ask("/fast", 0.0, 0.1)
    made.wait(made.ask("/fast", 4.0, 0.0, is_answered=False), 4.0, None)
    _, matrix = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    assert round_cells(matrix) == [[5.9]]


def test_two_waits_at_once_cost_a_request_their_union() -> None:
    made = DelayedAudit()
    visit = ask_twice(made)
    made.wait(visit, 1.0, 1.0)
    made.wait(visit, 1.5, 1.0)
    _, matrix = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    assert round_cells(matrix) == [[1.5]]


def test_waits_for_executors_are_not_charged_to_who_keeps_the_pool() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0, "executor")
    (found,), _ = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    assert found.victims == ()


def test_a_deadlock_answers_for_its_holders() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    wait = find_wait([("/slow", 3.0), ("/other", 1.0)])
    deadlock = SampleDeadlock(
        severity="error", confidence="high", route="/slow", holders=(keep_threads("/slow", 40.0),)
    )
    (waits, stuck), matrix = charge_findings([wait, deadlock], made.build())
    assert (round(waits.taken_s, 6), round(stuck.taken_s, 6)) == (0.5, 1.5)
    assert round(sum(map(sum, matrix.seconds)), 6) == 2.0


def test_pinned_threads_have_the_victims_of_their_place_and_else_what_was_found() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    victims = (Victim("/small", 1, 0.2),)
    pins = [
        SamplePins(
            severity="error", confidence="high", route=route, phase="endpoint", file="main.py",
            line=12, function="keep", victims=victims,
        )
        for route in ("/slow", "/idle")
    ]  # fmt: skip
    wait = find_wait([("/slow", 3.0), ("/other", 1.0)])
    (waits, slow, idle), matrix = charge_findings([wait, *pins], made.build())
    assert [round(each.taken_s, 6) for each in (waits, slow, idle)] == [0.5, 1.5, 0.2]
    assert [each.route for each in slow.victims or ()] == ["/fast"]
    assert round(sum(map(sum, matrix.seconds)), 6) == 2.0


def test_a_middleware_that_keeps_answers_takes_from_every_route() -> None:
    made = DelayedAudit()
    made.keep(ask_twice(made), 1.1, 2.0)
    made.ask("/other", 5.0, 0.2)
    made.keep(made.ask("/other", 6.0, 1.2), 6.2, 1.0)
    kept = [find_kept_answer(route) for route in ("/fast", "/other")]
    found, matrix = charge_findings(kept, made.build())
    (culprit,) = matrix.rows
    assert (culprit.harm, culprit.route, culprit.line) == ("delays answers", None, 30)
    assert matrix.routes == ("/fast", "/other")
    assert round_cells(matrix) == [[2.0, 1.0]]
    victims = [victim for each in found for victim in each.victims or ()]
    assert [(each.route, round(each.seconds, 6)) for each in victims] == [
        ("/fast", 2.0), ("/other", 1.0),
    ]  # fmt: skip


def test_of_the_users_own_traffic_the_app_says_who_was_late() -> None:
    """A WebSocket is not a request that waits for its response."""
    made = DelayedAudit()
    for visit, (arrived_s, sent_s) in enumerate([(0.0, 0.1), (1.0, 3.1)], start=1):
        made.audit.handle("/fast", visit=visit, arrived_s=arrived_s, sent_s=sent_s)
        made.requests.append(("/fast", (arrived_s, sent_s), []))
    made.audit.handle("/live", visit=3, arrived_s=0.0, protocol="websocket")
    made.wait(2, 1.0, 2.0)
    evidence = made.build()
    (found,), matrix = charge_findings([find_wait([("/slow", 1.0)])], evidence)
    assert [(each.route, each.requests) for each in found.victims or ()] == [("/fast", 1)]
    assert round_cells(matrix) == [[2.0]]
    assert set(RequestsInFlight(evidence).routes) == {"/fast"}


def test_waits_of_another_place_are_not_charged() -> None:
    made = DelayedAudit()
    visit = ask_twice(made)
    made.wait(visit, 1.0, 0.5)
    made.wait(visit, 1.5, 1.5, line=21)
    _, matrix = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    assert round_cells(matrix) == [[0.5]]


def test_waits_without_known_holders_have_no_known_victims() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    (found,), matrix = charge_findings([replace(find_wait([]), holders=None)], made.build())
    assert found.victims is None
    assert matrix == HarmMatrix()


def test_the_matrix_is_a_key_of_findings_json() -> None:
    made = DelayedAudit()
    made.wait(ask_twice(made), 1.0, 2.0)
    found, matrix = charge_findings([find_wait([("/slow", 1.0)])], made.build())
    matrix = replace(matrix, seconds=((2.0,),))
    exported = export_findings(AuditFindings(findings=found, matrix=matrix))
    assert exported["schema"] == 1
    assert exported["matrix"] == {
        "rows": (
            {
                "harm": "keeps threads", "route": "/slow", "phase": "endpoint", "file": "main.py",
                "line": 10, "function": "keep",
            },
        ),
        "routes": ("/fast",),
        "seconds": ((2.0,),),
    }  # fmt: skip
