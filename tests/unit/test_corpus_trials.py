"""How the benchmark handles clocks and the logs of other detectors."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.audit_corpus import format_right, list_codes, score_matches
from benchmarks.corpus_rivals import read_reports
from benchmarks.corpus_trials import AskedAlone, find_route
from tests.corpus.labels import load_corpus
from tests.corpus.matching import Report, Taken, match_reports
from tests.corpus.serve import Work, measure_taken, measure_union, read_work

works = st.lists(st.builds(Work, st.integers(0, 50), st.integers(1, 20), st.integers(1, 20)))


@given(works)
def test_the_union_counts_each_second_once(found: list[Work]) -> None:
    seconds = {s for w in found for s in range(int(w.began_s), int(w.began_s + w.seconds))}
    assert measure_union(found) == len(seconds)


@given(works)
def test_a_wait_takes_its_time_and_a_computation_its_cpu_or_more(found: list[Work]) -> None:
    wait = measure_taken(found, "wait")
    assert wait.least_s == wait.most_s == sum(each.seconds for each in found)
    assert measure_taken([], "wait", found) == Taken(0, wait.most_s)
    for cause in ("compute", "gil", "gc"):
        taken = measure_taken(found, cause)
        assert taken.least_s == sum(each.cpu_s for each in found)
        assert taken.most_s == max(taken.least_s, measure_union(found))


def test_work_is_read_of_all_processes_up_to_the_zeros(tmp_path: Path) -> None:
    (tmp_path / "times.7").write_bytes(b"a 1.5 0.25 0.25\nb 2.0 0.5 0.0\n" + bytes(100))
    (tmp_path / "times.8").write_bytes(b"a 3.0 0.125 0.0625\n" + bytes(100))
    (tmp_path / "times.9").write_bytes(bytes(100))
    (tmp_path / "timeless.1").write_bytes(b"c 1.0 1.0 1.0\n")
    found = read_work(tmp_path / "times")
    assert sorted(found) == ["a", "b"]
    assert set(found["a"]) == {Work(1.5, 0.25, 0.25), Work(3.0, 0.125, 0.0625)}


def test_the_route_that_was_asked_alone_is_known_by_the_time() -> None:
    asked = [AskedAlone("/a", 1.0, 2.0), AskedAlone("/b", 2.5, 3.0)]
    assert [find_route(asked, at) for at in (0.5, 1.5, 2.2, 3.0)] == [None, "/a", None, "/b"]


def test_reports_of_one_place_are_one_with_its_seconds_and_its_template(tmp_path: Path) -> None:
    (app,) = load_corpus(["waits_app"])
    place = {"path": "/sleep/7", "file": "/x/waits_app.py", "line": 3, "function": "sleep"}
    bare = {"path": None, "file": None, "line": None, "function": None}
    lines = [
        {"at_s": 1.5, "seconds": 0.25, **place},
        {"at_s": 1.6, "seconds": 0.5, **place},
        {"at_s": 9.0, "seconds": 1.0, **bare},
    ]
    log = tmp_path / "log"
    log.write_text("".join(json.dumps(each) + "\n" for each in lines))
    first, second = read_reports(log, app, [AskedAlone("/sleep/{number}", 1.0, 2.0)])
    assert first == Report(
        "/sleep/{number}", "/x/waits_app.py", 3, "sleep", seconds=0.75, during="/sleep/{number}"
    )
    assert second == Report(seconds=1.0)


def test_a_detector_that_knows_no_seconds_has_none(tmp_path: Path) -> None:
    (app,) = load_corpus(["waits_app"])
    entry = {"at_s": 1.0, "seconds": None, "path": "/short", "file": None, "line": None}
    log = tmp_path / "log"
    log.write_text(2 * (json.dumps({**entry, "function": None}) + "\n"))
    (report,) = read_reports(log, app, [])
    assert report.route == "/short"
    assert report.seconds is None


def test_what_never_began_is_no_work(tmp_path: Path) -> None:
    assert read_work(tmp_path / "times") == {}


def test_each_code_is_scored_by_itself() -> None:
    (app,) = load_corpus(["limiter_app"])
    render, size = app.blocking
    reports = [
        Report(route="/render", phase="endpoint", seconds=2.1, code="POOL_WAIT"),
        Report(route="/ping", code="EXECUTOR_WAIT"),
    ]
    taken = {each.name: Taken(2.0, 2.0) for each in (render, size)}
    matches = [match_reports(app, reports, taken)]
    assert list_codes(matches) == ["POOL_WAIT", "EXECUTOR_WAIT"]
    pool, executor = (score_matches("x", code, 20, matches) for code in list_codes(matches))
    assert (pool.places, pool.false_alarms) == (2, 0)
    assert (pool.right["detected"], pool.right["seconds"], pool.right["holder"]) == (1, 1, None)
    assert [round(each, 3) for each in pool.errors] == [0.05]
    assert (executor.places, executor.false_alarms) == (0, 1)
    assert executor.right["detected"] is None
    assert (format_right(pool, "detected"), format_right(pool, "words")) == ("1", "–")
