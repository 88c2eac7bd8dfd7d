"""Known findings: the findings.json of earlier audits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.findings.base import AuditFinding
from analysis.findings.judge import SCHEMA
from analysis.findings.recognition import FindingSite, group_by_site
from scenarios.errors import UserError
from scenarios.user_files import read_user_file

MOST_BYTES = 50_000_000
"""Maximum file size, a thousand times what an audit of a large service writes."""


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """The fields of a finding that are read from the file."""

    code: str
    route: str | None = None
    phase: str | None = None
    file: str | None = None
    function: str | None = None
    call: str | None = None


@dataclass(frozen=True, slots=True)
class KnownAudit:
    """A findings.json."""

    findings: tuple[KnownFinding, ...]
    schema: int
    notices: tuple[object, ...]
    """Read only to recognise the file: no other JSON file of this tool has them."""

    def recall(self, site: FindingSite) -> list[KnownFinding]:
        return [each for each in self.findings if FindingSite.locate(each).matches(site)]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Earlier audits. A finding of any of them is known, because some findings come and go."""

    audits: tuple[KnownAudit, ...] = ()

    def find_new(self, found: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
        """Return the findings that no audit knows. found: the worst first. A finding is known if an
        audit has one at the same site. Of several findings at one site, those are new that exceed
        the number in every audit and whose call is in none."""
        new: list[AuditFinding] = []
        for site, mine in group_by_site(found).items():
            known = [audit.recall(site) for audit in self.audits]
            calls = {each.call for audit in known for each in audit}
            more = len(mine) - max(map(len, known), default=0)
            new += [each for each in mine if each.call not in calls][: max(0, more)]
        return tuple(each for each in found if each in new)


READER = TypeAdapter(KnownAudit)


def read_baseline(paths: Sequence[Path]) -> Baseline:
    """Raise UserError if a file is not the findings.json of an audit."""
    return Baseline(tuple(map(read_known_audit, paths)))


def read_known_audit(path: Path) -> KnownAudit:
    """Raise UserError if the file is not a findings.json of this schema."""
    what = f"--baseline {path} can't be read"
    try:
        audit = READER.validate_json(read_user_file(path, what, MOST_BYTES))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        reason = f"{place}: {fault['msg']}" if place else str(fault["msg"])
        raise build_damage_error(path, reason) from error
    if audit.schema != SCHEMA:
        raise build_damage_error(
            path, f"its schema is {audit.schema}, this version reads {SCHEMA}: run the audit again"
        )
    return audit


def build_damage_error(path: Path, reason: str) -> UserError:
    reason = " ".join(reason.split())
    return UserError(f"--baseline {path} is not the findings.json of an audit ({reason})")
