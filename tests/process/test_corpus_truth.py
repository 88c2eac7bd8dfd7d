"""The labels are true: a heartbeat inside each app misses beats for as long as a route's work takes
by the app's own clock, and misses none while an innocent route is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.corpus.client import ask
from tests.corpus.labels import (
    LOOP_BLOCKED,
    BlockingLabel,
    CorpusApp,
    InnocentLabel,
    load_corpus,
)
from tests.corpus.serve import ServedApp, Work, read_work, serve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]
WITHIN_S = 10.0
NOISE_S = 0.04
"""A busy machine of two cores takes the core from the loop for that long."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class BeatingApp:
    app: CorpusApp
    port: int
    times: Path
    gaps: Path

    def get_work(self, label: str) -> list[Work]:
        return read_work(self.times).get(label, [])

    def get_gaps(self) -> list[Work]:
        return read_work(self.gaps).get("gap", [])

    def wait_for_work(self, label: str, count: int) -> list[Work]:
        deadline_s = monotonic() + WITHIN_S
        while len(found := self.get_work(label)) < count:
            assert monotonic() < deadline_s, f"{label} was not done within {WITHIN_S:.0f} s"
            sleep(0.01)  # a poll: only the condition decides
        return found


@pytest.fixture(params=load_corpus(), ids=lambda app: app.name, scope="module")
def beating(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BeatingApp]:
    app, folder = request.param, tmp_path_factory.mktemp("corpus")
    times, gaps = folder / "times", folder / "gaps"
    variables = {"CORPUS_APP": app.name, "CORPUS_TIMES": str(times), "CORPUS_GAPS": str(gaps)}
    with serve(ServedApp("heartbeat:app", variables=variables), folder / "log") as (port, _):
        yield BeatingApp(app, port, times, gaps)


def measure_overlap(gaps: list[Work], work: Work) -> float:
    end_s = work.began_s + work.seconds
    return sum(
        max(0.0, min(end_s, gap.began_s + gap.seconds) - max(work.began_s, gap.began_s))
        for gap in gaps
    )


def check_blocking(beating: BeatingApp, label: BlockingLabel) -> str:
    """Return the errors; empty if the loop was blocked for as long as the label's work took."""
    before = len(beating.get_work(label.name))
    if label.asking is not None:
        assert ask(beating.port, label.asking) in (101, 200, 404, 429)
        before += not (label.once and before)
    work = beating.wait_for_work(label.name, max(1, before))[-1]
    ask_ping(beating)  # the loop runs again, so the gap is recorded
    blocked_s = measure_overlap(beating.get_gaps(), work)
    if not 0.8 * work.seconds <= blocked_s <= 1.2 * work.seconds:
        return f"{label.name}: worked for {work.seconds:.3f} s, blocked for {blocked_s:.3f} s"
    known = label.seconds
    if known is not None and not 0.95 * known <= work.seconds <= 1.2 * known + NOISE_S:
        return f"{label.name}: took {work.seconds:.3f} s, not the {known:.3f} s of its label"
    return "" if work.seconds >= NOISE_S else f"{label.name}: {work.seconds:.3f} s are too short"


def ask_ping(beating: BeatingApp) -> None:
    for label in beating.app.innocent:
        if label.route == "/ping":
            assert ask(beating.port, label.asking) == 200


def check_innocent(beating: BeatingApp, label: InnocentLabel) -> str:
    """Return the errors; empty if no beat was missed."""
    began_s = monotonic()
    assert ask(beating.port, label.asking) in (101, 200)
    ask_ping(beating)
    asked = Work(began_s, monotonic() - began_s)
    blocked_s = measure_overlap(beating.get_gaps(), asked)
    return f"{label.name}: blocked for {blocked_s:.3f} s" if blocked_s > NOISE_S else ""


def test_each_blocking_route_blocks_the_loop_for_as_long_as_it_works(beating: BeatingApp) -> None:
    for label in beating.app.blocking:
        if label.code != LOOP_BLOCKED:
            continue
        wrong = [check_blocking(beating, label)]
        while wrong[-1] and len(wrong) < TRIES:
            wrong.append(check_blocking(beating, label))
        assert not wrong[-1], wrong


def test_no_innocent_route_blocks_the_loop(beating: BeatingApp) -> None:
    for label in beating.app.innocent:
        wrong = [check_innocent(beating, label)]
        while wrong[-1] and len(wrong) < TRIES:
            wrong.append(check_innocent(beating, label))
        assert not wrong[-1], wrong
