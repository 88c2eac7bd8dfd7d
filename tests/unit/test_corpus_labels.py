"""The corpus's labels match its code; no server starts here."""

from collections import Counter

import pytest

from tests.corpus.labels import (
    APPS,
    CAUSES,
    CODES,
    HOLDER_MARKER,
    LOOP_BLOCKED,
    MARKER,
    PHASES,
    WAITS,
    BlockingLabel,
    find_innermost_function,
    load_corpus,
)

CORPUS = load_corpus()
LABELS = [label for app in CORPUS for label in app.blocking]
BLOCKING = [label for label in LABELS if label.code == LOOP_BLOCKED]
PLACED = [label for label in LABELS if label.lines]
OTHERS = [label for label in LABELS if label.code != LOOP_BLOCKED]
INNOCENT = [label for app in CORPUS for label in app.innocent]


def get_function_name(file: str, line: int) -> str:
    found = find_innermost_function(file, line)
    return found.name if found else "<module>"


def test_enough_routes_block_and_enough_are_innocent() -> None:
    assert len(BLOCKING) >= 40
    assert len(OTHERS) >= 25
    assert len(INNOCENT) >= 20


def test_every_code_occurs() -> None:
    assert {label.code for label in LABELS} == set(CODES)


def test_every_phase_and_every_cause_occurs() -> None:
    assert {phase for label in LABELS for phase in label.phases} == set(PHASES)
    assert {label.cause for label in BLOCKING} == set(CAUSES)


def test_a_name_is_one_labels() -> None:
    counts = Counter([label.name for label in LABELS] + [label.name for label in INNOCENT])
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("label", PLACED, ids=lambda label: label.name)
def test_the_marked_lines_are_in_the_function_that_the_label_names(label: BlockingLabel) -> None:
    lines = label.lines[-1:] if label.inside else label.lines
    functions = {get_function_name(label.file, line) for line in lines}
    assert functions == {label.function}


def test_every_marker_is_a_labels() -> None:
    marked = {
        found[1]
        for path in APPS.glob("*.py")
        for line in path.read_text().splitlines()
        if (found := MARKER.search(line))
    }
    assert marked == {label.name for label in PLACED}


def test_a_holders_marker_is_one_line_and_some_label_names_it() -> None:
    marked = {
        (path.name, number)
        for path in APPS.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if HOLDER_MARKER.search(line)
    }
    holders = [label.holder for label in LABELS if label.holder]
    assert all(any(h.file == f and n in h.lines for h in holders) for f, n in marked)
    routes = {(app.name, each.route) for app in CORPUS for each in app.labels}
    assert {(label.app, label.holder.route) for label in LABELS if label.holder} <= routes


def test_every_wait_has_a_holder_and_its_app_a_clock_of_it() -> None:
    for label in OTHERS:
        assert label.code in CODES
        assert f'"{label.name}"' in (APPS / label.file).read_text()
        assert (label.holder is not None) == (label.code in WAITS), label.name


def test_every_app_has_labels() -> None:
    assert {path.stem for path in APPS.glob("*_app.py")} == {app.name for app in CORPUS}


def test_only_picks_apps_by_name_and_kind() -> None:
    assert [app.name for app in load_corpus(["gil"])] == ["gil_app"]
    assert [app.name for app in load_corpus(["WebSocket", "gc_"])] == ["gc_app", "sockets_app"]
    assert load_corpus(["no such kind"]) == ()
