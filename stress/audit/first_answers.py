"""Decides from each route's first response whether and how to drive it, and what to report."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from scenarios.errors import build_cannot_run_error
from stress.audit.answer import MOST_BYTES, Answer
from stress.audit.ask import ONLY_PATH, WEBSOCKET, Ask
from stress.audit.fill_operation import PLACEHOLDER

BAD_REQUEST, REFUSED, TOO_MANY = 400, (401, 403), 429
REDIRECTS = (300, 301, 302, 303, 307, 308)
LOGGED_OUT = tuple(f"returns {each}" for each in REFUSED)
NAME_HOST = "if the app accepts only its own host name, add --header 'Host: NAME'"
NO_TLS = (
    "the TLS handshake failed ({}); give the server's http:// address to --url, or set "
    "SSL_CERT_FILE to the file of its certificate if this machine does not trust it"
)
LOG_IN = "add --header 'Authorization: ...', or log in with --before 'POST /login @login.json'"
LOGGED_IN = (
    "--before was sent first, so check which user it logs in, or add --header 'Authorization: ...'"
)


class Judged(NamedTuple):
    """ask: None if it is not driven. warning: a sentence, or ""."""

    ask: Ask | None
    warning: str = ""


def judge_first_answers(
    asks: Sequence[Ask], answers: Sequence[Answer], *, has_before: bool = False
) -> tuple[list[Ask], list[str]]:
    """Return the requests to drive, and warnings. Requests of a file that fail the same way share
    one sentence. has_before: requests of --before were sent first."""
    log_in = LOGGED_IN if has_before else LOG_IN
    driven: list[Ask] = []
    warnings: dict[str, None] = {}
    failed: dict[tuple[str, str], list[Ask]] = {}
    for ask, answer in zip(asks, answers, strict=True):
        failure = find_failure(ask, answer)
        if ask.origin == "file" and failure:
            failed.setdefault((ask.source, failure), []).append(ask)
            continue
        judged = judge_first_answer(ask, answer, log_in)
        if judged.ask is not None:
            driven.append(judged.ask)
        if judged.warning:
            warnings[judged.warning] = None
    of_files = (describe_failed(each, asks, log_in) for each, asks in failed.items())
    return driven, [*warnings, *of_files]


def reject_first_answers(
    url: str, answers: Sequence[Answer], driven: Sequence[Ask], warnings: Sequence[str]
) -> None:
    """Raise UserError if there is nothing to drive. warnings: why not."""
    if all(each.is_refused for each in answers):
        raise build_cannot_run_error(
            f"{url}: nothing is listening ({answers[0].error}); start that server, or correct its "
            "address"
        )
    if all(each.fails_in_tls for each in answers):
        raise build_cannot_run_error(f"{url}: {NO_TLS.format(answers[0].error)}")
    if not driven:
        raise build_cannot_run_error(
            "No route responded successfully, so none was driven; give one that does with "
            f"--request. {' '.join(warnings[:3])}"
        )


def judge_first_answer(ask: Ask, answer: Answer, log_in: str) -> Judged:
    """Judge one response. A request of --request is driven even if it fails."""
    if is_endless(answer):
        return Judged(replace(ask, endless=True), describe_endless(ask, answer))
    failure = find_failure(ask, answer)
    if failure and ask.origin == "option":
        return Judged(ask, f"{ask.name} {failure}; it is driven because you named it.")
    if failure:
        return Judged(None, describe_refused(ask, failure, answer.status, log_in))
    if answer.status in REDIRECTS:
        said = f"{ask.name} redirects ({answer.status}); the audit measures but does not follow it."
        return Judged(ask, said)
    return Judged(ask)


def is_endless(answer: Answer) -> bool:
    return answer.status is not None and answer.error in ("endless", "too long")


def find_failure(ask: Ask, answer: Answer) -> str:
    """Return the failure as a clause that follows the name; "" without one."""
    if is_endless(answer):
        return ""
    if answer.error is not None:
        return "did not respond in time" if answer.error == "timeout" else f"fails: {answer.error}"
    if answer.status is None or answer.status < 400:
        return ""
    said = f"returns {answer.status}"
    if ask.method == WEBSOCKET and answer.status == 404:  # to a GET, which the handshake is
        said += " (its server may have no websocket library: uvicorn needs websockets or wsproto)"
    return said + f" ({NAME_HOST})" * may_lack_host(ask, answer.status)


def may_lack_host(ask: Ask, status: int) -> bool:
    """Return True if the host may be why. An app with a document accepted it for the document."""
    has_host = any(name.lower() == "host" for name, _ in ask.headers)
    has_document = ask.origin == "document" and ask.source != ONLY_PATH
    return status == BAD_REQUEST and not has_host and not has_document


def describe_endless(ask: Ask, answer: Answer) -> str:
    if ask.method == WEBSOCKET:
        return f"{ask.name} sends no message in time; it is measured to its handshake."
    why = (
        f"is longer than {MOST_BYTES >> 20} MB"
        if answer.error == "too long"
        else "does not end in time"
    )
    return f"The response of {ask.name} {why}; it is measured to its first byte."


def describe_refused(ask: Ask, failure: str, status: int | None, log_in: str) -> str:
    """Describe a failed request of the document."""
    path = ask.target.partition("?")[0]
    said = f"{ask.name} {failure}" + (f" to {path}" if status and path != ask.route else "")
    if status in REFUSED:
        return f"{said}; {log_in}."
    example = PLACEHOLDER.sub(lambda found: found[1].upper(), ask.route)
    exists = "one that exists" if status == 404 else "one that works"
    return f"{said} and is not driven; send {exists}: --request '{ask.method} {example}'"


def describe_failed(failed: tuple[str, str], asks: Sequence[Ask], log_in: str) -> str:
    """Describe the requests of a file that failed the same way."""
    file, failure = failed
    others = len(asks) - 1
    more = f", nor {'is' if others == 1 else 'are'} {others} more like it" * (others > 0)
    said = f"{asks[0].name} of {file} {failure} and is not driven{more}"
    return f"{said}; {log_in}." if failure in LOGGED_OUT else f"{said}."


def describe_before_failure(ask: Ask, answer: Answer, users: int) -> str:
    """Describe the response to a request of --before; "" if it succeeded."""
    failure = find_failure(ask, answer)
    if answer.status == TOO_MANY:
        return (
            f"{ask.name} of --before {failure}: each of {users} users sends it, more than the "
            "service allows; use fewer --users, or raise its limit for the audit"
        )
    how = "check its path, its body and --header"
    return f"{ask.name} of --before {failure}; {how}" if failure else ""
