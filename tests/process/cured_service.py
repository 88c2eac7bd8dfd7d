"""Audits a service with planted faults, edits their cures into it, and audits it again."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from analysis.findings import AuditEvidence, load_audit_evidence
from analysis.findings.blocks.causes import judge_stretch
from analysis.findings.remedies import Cure
from records.rundir import RunDir
from tests.process.support import only_run, run_here
from tests.process.test_scripts import free_port
from tests.unit.cure_samples import apply_cure

STARTUP = "    # startup"
"""The line of a service where cures insert the code that belongs to its startup."""
USERS = 10
LEAST = 1e-3
"""Divisor if nothing of the harm is left."""
FaultKey = tuple[str, str | None]
Measure = Callable[[AuditEvidence, str], float]


@dataclass(frozen=True, slots=True)
class Fault:
    """code, cause: of its finding; cause None: any. route: None where it is of the service; then
    it is measured at the route `at`. better: the least ratio of what `measure` says, before to
    after."""

    code: str
    route: str | None
    measure: Measure
    better: float
    at: str = ""
    cause: str | None = None

    @property
    def key(self) -> FaultKey:
        return self.code, self.route

    def matches(self, finding: Mapping[str, object]) -> bool:
        is_cause = self.cause in (None, finding["cause"])
        return is_cause and (finding["code"], finding["route"]) == self.key

    def measure_in(self, evidence: AuditEvidence) -> float:
        return self.measure(evidence, self.at or self.route or "")


@dataclass(frozen=True, slots=True)
class CuredService:
    """by_hand: maps text of the edited source to its replacement, as the comments of cures describe
    it. files: additional files that the service needs."""

    source: str
    faults: Sequence[Fault]
    by_hand: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def routes(self) -> Sequence[str]:
        return tuple(dict.fromkeys(each.at or each.route or "" for each in self.faults))

    def compare(self, folder: Path) -> Mapping[FaultKey, float]:
        """Ratios of all faults, before to after. The cured service has none of their findings."""
        before = self.audit(folder / "before", self.source)
        cures = self.load_cures(before)
        assert {each.key for each in self.faults} == set(cures), read_findings(before)
        proposed = [cure for each in cures.values() for cure in each]
        after = self.audit(folder / "after", self.edit(folder, proposed))
        assert self.load_cures(after) == {}
        old, new = (load_audit_evidence(RunDir(each)) for each in (before, after))
        return {
            each.key: each.measure_in(old) / max(LEAST, each.measure_in(new))
            for each in self.faults
        }

    def audit(self, folder: Path, source: str) -> Path:
        folder.mkdir()
        for name, text in {**self.files, "main.py": source}.items():
            (folder / name).write_text(text)
        server = (sys.executable, "-m", "uvicorn", "main:app", f"--port={free_port()}")
        asked = [word for route in self.routes for word in ("--request", f"GET {route}")]
        load = ("--users", str(USERS), "--duration", "1.5s", "--out", str(folder / "out"))
        done = run_here(("audit", *load, *asked, "--", *server), folder)
        assert done.returncode == 0, done.stderr
        return only_run(folder / "out")

    def load_cures(self, run: Path) -> Mapping[FaultKey, Sequence[Cure]]:
        """The cures of the planted faults' findings."""
        read = TypeAdapter(Cure).validate_python
        cures: dict[FaultKey, list[Cure]] = defaultdict(list)
        for each in read_findings(run):
            for fault in self.faults:
                if fault.matches(each) and each["cure"]:
                    cures[fault.key].append(read(each["cure"]))
        return cures

    def edit(self, folder: Path, cures: Sequence[Cure]) -> str:
        """Edit the last line first, so that earlier lines keep their numbers; then make the edits
        that the cures leave to the reader."""
        file = folder / "main.py"
        file.write_text(self.source)
        placed = {(each.line, each.after): each for each in cures if each.file is not None}
        for cure in sorted(placed.values(), key=lambda each: -(each.line or 0)):
            apply_cure(file, cure)
        text = file.read_text()
        begin = [f"    {line}" for each in cures if each.file is None for line in each.after]
        for old, new in {STARTUP: "\n".join([STARTUP, *begin]), **self.by_hand}.items():
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        return text


def read_findings(run: Path) -> Sequence[Mapping[str, object]]:
    found: Sequence[Mapping[str, object]] = json.loads((run / "findings.json").read_text())[
        "findings"
    ]
    return found


def find_span(evidence: AuditEvidence, route: str) -> tuple[str, float, float]:
    """The phase in which only this route is called, by all users: its name, start and end."""
    (phase,) = (
        each for each in evidence.record.phases
        if each.users == USERS and each.name.startswith(f"GET {route}, ")
    )  # fmt: skip
    return phase.name, phase.began_s, phase.ended_s


def measure_latency_ms(evidence: AuditEvidence, route: str) -> float:
    """The median latency, as measured by the clients."""
    name, _, _ = find_span(evidence, route)
    rows = evidence.asked.filter(pl.col("phase") == name).drop_nulls("ended_s")
    return 1000 * float(np.median((rows["ended_s"] - rows["started_s"]).to_numpy()))


def measure_cpu_ms(evidence: AuditEvidence, route: str) -> float:
    """CPU of the process per request."""
    name, begin_s, end_s = find_span(evidence, route)
    cpu_s = evidence.samples.filter(pl.col("at_s").is_between(begin_s, end_s))["cpu_s"].to_numpy()
    requests = evidence.asked.filter(pl.col("phase") == name).drop_nulls("ended_s").height
    return 1000 * float(np.nanmax(cpu_s) - np.nanmin(cpu_s)) / requests


def count_new_threads(evidence: AuditEvidence, route: str) -> float:
    """Threads at the end of the phase that did not exist at its start."""
    _, begin_s, end_s = find_span(evidence, route)
    rows = evidence.samples.filter(pl.col("at_s").is_between(begin_s, end_s)).sort("at_s")
    threads = (rows["threads_other"] + rows["threads_executor"]).drop_nulls().to_list()
    return float(threads[-1] - threads[0])


def measure_blocked_share(evidence: AuditEvidence, route: str) -> float:
    """Share of the phase in which the code itself blocks the event loop."""
    _, begin_s, end_s = find_span(evidence, route)
    blocked_s = sum(
        judge_stretch(each.clocks).code_s
        for each in evidence.stretches
        if begin_s <= each.began_s < end_s
    )
    return blocked_s / (end_s - begin_s)


def measure_delay_of_jobs(evidence: AuditEvidence, route: str) -> float:
    """The median in seconds from a request to the end of its job, for jobs that ended."""
    del route
    lines = (Path(evidence.record.folder) / "done.txt").read_text().split()
    return float(np.median([float(each) for each in lines]))
