"""Findings of any code, for tests of what is made of them."""

from dataclasses import dataclass

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.base import TokenHolder


@dataclass(frozen=True, kw_only=True)
class SampleFinding(AuditFinding):
    """Finds nothing by itself."""

    text: str = "Something happens."

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        del evidence
        return AuditFindings()

    @property
    def facts(self) -> str:
        return self.text


class SampleDeadlock(SampleFinding): ...


class SampleExecutorWait(SampleFinding): ...


class SamplePins(SampleFinding): ...


class SamplePoolWait(SampleFinding): ...


class SampleKeptAnswer(SampleFinding): ...


class SampleTrivialDef(SampleFinding): ...


class SampleKill(SampleFinding): ...


SampleDeadlock.code = "POOL_DEADLOCK"
SampleExecutorWait.code = "EXECUTOR_WAIT"
SamplePins.code = "THREADS_PINNED"
SamplePoolWait.code = "POOL_WAIT"
SampleKeptAnswer.code = "ANSWER_DELAYED"
SampleTrivialDef.code = "TRIVIAL_DEF"
SampleKill.code = "WORKER_KILLED"


def keep_threads(route: str | None, seconds: float, line: int = 10) -> TokenHolder:
    return TokenHolder(route, "endpoint", "main.py", line, "keep", seconds)
