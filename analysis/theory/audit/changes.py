"""What becomes of a service's demands where a finding is cured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from analysis.findings.base import AuditFinding
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.blocks.shares import sum_by_stretch
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import BlockPlace
from analysis.theory.audit.demands import (
    AwaitedTime,
    Demands,
    Key,
    LoopBlock,
    Part,
    VisitDemand,
)
from scenarios.units import Second

UNKNOWN = "the model does not know what takes the place of this code"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """awaited_s: of which blocks how much is awaited. reason: why the change is not known."""

    awaited_s: Mapping[Key, Second] = field(default_factory=dict)
    reason: str | None = None

    def apply(self, demands: Demands) -> Demands:
        return {route: tuple(map(self.apply_to_visit, each)) for route, each in demands.items()}

    def apply_to_visit(self, visit: VisitDemand) -> VisitDemand:
        parts = tuple(part for each in visit.parts for part in self.apply_to_part(each))
        return replace(visit, parts=parts)

    def apply_to_part(self, part: Part) -> Iterator[Part]:
        if not isinstance(part, LoopBlock) or part.stretch not in self.awaited_s:
            yield part
            return
        awaited_s = min(part.seconds, self.awaited_s[part.stretch])
        yield AwaitedTime(awaited_s)
        if part.seconds > awaited_s:
            yield replace(part, seconds=part.seconds - awaited_s)


def find_change(finding: AuditFinding, evidence: AuditEvidence) -> ServiceChange:
    if isinstance(finding, LoopBlocked) and finding.cause == "wait":
        return await_block(finding, evidence)
    return ServiceChange(reason=UNKNOWN)


def await_block(finding: LoopBlocked, evidence: AuditEvidence) -> ServiceChange:
    sites = attribute_blocks(evidence).sites
    fields = {name: getattr(finding, name) for name in BlockPlace.__slots__}
    shares = sites.get(BlockPlace(**fields), ())
    return ServiceChange({stretch.key: seconds for stretch, seconds in sum_by_stretch(shares)})
