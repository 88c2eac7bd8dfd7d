"""`study guide --check`: measures sentences again, says which fail, and ends in order."""

import signal
from pathlib import Path

import pytest

from analysis.guide.recorded import Experiment
from analysis.guide.relations import MetricReference, Relation
from analysis.guide.rules import Rule
from scenarios.errors import NOT_AS_EXPECTED
from study.guide import GuidanceCheck
from tests.process.support import running, wait_for

pytestmark = pytest.mark.slow
TINY = Experiment(
    "tiny",
    "study run sync-sleep async-sleep",
    "study run sync-sleep async-sleep --users 20 --spawn-rate 100 --delay 50ms --duration 1s",
)


def rule(*relations: Relation) -> Rule:
    return Rule(1, "a-rule", "A claim", "measured", "do", relations)


TRUE = Relation(
    "20 users of 40 threads do as well as on the loop",
    MetricReference("tiny/sync-sleep"), MetricReference("tiny/async-sleep"), "because", 0.5, 2.0,
)  # fmt: skip
FALSE = Relation(
    "def is ten times as fast",
    MetricReference("tiny/sync-sleep"),
    MetricReference("tiny/async-sleep"),
    "wrong",
    low=10.0,
)
UNKNOWN = Relation(
    "nobody measures this",
    MetricReference("tiny/sync-sleep", "open_loop.offered_rps"),
    1.0,
    "no",
    low=1.0,
)


@pytest.mark.timeout(120)
def test_it_says_which_sentences_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("study.guide.load_experiments", lambda: (TINY,))
    assert GuidanceCheck([rule(TRUE, FALSE, UNKNOWN)], port=0).run() == NOT_AS_EXPECTED
    printed = capsys.readouterr()
    assert TINY.quick in printed.err
    assert "✓ 20 users of 40 threads do as well as on the loop" in printed.out
    assert "✗ def is ten times as fast" in printed.out
    assert "? nobody measures this: not measured" in printed.out
    assert "1 of 3 sentences hold on this machine, 1 could not be measured" in printed.out
    assert "does not hold here: def is ten times as fast (wrong)" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80


@pytest.mark.untimed
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path / "out", "guide", "--check", "--rule", "one-in-a-hundred") as it:
        server = it.member("asgi_probe.entry")
        it.send(number)
        assert it.finish() == 130
        wait_for(lambda: not server.is_running(), "the end of the server")
        assert it.family() == []
