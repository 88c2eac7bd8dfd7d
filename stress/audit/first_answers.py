"""What the first answer of each route says: whether it is driven, how, and what to tell."""

from dataclasses import replace
from typing import NamedTuple

from stress.audit.answer import MOST_BYTES, Answer
from stress.audit.ask import WEBSOCKET, Ask
from stress.audit.fill_operation import PLACEHOLDER

REFUSED = (401, 403)


class Judged(NamedTuple):
    """ask: None: it is not driven. warning: a sentence; "" for none."""

    ask: Ask | None
    warning: str = ""


def judge_first_answer(ask: Ask, answer: Answer) -> Judged:
    """What the user named is driven however it answers."""
    if answer.status is not None and answer.error in ("endless", "too long"):
        return Judged(replace(ask, endless=True), describe_endless(ask, answer))
    if answer.error is not None:
        said = "did not answer in time" if answer.error == "timeout" else f"fails: {answer.error}"
        return refuse(ask, f"{ask.name} {said}")
    if answer.status is not None and answer.status >= 400:
        path = ask.target.partition("?")[0]
        to = f" to {path}" if path != ask.route else ""
        said = f"{ask.name} answers {answer.status}{to}{explain_handshake(ask, answer)}"
        return refuse(ask, said, answer.status)
    if answer.status is not None and answer.status >= 300:
        said = f"{ask.name} redirects ({answer.status}); the redirect is measured and not followed."
        return Judged(ask, said)
    return Judged(ask)


def explain_handshake(ask: Ask, answer: Answer) -> str:
    """A server without a websocket library passes the handshake on as a GET."""
    if ask.method != WEBSOCKET or answer.status != 404:
        return ""
    return ": its server may have no websocket library (uvicorn needs websockets or wsproto)"


def describe_endless(ask: Ask, answer: Answer) -> str:
    if ask.method == WEBSOCKET:
        return f"{ask.name} sends no message in time: it is measured to its handshake."
    why = (
        f"is longer than {MOST_BYTES >> 20} MB"
        if answer.error == "too long"
        else "does not end in time"
    )
    return f"The answer of {ask.name} {why}: it is measured to its first byte."


def refuse(ask: Ask, said: str, status: int = 0) -> Judged:
    if ask.origin == "option":
        return Judged(ask, f"{said}; it is driven because you named it.")
    example = PLACEHOLDER.sub(lambda found: found[1].upper(), ask.route)
    if status in REFUSED:
        return Judged(None, f"{said}; add --header 'Authorization: ...' or --before 'POST /LOGIN'.")
    exists = "one that exists" if status == 404 else "one that works"
    return Judged(
        None, f"{said} and is not driven; give {exists}: --request '{ask.method} {example}'"
    )
