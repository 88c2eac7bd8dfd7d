"""`study audit` on some apps of the corpus, for one user and for many: everything that blocks or
waits is found where, why and for as long as its label says, and nothing else is accused. All of the
corpus: `python -m benchmarks.audit_corpus`."""

import sys
from pathlib import Path

import pytest

from benchmarks.corpus_audit import StudyAudit
from benchmarks.corpus_trials import Trial, run_trial
from tests.corpus.labels import APPS, CorpusApp, load_app

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ASKED_S = 1.0
CASES = {
    "basehttp_app": 1, "startup_app": 1, "mounted_app": 20, "full_pool_app": 20,
    "limiter_app": 20, "executor_app": 20, "delayed_app": 20, "spare_pool_app": 20,
    "django_app": 1, "layers_app": 20,
}  # fmt: skip
"""Users, by app."""


@pytest.mark.parametrize(
    "app", [load_app(APPS / f"{name}.toml") for name in CASES], ids=list(CASES)
)
def test_the_audit_says_what_the_labels_say(app: CorpusApp, tmp_path: Path) -> None:
    users = CASES[app.name]
    trial = Trial(app, users, Path(sys.executable), "asyncio", ASKED_S, tmp_path / "trial")
    found = run_trial(StudyAudit(), trial)
    wrong = {
        each.label.name: [aspect for aspect, right in each.right.items() if not right]
        for each in found.detections
    }
    assert wrong == {label.name: [] for label in app.blocking}, found
    assert found.false_alarms == ()
