"""`study audit` on an app of the corpus, as a user runs it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from benchmarks.corpus_trials import Trial, ask_all
from records.audit import FINDINGS_FILE
from stress.machine import find_free_port
from stress.stack import is_answering
from tests.corpus.labels import APPS
from tests.corpus.matching import Report, parse_findings
from tests.corpus.serve import START_S, ServedApp, build_serve_command

ROOT = Path(__file__).resolve().parent.parent
END_S = 90.0
"""Maximum time of the analysis and the page after the last request."""
AUDIT_S = 900.0


@dataclass(frozen=True, slots=True)
class StudyAudit:
    """by_itself: the audit sends the requests; otherwise the benchmark does, as for the rivals and
    for every app with websockets."""

    by_itself: bool = True
    name: str = "study audit"

    def detect(self, trial: Trial) -> list[Report]:
        askings = trial.app.askings
        by_itself = self.by_itself and all(each.method == "GET" for each in askings)
        port = find_free_port(0)
        words = ["--out", str(trial.folder / "results"), "--json"]
        if by_itself:
            words += ["--users", str(trial.users), "--duration", f"{trial.asked_s:g}s"]
            words += [word for each in askings for word in ("--request", f"GET {each.target}")]
        else:
            words += ["--drive", "none"]
        with start_audit(trial, port, words) as process:
            if not by_itself:
                await_port(process, port, trial)
                ask_all(port, trial)
                process.send_signal(signal.SIGINT)
            await_end(process, AUDIT_S if by_itself else END_S, trial)
        return read_findings(trial)


@contextmanager
def start_audit(trial: Trial, port: int, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start an audit with its output in audit.log; interrupt or kill it if the body raises."""
    app = ServedApp(f"{trial.app.name}:app", trial.python, trial.loop)
    command = build_serve_command(app, port)
    paths = os.pathsep.join((str(ROOT), str(ROOT / "probe")))
    environment = {**os.environ, "PYTHONPATH": paths, "CORPUS_TIMES": str(trial.times)}
    with (trial.folder / "audit.log").open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-m", "study", "audit", *words, "--", *command), cwd=APPS,
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            process.kill()
            process.wait()


def await_port(process: subprocess.Popen[bytes], port: int, trial: Trial) -> None:
    deadline_s = monotonic() + START_S
    while not is_answering(port):
        if process.poll() is not None or monotonic() > deadline_s:
            raise build_error(trial, "did not start")
        sleep(0.05)  # a poll: the condition decides


def await_end(process: subprocess.Popen[bytes], within_s: float, trial: Trial) -> None:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired as error:
        raise build_error(trial, f"did not end within {within_s:.0f} s") from error


def build_error(trial: Trial, what: str) -> RuntimeError:
    said = (trial.folder / "audit.log").read_text(errors="replace")[-2000:]
    return RuntimeError(f"{trial.app.name}: the audit {what}:\n{said}")


def read_findings(trial: Trial) -> list[Report]:
    found = list(trial.folder.glob(f"results/*/{FINDINGS_FILE}"))
    if len(found) != 1:
        raise build_error(trial, f"wrote {len(found)} files {FINDINGS_FILE}")
    return parse_findings(json.loads(found[0].read_text()))
