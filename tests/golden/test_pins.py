"""Fixed records and command lines print what they printed before: tests.golden.pins."""

import pytest

from tests.golden.pins import PINNED, PINS, make_pin


@pytest.mark.parametrize("name", PINS)
def test_it_prints_what_it_printed_before(name: str) -> None:
    made = make_pin(name)
    meant = "if the change is meant: python -m tests.golden.pins, then read the diff"
    assert made == (PINNED / f"{name}.txt").read_text(), meant


def test_each_pinned_text_is_still_made() -> None:
    assert {each.stem for each in PINNED.iterdir()} == set(PINS)
