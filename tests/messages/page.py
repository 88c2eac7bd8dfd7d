"""Render docs/messages.md."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from analysis.answers.base import Statement, list_statements
from analysis.findings.base import AuditFinding, TokenHolder, Victim
from analysis.findings.judge import list_findings
from analysis.verdicts.base import Verdict, list_verdicts
from tests.messages.samples import MOST_VARIANTS, make_samples
from tests.messages.sentences import Sentence, find_sentences

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "messages.md"
FOLDERS = ("study", "stress", "scenarios", "records", "app", "slow_upstream", "analysis")
SPOKEN = re.compile(r"note|notice|word|limit|message|doubt|progress|ticker|outcome|reason")
"""Files whose sentences a run or an audit says; those of a page's captions are read on the page."""
PLACE: Mapping[str, object] = {
    "severity": "error",
    "confidence": "high",
    "route": "GET /orders/{id}",
    "phase": "endpoint",
    "file": "shop/orders.py",
    "line": 57,
    "function": "read_order",
    "call": "time.sleep",
    "count": 120,
    "seconds": 24.0,
    "median_ms": 200.0,
    "longest_ms": 230.0,
    "share": 0.8,
    "victims": (Victim("GET /ping", 300, 21.0),),
    "holders": (
        TokenHolder("GET /report", "endpoint", "shop/report.py", 31, "build_report", 96.0),
    ),
}
"""Where the finding is and what it costs: the fields that every finding has."""
OF_CODE: Mapping[str, Mapping[str, object]] = {
    "POOL_DEADLOCK": {
        "call": "QueuePool of 40", "stood": 40, "capacity": 40, "keeper_phases": ("response",),
    },
    "UPSTREAM_LATE": {"options": "--upstream go or fewer --users"},
}  # fmt: skip
"""Samples of one finding or verdict."""
NOTHING = re.compile(r"\bNone\b|– ms")
"""In a text whose sample lacks what the program always has there."""
CAUSES = (
    "wait", "compute", "gil", "gc", "unexplained", "request", "answer", "buffer", "limit",
    "blocked", "backlog", "timeout", "memory", "signal", "connection", "client", "pool", "executor",
)  # fmt: skip
"""Of any finding; each finding has sentences for some of them."""
INTRODUCTION = """\
# The messages of the tool

Read this page to check the wording. `python -m tests.messages` writes it and a test compares it
with the sources. The values are arbitrary samples, so a sentence may make no sense. "…" stands for
a value that the program fills in.
"""


def render_page() -> str:
    sentences = list(find_sentences(ROOT, FOLDERS))
    parts = (
        INTRODUCTION,
        "## Verdicts on a cell\n",
        *(render_verdict(each) for each in list_verdicts()),
        "## Sentences of a run's answer\n",
        *(
            render_statement(each)
            for each in sorted(list_statements(), key=lambda each: each.__name__)
        ),
        "## Findings of an audit\n",
        *(  # tests have findings of their own
            render_finding(each)
            for each in list_findings()
            if each.__module__.startswith("analysis.")
        ),
        "## Errors: one line, then exit code 2 or 3\n",
        *render_sentences(each for each in sentences if each.is_error),
        "## Notes and progress\n",
        *render_sentences(
            each for each in sentences if not each.is_error and SPOKEN.search(each.file)
        ),
    )
    return "\n".join(parts)


def render_verdict(kind: type[Verdict]) -> str:
    lines = collect(
        make_samples(kind, **OF_CODE.get(kind.code, {})),
        lambda each: f"{each.severity}: {each.message}. → {each.advice}.",
    )
    doubt = [f"In a comparison: {kind.doubt}."] if kind.doubt else []
    return render_block(kind.code, (*lines, *doubt))


def render_statement(kind: type[Statement]) -> str:
    lines = collect(
        make_samples(kind),
        lambda each: each.message + (f" → {each.change}." if each.change else ""),
    )
    return render_block(kind.__name__, lines)


def render_finding(kind: type[AuditFinding]) -> str:
    known = {**PLACE, **OF_CODE.get(kind.code, {})}
    places = ({**known, "cause": cause} for cause in CAUSES)
    samples = (sample for place in places for sample in make_samples(kind, **place))
    lines = collect(samples, lambda each: each.message)
    return render_block(kind.code, (f"Means: {kind.meaning}.", *lines))


def collect(samples: Iterator[Any], write: Callable[[Any], str]) -> list[str]:
    """Return each text once. A sample that a program never makes may fail, such as a cause of
    another finding, or None in one of two fields that are None together; one must succeed."""
    lines = []
    for each in samples:
        with suppress(TypeError, ValueError, AttributeError, KeyError):
            lines.append(write(each))
    assert lines
    whole = [each for each in lines if not NOTHING.search(each)]
    return list(dict.fromkeys(whole))[:MOST_VARIANTS]


def render_block(title: str, lines: Iterable[str]) -> str:
    return "\n".join((f"**{title}**\n", *(f"- {each}" for each in lines), ""))


def render_sentences(sentences: Iterable[Sentence]) -> Iterator[str]:
    for file, found in groupby(sentences, key=lambda each: each.file):
        yield render_block(file, (each.text for each in found))
