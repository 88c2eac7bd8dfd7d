"""Findings of any code, for tests of code that handles findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.base import TokenHolder
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.layers.answer_delayed import AnswerDelayed
from analysis.findings.server.worker_killed import WorkerKilled
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.threads_pinned import ThreadsPinned
from analysis.findings.waits.trivial_def import TrivialDef


@dataclass(frozen=True, kw_only=True)
class SampleFinding(AuditFinding):
    """A kind that finds nothing by itself."""

    short: ClassVar[str] = "sample finding"
    clause: ClassVar[str] = "something happens"
    meaning: ClassVar[str] = "something means something"
    remedy: ClassVar[str] = "do something"
    text: str = "Something happens."

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        del evidence
        return AuditFindings()

    @property
    def facts(self) -> str:
        return self.text


class SampleBlock(SampleFinding): ...


class SampleDeadlock(SampleFinding): ...


class SampleExecutorWait(SampleFinding): ...


class SamplePins(SampleFinding): ...


class SamplePoolWait(SampleFinding): ...


class SampleKeptAnswer(SampleFinding): ...


class SampleTrivialDef(SampleFinding): ...


class SampleKill(SampleFinding): ...


STAND_INS: Mapping[type[SampleFinding], type[AuditFinding]] = {
    SampleBlock: LoopBlocked,
    SampleDeadlock: PoolDeadlock,
    SampleExecutorWait: ExecutorWait,
    SamplePins: ThreadsPinned,
    SamplePoolWait: PoolWait,
    SampleKeptAnswer: AnswerDelayed,
    SampleTrivialDef: TrivialDef,
    SampleKill: WorkerKilled,
}
for sample, real in STAND_INS.items():
    sample.code, sample.short, sample.clause = real.code, real.short, real.clause
    sample.meaning, sample.remedy = real.meaning, real.remedy


def keep_threads(route: str | None, seconds: float, line: int = 10) -> TokenHolder:
    return TokenHolder(route, "endpoint", "main.py", line, "keep", seconds)
