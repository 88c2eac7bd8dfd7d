"""Laws of the findings, on records that Hypothesis generates: seconds add up, no innocent code is
accused, and a victim loses no more than its delay."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, find_all
from analysis.findings.blocks.attribution import MIN_SAMPLES
from analysis.findings.blocks.causes import BLOCK_S, EXCUSES, judge_stretch
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.evidence import StretchClocks
from tests.unit.audit_samples import AuditBuilder, Entry, endpoint, library, own

SHARES = st.floats(0, 1)
LENGTHS = st.floats(BLOCK_S, 5)
TINY = 1e-9


@st.composite
def make_clocks(draw: st.DrawFn) -> StretchClocks:
    """Parts of a stretch, each of them sometimes unknown."""
    length_s = draw(LENGTHS)
    parts = [draw(st.none() | SHARES.map(lambda share: share * length_s)) for _ in range(6)]
    return StretchClocks(length_s, *parts)


FUNCTIONS = ("report", "export", "build")


@st.composite
def make_stack(draw: st.DrawFn) -> list[Entry]:
    function, line = draw(st.sampled_from(FUNCTIONS)), draw(st.integers(11, 14))
    below = draw(st.sampled_from([[], [library("socket", "readinto")], [library("json", "dumps")]]))
    return endpoint(function, line, below)


@st.composite
def make_audit(draw: st.DrawFn) -> AuditEvidence:
    """Consecutive stretches on one loop, and requests that overlap them in any way."""
    audit, now_s = AuditBuilder(), 0.0
    for _ in range(draw(st.integers(0, 12))):
        clocks = draw(make_clocks())
        audit.block(
            now_s,
            clocks.length_s,
            draw(st.lists(make_stack(), max_size=5)),
            route=draw(st.sampled_from(["/report", "/export", None])),
            cpu_s=clocks.cpu_s, run_delay_s=clocks.run_delay_s, gc_s=clocks.gc_s,
            unseen_s=clocks.unseen_s, paused_s=clocks.paused_s, holder_cpu_s=clocks.holder_cpu_s,
            holder_thread=9, holder_route="/held", holder_stack=draw(make_stack()),
        )  # fmt: skip
        now_s += clocks.length_s + draw(st.floats(0, 1))
    for _ in range(draw(st.integers(0, 12))):
        started_s = draw(st.floats(0, now_s + 1))
        took_s = draw(st.none() | st.floats(0, 3))
        ended_s = None if took_s is None else started_s + took_s
        audit.ask(draw(st.sampled_from(["/report", "/ping", "/slow"])), started_s, ended_s)
    return audit.build()


@given(make_clocks())
def test_the_parts_of_a_stretch_are_its_length(clocks: StretchClocks) -> None:
    judged = judge_stretch(clocks)
    assert judged.code_s >= 0
    assert judged.excused_s >= 0
    assert abs(judged.code_s + judged.excused_s - clocks.length_s) < TINY


@given(make_clocks())
def test_the_code_is_not_accused_of_what_the_machine_mostly_did(clocks: StretchClocks) -> None:
    machine_s = (clocks.run_delay_s or 0.0) + (clocks.paused_s or 0.0)
    judged = judge_stretch(clocks)
    if machine_s > clocks.length_s / 2 and judged.cause not in EXCUSES:
        assert judged.cause in {"compute", "gc"}
        assert judged.code_s <= clocks.length_s - machine_s + TINY
        assert (clocks.cpu_s or 0.0) >= max(BLOCK_S, judged.code_s / 2)
    if judged.code_s:
        assert judged.code_s >= BLOCK_S or machine_s == 0


@given(make_clocks(), SHARES)
def test_more_delay_never_makes_an_accusation(clocks: StretchClocks, share: float) -> None:
    """With the same length: excused time stays excused, and the code's part does not exceed its
    CPU."""
    less = replace(clocks, run_delay_s=clocks.run_delay_s or 0.0)
    more = replace(less, run_delay_s=(less.run_delay_s or 0.0) + share * clocks.length_s)
    before, after = judge_stretch(less), judge_stretch(more)
    burnt_s = 2 * (clocks.cpu_s or 0.0)  # half of the computation is enough
    assert after.code_s <= max(before.code_s, burnt_s) + TINY
    if before.cause in EXCUSES and after.cause not in EXCUSES:
        assert (clocks.cpu_s or 0.0) >= BLOCK_S


@given(make_clocks())
def test_no_thread_is_accused_that_did_not_compute(clocks: StretchClocks) -> None:
    assert judge_stretch(replace(clocks, holder_cpu_s=0.0)).cause != "gil"
    assert judge_stretch(replace(clocks, unseen_s=0.0)).cause != "gil"


@given(make_clocks())
def test_without_clocks_nothing_is_explained_but_a_collection(clocks: StretchClocks) -> None:
    unknown = replace(clocks, cpu_s=None, run_delay_s=None)
    assert judge_stretch(unknown).cause in {"unexplained", "gc", "paused"}


@given(make_audit())
def test_seconds_add_up(evidence: AuditEvidence) -> None:
    found = LoopBlocked.find(evidence)
    accused_s = sum(each.seconds or 0.0 for each in found.findings)
    length_s = sum(each.clocks.length_s for each in evidence.stretches)
    assert abs(accused_s + found.unexplained_s + found.excused_s - length_s) < 1e-6
    assert abs(found.blocked_s - length_s) < 1e-6


@given(make_audit())
def test_each_place_is_one_finding(evidence: AuditEvidence) -> None:
    found = LoopBlocked.find(evidence).findings
    keys = [
        (each.route, each.phase, each.file, each.line, each.function, each.call) for each in found
    ]
    assert len(set(keys)) == len(keys)
    for each in found:
        assert each.count
        assert (each.median_ms or 0) <= (each.longest_ms or 0) <= 1000 * (each.seconds or 0) + 1e-6
        assert each.share is None or 0 <= each.share <= 1


@given(make_audit())
def test_a_victim_lost_no_more_than_it_was_late(evidence: AuditEvidence) -> None:
    """Over all findings: a request is late by at most its excess over its route's fastest one."""
    lost: dict[str, float] = {}
    for found in find_all(evidence).findings:
        for victim in found.victims or ():
            assert victim.route != found.route
            lost[victim.route] = lost.get(victim.route, 0.0) + victim.seconds
    for route, seconds in lost.items():
        rows = evidence.asked.filter(route=route)
        answered = (rows["ended_s"] - rows["started_s"]).drop_nulls()
        until_s = rows["ended_s"].fill_null(evidence.record.phases[0].ended_s)
        took = [max(0.0, each) for each in (until_s - rows["started_s"])]
        fastest_s = min(answered)
        assert seconds <= sum(max(0.0, each - fastest_s) for each in took) + 1e-6


@given(st.lists(st.tuples(LENGTHS, st.floats(0.51, 1), st.booleans()), max_size=200))
def test_a_busy_machine_accuses_nobody(delays: Sequence[tuple[float, float, bool]]) -> None:
    """For any number of samples of the same innocent line while the loop waits for a core."""
    audit = AuditBuilder()
    for place, (length_s, share, is_pause) in enumerate(delays):
        column = "paused_s" if is_pause else "run_delay_s"
        stack = endpoint("ping", 11)
        audit.block(6.0 * place, length_s, [stack], route="/ping", **{column: share * length_s})
    found = find_all(audit.build())
    assert found.findings == ()
    assert abs(found.excused_s - found.blocked_s) < 1e-6


@given(
    st.lists(
        st.tuples(st.floats(BLOCK_S, 0.099), st.integers(0, 30)), max_size=MIN_SAMPLES * 31 - 31
    )
)
def test_a_function_is_not_accused_with_two_samples(jitter: Sequence[tuple[float, int]]) -> None:
    audit, seen = AuditBuilder(), dict[int, int]()
    for place, (length_s, function) in enumerate(jitter):
        seen[function] = seen.get(function, 0) + 1
        if seen[function] < MIN_SAMPLES:
            audit.block(float(place), length_s, [endpoint(f"answer_{function}", 10 + function)])
    found = find_all(audit.build())
    assert found.findings == ()
    assert abs(found.unexplained_s - found.blocked_s) < 1e-6


@given(st.integers(3, 9), st.integers(1000, 5000))
def test_jitter_of_a_route_that_is_often_asked_is_no_finding(rare: int, requests: int) -> None:
    """Fewer than one request in a hundred, and never for 0.1 s."""
    audit = AuditBuilder()
    for _ in range(requests):
        audit.handle("/ping")
    for place in range(rare):
        audit.block(float(place), 0.04, [endpoint("ping", 11)], route="/ping")
    assert find_all(audit.build()).findings == ()


def test_lines_with_too_few_samples_are_folded_into_the_worst_of_the_function() -> None:
    audit = AuditBuilder()
    line = endpoint("build", 31)
    audit.block(0.0, 0.4, [line, line, line, endpoint("build", 32), endpoint("other", 50)])
    (found,) = find_all(audit.build()).findings
    assert (found.function, found.line) == ("build", 31)
    assert abs((found.seconds or 0) - 0.32) < TINY


def test_two_lines_with_evidence_are_two_findings() -> None:
    audit = AuditBuilder()
    first, second = endpoint("build", 31), endpoint("build", 35)
    audit.block(0.0, 0.42, [first, first, first, second, second, second])
    found = find_all(audit.build()).findings
    assert [(each.line, round(each.seconds or 0, 6)) for each in found] == [(31, 0.21), (35, 0.21)]


def test_one_sample_speaks_for_the_time_in_which_the_loop_alone_computed() -> None:
    """A regular expression on the loop's own thread holds the GIL: the watchdog sees its end."""
    audit = AuditBuilder()
    stack = endpoint("search", 21, [library("re", "match")])
    audit.block(0.0, 1.5, [stack], route="/search", cpu_s=1.49, unseen_s=1.45)
    (found,) = find_all(audit.build()).findings
    assert (found.function, found.cause, found.call) == ("search", "compute", "re.match")


def test_a_thread_that_keeps_the_gil_is_the_finding_and_its_victim_is_not() -> None:
    """Eight users of an async route wait for a regular expression of a `def` route."""
    audit = AuditBuilder()
    holder = [library("re", "match"), own("search", 21)]
    audit.handle("/search", endpoint="/srv/shop/main.py:20 search")
    for place in range(3):
        audit.block(
            2.0 * place, 1.2, [endpoint("ping", 11)], route="/ping", unseen_s=1.18,
            holder_thread=9, holder_cpu_s=1.15, holder_visit=40 + place, holder_route="/search",
            holder_stack=holder,
        )  # fmt: skip
    (found,) = find_all(audit.build()).findings
    assert (found.route, found.function, found.line) == ("/search", "search", 21)
    assert (found.cause, found.phase, found.count) == ("gil", "endpoint", 3)


def test_threads_that_share_the_gil_are_no_finding() -> None:
    """Four threads that compute in Python switch every 5 ms."""
    audit = AuditBuilder()
    for place in range(50):
        audit.block(
            float(place), 0.09, [endpoint("ping", 11)] * 3, route="/ping", cpu_s=0.004,
            unseen_s=0.06, holder_thread=9, holder_cpu_s=0.025, holder_route="/slices",
            holder_stack=[own("compute_in_pool", 61)],
        )  # fmt: skip
    assert find_all(audit.build()).findings == ()


def test_the_backlog_behind_a_block_is_nobodys() -> None:
    """Samples of another request than the stretch's."""
    audit = AuditBuilder()
    audit.block(0.0, 0.2, [endpoint("build", 31)] * 4)
    audit.stacks[-1] |= {"visit": 99, "stack": audit.stacks[-1]["stack"]}
    for place in range(3):
        audit.block(1.0 + place, 0.05, [endpoint("ping", 11)], route="/ping")
        audit.stacks[-1] |= {"visit": 1}
    (found,) = find_all(audit.build()).findings
    assert found.function == "build"
    assert abs((found.seconds or 0) - 0.2) < TINY


def test_elsewhere_than_on_linux_the_place_is_found_and_the_cause_is_not() -> None:
    audit = AuditBuilder()
    for place in range(3):
        audit.block(float(place), 0.2, [endpoint("build", 31)] * 4, cpu_s=None, run_delay_s=None)
    found = find_all(audit.build())
    assert [(each.function, each.cause) for each in found.findings] == [("build", "unexplained")]
    assert "NO_CLOCKS" in {each.code for each in found.notices}


def test_the_line_of_the_def_is_where_functions_are_entered_and_no_accusation() -> None:
    audit = AuditBuilder()
    entry, body = endpoint("fibonacci", 80), endpoint("fibonacci", 84)
    for place in range(3):
        audit.block(float(place), 0.2, [entry, entry, entry, body, entry], cpu_s=0.19)
    (found,) = find_all(audit.build()).findings
    assert found.line == 84
    assert abs((found.seconds or 0) - 0.6) < TINY


def test_a_sample_alone_among_others_is_the_edge_of_what_they_show() -> None:
    """Code that runs after a block, in the same handle."""
    audit = AuditBuilder()
    edge = [library("starlette.responses", "__call__"), *endpoint("unused", 1)[1:]]
    for place in range(8):
        audit.block(float(place), 0.2, [*[endpoint("build", 31)] * 5, edge])
    found = find_all(audit.build())
    assert [each.function for each in found.findings] == ["build"]
    assert 0 < found.unexplained_s < 0.3


def test_cpu_that_was_burnt_is_an_accusation_on_a_busy_machine_too() -> None:
    audit = AuditBuilder()
    for place in range(3):
        audit.block(float(place), 0.3, [endpoint("build", 31)] * 4, cpu_s=0.1, run_delay_s=0.2)
    (found,) = find_all(audit.build()).findings
    assert (found.cause, round(found.seconds or 0, 6)) == ("compute", 0.3)


def test_a_function_that_calls_itself_is_in_the_line_of_the_call() -> None:
    audit = AuditBuilder()
    entered = ("main", "/srv/shop/main.py", 80, "fibonacci", 80)
    calling = ("main", "/srv/shop/main.py", 84, "fibonacci", 80)
    for place in range(3):
        audit.block(float(place), 0.2, [[entered, calling, *endpoint("recurse", 90)]] * 4)
    (found,) = find_all(audit.build()).findings
    assert (found.function, found.line) == ("fibonacci", 84)


def test_threads_that_keep_the_gil_in_turn_answer_for_what_each_burnt() -> None:
    """One of three has a third of the time; without a stack, its route says which code it is."""
    audit = AuditBuilder()
    for place in range(3):
        holder = [library("re", "match"), own("search", 21)] if place else []
        audit.block(
            3.0 * place, 1.5, [], route=None, visit=0, timed=0, unseen_s=1.45, holder_thread=9,
            holder_cpu_s=0.48, holder_visit=9 + place, holder_route="/search", holder_stack=holder,
        )  # fmt: skip
    found = find_all(audit.build())
    assert [(each.route, each.function) for each in found.findings] == [("/search", "search")]
    assert abs((found.findings[0].seconds or 0) - 3 * 0.48) < 1e-6
    assert abs(found.unexplained_s - 3 * 1.02) < 1e-6


@given(st.integers(3, 9), st.booleans())
def test_a_rare_collection_is_not_the_fault_of_who_meets_it(rare: int, is_gc: bool) -> None:
    """A rare wait of that length is a finding."""
    audit = AuditBuilder()
    for _ in range(1000):
        audit.handle("/ping")
    for place in range(rare):
        gc_s = 0.3 if is_gc else 0.0
        audit.block(float(place), 0.3, [endpoint("ping", 11)] * 3, route="/ping", gc_s=gc_s)
    assert len(find_all(audit.build()).findings) == (0 if is_gc else 1)
