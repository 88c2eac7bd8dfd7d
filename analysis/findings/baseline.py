"""Findings that are known already: the findings.json of an earlier audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.findings.base import AuditFinding
from analysis.findings.judge import SCHEMA
from analysis.findings.recognition import FindingSite, group_by_site
from scenarios.errors import UserError

MOST_BYTES = 50_000_000
"""Of the file: a thousand times what an audit of a large service writes."""


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """What is read of a finding in the file."""

    code: str
    route: str | None = None
    phase: str | None = None
    file: str | None = None
    function: str | None = None
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    findings: tuple[KnownFinding, ...] = ()
    schema: int = 0

    def find_new(self, found: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
        """found: the worst first. One is known where the file has one of the same site. Of several
        in one site, those are new that are more than in the file and in a call that is not."""
        new: list[AuditFinding] = []
        for site, mine in group_by_site(found).items():
            known = [each for each in self.findings if FindingSite.locate(each).matches(site)]
            calls = {each.call for each in known}
            other = [each for each in mine if each.call not in calls]
            more = len(mine) - len(known)
            new += other[: max(0, more)]
        return tuple(each for each in found if each in new)


READER = TypeAdapter(Baseline)


def read_baseline(path: Path) -> Baseline:
    """Raises UserError."""
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise UserError(f"--baseline {path}: larger than 50 MB; give an audit's findings.json")
        baseline = READER.validate_json(path.read_bytes())
    except IsADirectoryError:
        raise UserError(f"--baseline {path}: a folder; give the findings.json in it") from None
    except OSError as error:
        raise UserError(f"--baseline {path}: it can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise build_damage_error(path, str(error.errors()[0]["msg"])) from error
    if baseline.schema != SCHEMA:
        raise build_damage_error(path, f"its schema is not {SCHEMA}")
    return baseline


def build_damage_error(path: Path, reason: str) -> UserError:
    reason = " ".join(reason.split())
    return UserError(f"--baseline {path}: no findings.json of an audit ({reason})")
