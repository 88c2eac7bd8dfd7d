"""How an audit judges the first response to each request."""

import re

import pytest

from scenarios.errors import UserError
from stress.audit.answer import Answer
from stress.audit.ask import ONLY_PATH, Ask, Origin
from stress.audit.first_answers import (
    describe_before_failure,
    judge_first_answers,
    reject_first_answers,
)

SECRET = "s3cr3t-value"


def make_ask(origin: Origin, path: str = f"/users/{SECRET}", method: str = "GET") -> Ask:
    return Ask(method, path, "/users/{name}", source="a.har", origin=origin)


def make_answer(status: int | None = 200, error: str | None = None) -> Answer:
    return Answer(1, 0.0, 1.0, status, error)


def test_requests_of_a_file_that_fail_alike_are_one_sentence_and_not_driven() -> None:
    asks = [Ask("GET", f"/{each}", f"/{each}", source="a.har", origin="file") for each in "abcde"]
    answers = [
        make_answer(404), make_answer(), make_answer(404), make_answer(401),
        make_answer(None, "timeout"),
    ]  # fmt: skip
    driven, warnings = judge_first_answers(asks, answers)
    assert driven == [asks[1]]
    assert warnings == [
        "GET /a of a.har returns 404 and is not driven, nor is 1 more like it.",
        "GET /d of a.har returns 401 and is not driven; add --header 'Authorization: ...', or log "
        "in with --before 'POST /login @login.json'.",
        "GET /e of a.har did not respond in time and is not driven.",
    ]


@pytest.mark.parametrize("origin", ["file", "option"])
@pytest.mark.parametrize("status", [200, 302, 403, 404])
def test_no_sentence_has_a_path_of_the_users(origin: Origin, status: int) -> None:
    driven, warnings = judge_first_answers([make_ask(origin)], [make_answer(status)])
    assert SECRET not in repr(warnings)
    assert len(driven) == (status < 400 or origin == "option")


def test_the_path_of_a_documents_request_is_shown_where_it_fails() -> None:
    _, (said,) = judge_first_answers([make_ask("document", "/users/1")], [make_answer(404)])
    assert "GET /users/{name} returns 404 to /users/1 and is not driven" in said
    assert "--request 'GET /users/NAME'" in said


def test_a_handshake_that_meets_no_websocket_says_why() -> None:
    asks = [make_ask("option", method="WS"), make_ask("option")]
    _, (socket, page) = judge_first_answers(asks, [make_answer(404)] * 2)
    assert "no websocket library" in socket
    assert "library" not in page


def test_an_answer_without_end_is_measured_to_its_first_byte() -> None:
    asks = [make_ask("file"), make_ask("file", method="WS")]
    answers = [make_answer(200, "too long"), make_answer(101, "endless")]
    driven, warnings = judge_first_answers(asks, answers)
    assert [each.endless for each in driven] == [True, True]
    assert "is longer than 16 MB" in warnings[0]
    assert "sends no message in time; it is measured to its handshake" in warnings[1]


@pytest.mark.parametrize("origin", ["file", "document"])
def test_a_user_who_gave_before_is_not_advised_to_give_it(origin: Origin) -> None:
    asks, answers = [make_ask(origin)], [make_answer(401)]
    assert "log in with --before" in judge_first_answers(asks, answers)[1][0]
    (said,) = judge_first_answers(asks, answers, has_before=True)[1]
    assert "--before was sent first" in said
    assert "log in with" not in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("ClientConnectorError", "nothing is listening"),
        ("ClientConnectorCertificateError", "TLS handshake failed (ClientConnectorCertificateErr"),
    ],
)
def test_a_server_that_answers_nothing_gets_no_load(error: str, said: str) -> None:
    asks, failed = [make_ask("option")] * 2, make_answer(None, error)
    with pytest.raises(UserError, match=re.escape(said)):
        reject_first_answers("https://a", [failed] * 2, asks, ())
    reject_first_answers("https://a", [failed, make_answer()], asks, ())


def test_not_modified_is_no_redirect() -> None:
    asks = [make_ask("document")] * 2
    driven, (said,) = judge_first_answers(asks, [make_answer(304), make_answer(307)])
    assert driven == asks
    assert "redirects (307)" in said


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (make_answer(204), ""),
        (make_answer(404), "returns 404; check its path"),
        (make_answer(None, "timeout"), "did not respond in time; check its path"),
        (make_answer(429), "returns 429: each of 21 users sends it, more than the service allows"),
    ],
)
def test_a_login_that_fails_says_why(answer: Answer, says: str) -> None:
    said = describe_before_failure(make_ask("option", method="POST"), answer, 21)
    assert says in said
    assert bool(said) == bool(says)


def test_a_bad_request_may_lack_the_host_unless_the_app_took_it_for_the_document() -> None:
    only = Ask("GET", "/", "/", source=ONLY_PATH)
    for ask in (only, make_ask("file"), make_ask("option")):
        named = ask.add_headers((("Host", "shop.example.com"),))
        (said,) = judge_first_answers([ask], [make_answer(400)])[1]
        assert "add --header 'Host: NAME'" in said
        assert "Host" not in judge_first_answers([named], [make_answer(400)])[1][0]
    assert "Host" not in judge_first_answers([make_ask("document")], [make_answer(400)])[1][0]
