"""The texts of a cure and of a prediction."""

from dataclasses import replace
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from analysis.findings.remedies import (
    Cure,
    FailureChange,
    Predicted,
    RouteChange,
    RouteLevel,
    Tried,
)
from analysis.report.remedy_words import (
    describe_cure,
    describe_predicted,
    format_cure_place,
    list_changes,
    render_cure,
)
from analysis.report.table import WIDTH
from analysis.report.templating import prose
from tests.unit.finding_samples import SampleFinding

SLEEP = Cure(
    "main.py", 23, ("        time.sleep(0.1)",), ("        await asyncio.sleep(0.1)",),
    "Await it.", rule="one-blocks-all", trial="offload=/report", saves_ms=100.0, costs_ms=0.3,
)  # fmt: skip
CURED = SampleFinding(severity="error", confidence="high", route="/pay", cure=SLEEP)
SLOW, FAST = RouteLevel("/ping", 10.0, 500.0, 900.0), RouteLevel("/ping", 100.0, 2.0, 9.0)
PAY, WORSE = RouteLevel("/pay", 10.0, 100.0, 200.0), RouteLevel("/pay", 8.0, 130.0, 200.0)


def test_a_change_is_a_diff_without_its_common_indentation() -> None:
    assert list_changes(SLEEP) == [("-", "time.sleep(0.1)"), ("+", "await asyncio.sleep(0.1)")]
    assert format_cure_place(SLEEP) == "main.py:23"
    assert describe_cure(CURED) == "Await it. It saves 100 ms and costs 0.3 ms per request."
    assert describe_cure(replace(CURED, cure=replace(SLEEP, frees_loop=True))) == (
        "Await it. It frees the event loop for 100 ms and costs 0.3 ms per request."
    )


def test_a_short_time_is_not_said_to_be_none() -> None:
    assert describe_cure(replace(CURED, cure=replace(SLEEP, costs_ms=0.04))).endswith(
        "saves 100 ms and costs less than 0.1 ms per request."
    )


def test_lines_keep_their_indentation_to_each_other() -> None:
    cure = Cure("a.py", 1, ("    with x:", "        y()"), ("    z()",), "")
    assert [line for _, line in list_changes(cure)] == ["with x:", "    y()", "z()"]


def test_a_cure_outside_of_the_code_has_no_place_and_no_invented_line() -> None:
    cure = Cure(None, None, (), (), "Raise --backlog.")
    assert list_changes(cure) == []
    assert format_cure_place(cure) == ""
    assert describe_cure(replace(CURED, cure=cure)) == "Raise --backlog."


def test_a_change_that_a_trial_made_slower_is_not_said_to_save_time() -> None:
    worse = RouteChange("/pay", PAY, WORSE, 0.77, 0.6, 0.8)
    better = RouteChange("/ping", SLOW, FAST, 250.0, 180.0, 310.0)
    refuted = Tried("offload=/report", 3, (worse,), ("/pay",))
    failing = Tried("offload=/report", 3, failures=(FailureChange("/pay", 0.0, 0.5),))
    for harmful in (refuted, failing):
        assert describe_cure(replace(CURED, tried=harmful)) == (
            "Await it. But its trial made requests slower or made them fail, and none faster."
        )
    for tried in (
        replace(failing, failures=(FailureChange("/pay", 0.5, 0.0),)),
        replace(failing, routes=(better,)),
        replace(refuted, routes=(replace(worse, route="/a"), better), worse=("/a",)),
        replace(refuted, trial="pool=100"),  # another change
        Tried("offload=/report", 3, (better,)),
        None,
    ):
        assert describe_cure(replace(CURED, tried=tried)) == describe_cure(CURED)


@given(st.text(st.characters(codec="ascii", categories=("L", "P", "Zs")), min_size=1, max_size=200))
def test_a_terminal_shows_whole_lines_or_says_that_they_are_cut(line: str) -> None:
    cure = Cure("main.py", 1, (f"x{line}",), (), "Why.")
    why, shown = render_cure(replace(CURED, cure=cure), "  ")
    assert why == "  Change main.py:1: Why."
    assert len(shown) <= WIDTH
    assert shown.endswith(" …") or shown.strip() == f"- x{line}".strip()


def test_a_prediction_says_the_greatest_gain_and_every_loss() -> None:
    predicted = Predicted(20, (PAY, SLOW), (FAST, WORSE))
    assert describe_predicted(predicted) == (
        "Predicted for 20 users: the median of /ping falls from 500 ms to 2.0 ms; the median of "
        "/pay rises from 100 ms to 130 ms."
    )
    same = Predicted(20, (PAY,), (RouteLevel("/pay", 10.0, 98.0, 200.0),))
    assert describe_predicted(same) == "Predicted for 20 users: no route becomes faster."
    assert describe_predicted(Predicted(20, reason="the model fails.")) == ""
    assert describe_predicted(Predicted(20)) == ""


@given(st.text(alphabet="ab<&`'\" ", max_size=40))
def test_what_stands_between_backticks_is_code_and_nothing_becomes_markup(text: str) -> None:
    html = str(prose(text))
    assert "<" not in html.replace("<code>", "").replace("</code>", "")
    assert (
        html.count("<code>")
        == html.count("</code>")
        == text.count("`") // 2 * (text.count("`") % 2 == 0)
    )
    plain = html.replace("<code>", "`").replace("</code>", "`")
    assert unescape(plain) == text
