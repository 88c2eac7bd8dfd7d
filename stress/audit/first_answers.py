"""Decides from each route's first response whether and how to drive it, and what to report."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import starmap
from typing import NamedTuple

from stress.audit.answer import MOST_BYTES, Answer
from stress.audit.ask import WEBSOCKET, Ask
from stress.audit.fill_operation import PLACEHOLDER

REFUSED = (401, 403)
LOGGED_OUT = tuple(f"returns {each}" for each in REFUSED)
LOG_IN = "add --header 'Authorization: ...' or --before 'POST /LOGIN'"


class Judged(NamedTuple):
    """ask: None if it is not driven. warning: a sentence, or ""."""

    ask: Ask | None
    warning: str = ""


def judge_first_answers(
    asks: Sequence[Ask], answers: Sequence[Answer]
) -> tuple[list[Ask], list[str]]:
    """Return the requests to drive, and warnings. Requests of a file that fail the same way share
    one sentence."""
    driven: list[Ask] = []
    warnings: dict[str, None] = {}
    failed: dict[tuple[str, str], list[Ask]] = {}
    for ask, answer in zip(asks, answers, strict=True):
        failure = find_failure(ask, answer)
        if ask.origin == "file" and failure:
            failed.setdefault((ask.source, failure), []).append(ask)
            continue
        judged = judge_first_answer(ask, answer)
        if judged.ask is not None:
            driven.append(judged.ask)
        if judged.warning:
            warnings[judged.warning] = None
    return driven, [*warnings, *starmap(describe_failed, failed.items())]


def judge_first_answer(ask: Ask, answer: Answer) -> Judged:
    """Judge one response. A request of --request is driven even if it fails."""
    if is_endless(answer):
        return Judged(replace(ask, endless=True), describe_endless(ask, answer))
    failure = find_failure(ask, answer)
    if failure and ask.origin == "option":
        return Judged(ask, f"{ask.name} {failure}; it is driven because you named it.")
    if failure:
        return Judged(None, describe_refused(ask, failure, answer.status))
    if answer.status is not None and answer.status >= 300:
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
    return said


def describe_endless(ask: Ask, answer: Answer) -> str:
    if ask.method == WEBSOCKET:
        return f"{ask.name} sends no message in time; it is measured to its handshake."
    why = (
        f"is longer than {MOST_BYTES >> 20} MB"
        if answer.error == "too long"
        else "does not end in time"
    )
    return f"The response of {ask.name} {why}; it is measured to its first byte."


def describe_refused(ask: Ask, failure: str, status: int | None) -> str:
    """Describe a failed request of the document."""
    path = ask.target.partition("?")[0]
    said = f"{ask.name} {failure}" + (f" to {path}" if status and path != ask.route else "")
    if status in REFUSED:
        return f"{said}; {LOG_IN}."
    example = PLACEHOLDER.sub(lambda found: found[1].upper(), ask.route)
    exists = "one that exists" if status == 404 else "one that works"
    return f"{said} and is not driven; send {exists}: --request '{ask.method} {example}'"


def describe_failed(failed: tuple[str, str], asks: Sequence[Ask]) -> str:
    """Describe the requests of a file that failed the same way."""
    file, failure = failed
    others = len(asks) - 1
    more = f", nor {'is' if others == 1 else 'are'} {others} more like it" * (others > 0)
    said = f"{asks[0].name} of {file} {failure} and is not driven{more}"
    return f"{said}; {LOG_IN}." if failure in LOGGED_OUT else f"{said}."
