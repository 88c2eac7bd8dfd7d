"""The route of a path in the app's document."""

import re
from itertools import product

import pytest

from stress.audit.routes import does_fit

SEGMENTS = tuple("".join(each) for size in range(6) for each in product("a-!", repeat=size))


@pytest.mark.parametrize(
    "template",
    ["{x}", "{x}{y}", "a{x}-{y}", "{x}-{y}!", "a-{x}a{y}-a", "{x}--{y}-", "a", "", "{}-a"],
)
def test_a_placeholder_is_at_least_one_character_of_a_segment(template: str) -> None:
    pattern = re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w*\}", template))))
    for each in SEGMENTS:
        assert does_fit(template, each) == (pattern.fullmatch(each) is not None), each


def test_a_placeholder_holds_no_slash() -> None:
    assert does_fit("/files/{name}/parts/{a}-{b}", "/files/x/parts/1-2")
    assert not does_fit("/files/{name}", "/files/x/y")
    assert not does_fit("/files/{name}/y", "/files/y")


@pytest.mark.parametrize("between", ["", "-", "a"])
def test_a_document_cannot_make_the_search_endless(between: str) -> None:
    """With steps back, the first takes 10^17 of them."""
    template = "/files/" + between.join(f"{{p{at}}}" for at in range(25)) + "!"
    assert not does_fit(template, f"/files/{'a-' * 2000}")
    assert does_fit(template, f"/files/{'a-' * 2000}!")
