"""Match findings of two audits although lines of the code have moved."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol, Self, TypeVar

from analysis.findings.places import AWAY

F = TypeVar("F", bound="LocatedFinding")


class LocatedFinding(Protocol):
    """A finding of this audit, or one read from an earlier audit."""

    @property
    def code(self) -> str: ...
    @property
    def route(self) -> str | None: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def file(self) -> str | None: ...
    @property
    def function(self) -> str | None: ...
    @property
    def call(self) -> str | None: ...


class FindingSite(NamedTuple):
    """The part of a finding that survives edits around it, so no line. name: of the function;
    without a file, of the call."""

    code: str
    file: str | None
    name: str | None
    route: str | None
    phase: str | None

    @classmethod
    def locate(cls, found: LocatedFinding) -> Self:
        """Earlier versions named a file outside the service's folder without AWAY."""
        name = found.function if found.file else found.call
        file = found.file.removeprefix(AWAY) if found.file else found.file
        return cls(found.code, file, name, found.route, found.phase)

    def matches(self, other: "FindingSite") -> bool:
        """Return True for the same site. An unknown route or phase matches any."""
        is_here = self[:3] == other[:3]
        pairs = zip(self[3:], other[3:], strict=True)
        return is_here and all(None in pair or len(set(pair)) == 1 for pair in pairs)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal; the same in every audit."""
        return sha256("\0".join(each or "" for each in self).encode()).hexdigest()[:32]


def group_by_site(found: Sequence[F]) -> Mapping[FindingSite, tuple[F, ...]]:
    """Keep the given order."""
    sites: dict[FindingSite, list[F]] = defaultdict(list)
    for each in found:
        sites[FindingSite.locate(each)].append(each)
    return {site: tuple(mine) for site, mine in sites.items()}


def pair_sites(
    a: Sequence[FindingSite], b: Sequence[FindingSite]
) -> tuple[tuple[FindingSite | None, FindingSite | None], ...]:
    """Pair every site of A, in order, with its match in B; then list the sites that only B has."""
    alone = [each for each in b if each not in a]
    pairs: list[tuple[FindingSite | None, FindingSite | None]] = []
    for each in a:
        other = each if each in b else next((one for one in alone if one.matches(each)), None)
        if other in alone:
            alone.remove(other)
        pairs.append((each, other))
    return (*pairs, *((None, each) for each in alone))
