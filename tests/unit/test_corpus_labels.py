"""The corpus says of itself what its code shows: nothing here starts a server."""

from collections import Counter

import pytest

from tests.corpus.labels import (
    APPS,
    CAUSES,
    MARKER,
    PHASES,
    BlockingLabel,
    find_innermost_function,
    load_corpus,
)

CORPUS = load_corpus()
BLOCKING = [label for app in CORPUS for label in app.blocking]
INNOCENT = [label for app in CORPUS for label in app.innocent]


def get_function_name(file: str, line: int) -> str:
    found = find_innermost_function(file, line)
    return found.name if found else "<module>"


def test_enough_routes_block_and_enough_are_innocent() -> None:
    assert len(BLOCKING) >= 40
    assert len(INNOCENT) >= 12


def test_every_phase_and_every_cause_occurs() -> None:
    assert {phase for label in BLOCKING for phase in label.phases} == set(PHASES)
    assert {label.cause for label in BLOCKING} == set(CAUSES)


def test_a_name_is_one_labels() -> None:
    counts = Counter([label.name for label in BLOCKING] + [label.name for label in INNOCENT])
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("label", BLOCKING, ids=lambda label: label.name)
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
    assert marked == {label.name for label in BLOCKING}


def test_every_app_has_labels() -> None:
    assert {path.stem for path in APPS.glob("*_app.py")} == {app.name for app in CORPUS}


def test_only_picks_apps_by_name_and_kind() -> None:
    assert [app.name for app in load_corpus(["gil"])] == ["gil_app"]
    assert [app.name for app in load_corpus(["WebSocket", "gc_"])] == ["gc_app", "sockets_app"]
    assert load_corpus(["no such kind"]) == ()
