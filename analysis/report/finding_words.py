"""The codes of an audit's findings in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.findings import AuditFinding


@dataclass(frozen=True, slots=True)
class FindingWords:
    """short: in a table. clause: in a sentence that counts places."""

    short: str
    clause: str


WORDS: Mapping[str, FindingWords] = {
    code: FindingWords(short, clause)
    for code, short, clause in (
        ("LOOP_BLOCKED", "loop blocked", "the event loop is blocked"),
        ("POOL_DEADLOCK", "deadlock of pools", "pools wait for each other"),
        ("POOL_WAIT", "waits for a thread", "requests wait for a thread of the pool"),
        ("EXECUTOR_WAIT", "waits for an executor", "requests wait for a thread of an executor"),
        ("THREADS_PINNED", "keeps threads for long", "threads are kept for long"),
        ("ANSWER_DELAYED", "delays the answer", "a middleware delays answers"),
        ("BACKGROUND_BACKLOG", "tasks pile up", "background tasks pile up"),
        ("CLIENT_PER_REQUEST", "client per request", "requests make clients of their own"),
        ("THREAD_GROWTH", "threads grow", "the number of threads grows"),
        ("MIDDLEWARE_COST", "middleware uses CPU", "a middleware uses much CPU"),
        ("TRIVIAL_DEF", "needs no thread", "a thread is taken for next to nothing"),
        ("LIMITER_SIZE", "size of a pool", "a pool has an unusual size"),
        ("GIL_REENABLED", "GIL is on again", "the GIL is on again"),
        ("WORKER_KILLED", "worker lost", "workers are killed or crash"),
        ("REFUSED_REQUESTS", "requests refused", "the server refuses requests"),
        ("ACCEPT_QUEUE", "waits to be accepted", "connections wait to be accepted"),
    )
}


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
    seconds = sum(each.seconds or 0.0 for each in mine)
    is_placed = any(each.file or each.route for each in mine)
    places = f" at {count('place', len(mine))}" if is_placed else ""
    return f"{get_words(code).clause}{places}" + (f", for {seconds:,.1f} s" if seconds else "")


def count(noun: str, number: int) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
