"""Follows a server's output for the end of workers and refused requests. It keeps only recognized
lines, because other lines may contain a secret."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from records.server import EndReason
from stress.servers import load_adapters

MOST_BYTES = 1 << 20
"""Limit per read: a service may print very fast."""


@dataclass(frozen=True, slots=True)
class LoggedEnd:
    pid: int
    reason: EndReason
    detail: str


@dataclass(slots=True)
class ServerLog:
    """A log that is read on from the last position. A missing file counts as empty."""

    path: Path
    read_to: int = field(default=0)
    rest: bytes = b""
    refusals: int = 0

    def skip(self) -> None:
        """Skip the existing output."""
        self.read_to = self.path.stat().st_size if self.path.exists() else 0

    def read_ends(self) -> list[LoggedEnd]:
        lines = list(self.read_lines())
        self.refusals += sum(map(is_refusal, lines))
        return [each for line in lines for each in find_end(line)]

    def read_lines(self) -> Iterator[str]:
        """Yield complete lines."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.read_to)
                content = file.read(MOST_BYTES)
        except FileNotFoundError:
            return
        self.read_to += len(content)
        *lines, self.rest = (self.rest + content).split(b"\n")
        yield from (each.decode(errors="replace") for each in lines)


def find_end(line: str) -> Iterator[LoggedEnd]:
    """Yield at most one end: the first sign that matches."""
    for adapter in load_adapters().values():
        for sign, reason in adapter.log_signs:
            if found := sign.search(line):
                groups = found.groupdict()
                yield LoggedEnd(int(groups["pid"]), reason, groups.get("detail") or "")
                return


def is_refusal(line: str) -> bool:
    signs = (each.refusal_sign for each in load_adapters().values())
    return any(sign.search(line) for sign in signs if sign is not None)
