from dataclasses import fields
from itertools import islice

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.request_accounting import account_for_requests
from records.ids import BYSTANDER_PROCESS, generate_ids
from records.rows import HANDLERS, REQUESTS, UPSTREAM, conform_to_schema

CELL = 77
Story = tuple[bool, bool, bool, int]
"""received by the app, answered, ended, upstream copies"""


def tables(stories: list[Story]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    ids = list(islice(generate_ids(CELL, 0), len(stories)))
    requests = [
        {
            "request_id": key,
            "ended_s": 1.0 if answered or ended else None,
            "status": 200 if answered else None,
            "error": None if answered or not ended else "ConnectionResetError: reset",
        }
        for key, (_, answered, ended, _) in zip(ids, stories, strict=True)
    ]
    handlers = [{"request_id": key} for key, story in zip(ids, stories, strict=True) if story[0]]
    handlers.append({"request_id": next(generate_ids(CELL, BYSTANDER_PROCESS))})
    handlers.append({"request_id": next(generate_ids(CELL + 1, 0))})  # of an earlier cell
    upstream = [
        {"request_id": key}
        for key, story in zip(ids, stories, strict=True)
        for _ in range(story[3])
    ]
    return (
        conform_to_schema(
            pl.DataFrame(requests, schema_overrides={"request_id": pl.UInt64}), REQUESTS
        ),
        conform_to_schema(
            pl.DataFrame(handlers, schema_overrides={"request_id": pl.UInt64}), HANDLERS
        ),
        conform_to_schema(pl.DataFrame(upstream, schema={"request_id": pl.UInt64}), UPSTREAM),
    )


stories = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2)),
    min_size=1,
    max_size=30,
)


@given(stories)
def test_each_request_has_exactly_one_fate(shown: list[Story]) -> None:
    account = account_for_requests(*tables(shown), CELL)
    assert account.received_never_answered is not None
    assert account.sent_never_received is not None
    assert (
        account.sent
        == len(shown)
        == (
            account.completed
            + account.received_never_answered
            + account.sent_never_received
            + account.failed_before_sending
        )
    )


@given(stories)
def test_without_a_probe_what_the_app_saw_is_not_known_and_the_rest_is_as_before(
    shown: list[Story],
) -> None:
    requests, handlers, upstream = tables(shown)
    blind, seeing = (
        account_for_requests(requests, None, upstream, CELL),
        account_for_requests(requests, handlers, upstream, CELL),
    )
    assert (blind.app_received, blind.vanished, blind.upstream_strangers) == (None, None, None)
    assert (blind.sent, blind.completed) == (seeing.sent, seeing.completed)
    assert blind.upstream_missing == seeing.upstream_missing
    assert blind.upstream_repeated == seeing.upstream_repeated
    assert set(blind.contradictions) <= {"upstream_missing", "upstream_repeated"}


@given(stories)
def test_contradictions_are_what_cannot_be(shown: list[Story]) -> None:
    """Against the same rules, applied to one request at a time."""
    account = account_for_requests(*tables(shown), CELL)
    wrong = {
        "vanished": sum(not app and not answered and ended for app, answered, ended, _ in shown),
        "completed_unseen": sum(answered and not app for app, answered, _, _ in shown),
        "upstream_missing": sum(answered and not copies for _, answered, _, copies in shown),
        "upstream_strangers": sum(bool(copies) and not app for app, _, _, copies in shown),
        "upstream_repeated": sum(max(0, copies - 1) for _, _, _, copies in shown),
    }
    assert account.contradictions == {name: count for name, count in wrong.items() if count}


def test_a_normal_run_has_none() -> None:
    account = account_for_requests(*tables([(True, True, True, 1)] * 5), CELL)
    assert account.contradictions == {}
    assert account.app_received == account.upstream_received == account.completed == 5


def test_a_refused_connection_was_never_sent() -> None:
    requests, handlers, _ = tables([(False, False, True, 0)])
    refused = requests.with_columns(error=pl.lit("ConnectionRefusedError: [Errno 111]"))
    account = account_for_requests(refused, handlers, None, CELL)
    assert account.failed_before_sending == 1
    assert account.contradictions == {}


def test_a_request_that_was_sent_by_nobody_is_a_stranger() -> None:
    requests, handlers, upstream = tables([(True, True, True, 1)] * 2)
    account = account_for_requests(requests.head(1), handlers, upstream, CELL)
    assert account.contradictions["strangers"] == 1


def test_without_an_upstream_nothing_is_said_of_it() -> None:
    requests, handlers, _ = tables([(True, True, True, 0)])
    account = account_for_requests(requests, handlers, None, CELL)
    shown = {each.name: getattr(account, each.name) for each in fields(account)}
    assert [name for name, value in shown.items() if value is None] == [
        "upstream_received", "upstream_missing", "upstream_strangers", "upstream_repeated",
    ]  # fmt: skip
