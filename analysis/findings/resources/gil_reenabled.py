"""A free-threaded Python whose GIL is on."""

from dataclasses import dataclass
from typing import ClassVar

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from records.audit import GIL_OPTION

PARALLEL = "Without the option, threads run in parallel."
SUPPORTED = (
    "A version that supports running without the GIL leaves it off. If none does, replace it."
)


@dataclass(frozen=True, kw_only=True)
class GilReenabled(AuditFinding):
    """call: the module that turned it on; None if Python did not report it. severity: `info` if an
    option turned it on."""

    short: ClassVar[str] = "GIL is on"
    clause: ClassVar[str] = "the GIL is on"
    meaning: ClassVar[str] = "a free-threaded Python runs with its GIL on"
    remedy: ClassVar[str] = "update the package that turned it on"
    python: str
    processes: int

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        found: dict[tuple[str, str | None], int] = {}
        for each in evidence.record.processes:
            if each.free_threaded and each.gil:
                key = each.python, each.gil_enabled_by
                found[key] = found.get(key, 0) + 1
        return AuditFindings(
            findings=tuple(
                cls(
                    severity="info" if module == GIL_OPTION else "warning",
                    confidence="high",
                    cause="gil",
                    call=module,
                    python=python,
                    processes=count,
                )
                for (python, module), count in found.items()
            )
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        del evidence
        if self.call is None:
            return "Python did not report which module turned the GIL on."
        if self.call == GIL_OPTION:
            return Cure(None, None, (f"# {GIL_OPTION}",), (), PARALLEL)
        package = self.call.partition(".")[0]
        return Cure(None, None, (), (f"pip install --upgrade {package}",), SUPPORTED)

    @property
    def facts(self) -> str:
        said = f"Python {self.python} is free-threaded, but its GIL is on: "
        if self.call == GIL_OPTION:
            return f"{said}{self.call} turned it on. Remove the option to run threads in parallel."
        if self.call is None:
            return (
                f"{said}a module that does not support running without it turned it on. "
                "Python names the module in a RuntimeWarning at import. Update that package."
            )
        return (
            f"{said}the import of {self.call} turned it on. Update that package to a version "
            "that supports running without the GIL."
        )
