"""The codes of an audit's findings in words, and their places."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.findings import AuditFinding
from analysis.stats import formats


@dataclass(frozen=True, slots=True)
class FindingWords:
    """short: in a table. clause: in a sentence that counts places."""

    short: str
    clause: str


WORDS: Mapping[str, FindingWords] = {
    code: FindingWords(short, clause)
    for code, short, clause in (
        ("LOOP_BLOCKED", "loop blocked", "the event loop is blocked"),
        ("POOL_DEADLOCK", "pool deadlock", "threads and requests wait for each other"),
        ("POOL_WAIT", "waits for a thread", "requests wait for a thread or a limiter"),
        ("EXECUTOR_WAIT", "waits for an executor", "requests wait for a thread of an executor"),
        ("THREADS_PINNED", "keeps threads", "code keeps threads from others"),
        ("ANSWER_DELAYED", "delays the answer", "a middleware delays answers"),
        ("BACKGROUND_BACKLOG", "tasks pile up", "background tasks pile up"),
        ("CLIENT_PER_REQUEST", "client per request", "requests make their own clients"),
        ("THREAD_GROWTH", "threads grow", "the number of threads grows"),
        ("MIDDLEWARE_COST", "middleware uses CPU", "a middleware uses much CPU"),
        ("TRIVIAL_DEF", "needs no thread", "`def` code needs no thread"),
        ("LIMITER_SIZE", "pool size", "a pool has an unusual size"),
        ("GIL_REENABLED", "GIL is on", "the GIL is on"),
        ("WORKER_KILLED", "worker lost", "workers are killed or crash"),
        ("REFUSED_REQUESTS", "requests refused", "the server refuses requests"),
        ("ACCEPT_QUEUE", "waits to be accepted", "connections wait to be accepted"),
    )
}
OF_ROUTES = ("MIDDLEWARE_COST", "TRIVIAL_DEF")
"""Findings of code, without a route where several use it."""
UNCLEAR = ("TRIVIAL_DEF",)
"""A hand-over takes longer while others block the event loop: not all seconds are the code's."""
SHOWN_S = 0.05
"""Less would read as nothing."""


def name_finding(found: AuditFinding) -> str:
    """In a table: what happens there; of a block also why."""
    words = get_words(found.code).short
    return f"{words}: {found.cause}" if found.code == "LOOP_BLOCKED" else words


def get_words(code: str) -> FindingWords:
    plain = code.replace("_", " ").lower()
    return WORDS.get(code, FindingWords(plain, plain))


def count_findings(found: Sequence[AuditFinding]) -> str:
    """By code, such as "the event loop is blocked at 3 places, for 28.0 s"."""
    by_code: dict[str, list[AuditFinding]] = {code: [] for code in WORDS}
    for each in found:
        by_code.setdefault(each.code, []).append(each)
    return "; ".join(count_code(code, mine) for code, mine in by_code.items() if mine)


def count_code(code: str, mine: Sequence[AuditFinding]) -> str:
    seconds = 0.0 if code in UNCLEAR else sum(each.seconds or 0.0 for each in mine)
    is_placed = any(each.file or each.route for each in mine)
    places = f" at {formats.count_things(len(mine), 'place')}" if is_placed else ""
    return f"{get_words(code).clause}{places}" + (
        f", for {seconds:,.1f} s" if seconds >= SHOWN_S else ""
    )


def format_place(found: AuditFinding) -> str:
    if found.file is None:
        return found.call or ("code of a library" if found.route else "the server")
    return f"{found.file}:{found.line} {found.function}"


def format_route(found: AuditFinding) -> str:
    """Route and phase, as far as they are known."""
    if found.route is None and found.phase is None and found.code != "LOOP_BLOCKED":
        return "all routes"
    unknown = "several routes" if found.code in OF_ROUTES else "unknown route"
    route = found.route or ("no request" if found.phase == "startup" else unknown)
    return f"{route} ({found.phase})" if found.phase else route
