"""What a server's output says of its workers, while it grows. Only what is recognised is kept: the
rest may say a secret."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from records.server import EndReason
from stress.servers import load_adapters

MOST_BYTES = 1 << 20
"""In one look: a service may print faster than anyone reads."""


@dataclass(frozen=True, slots=True)
class LoggedEnd:
    pid: int
    reason: EndReason
    detail: str


@dataclass(slots=True)
class ServerLog:
    """Read from where it was last read to. It is empty before it is there."""

    path: Path
    read_to: int = field(default=0)
    rest: bytes = b""
    refusals: int = 0

    def skip(self) -> None:
        """What it says already."""
        self.read_to = self.path.stat().st_size if self.path.exists() else 0

    def read_ends(self) -> list[LoggedEnd]:
        lines = list(self.read_lines())
        self.refusals += sum(map(is_refusal, lines))
        return [each for line in lines for each in find_end(line)]

    def read_lines(self) -> Iterator[str]:
        """Whole ones."""
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
    """One at most: the first sign that the line shows."""
    for adapter in load_adapters().values():
        for sign, reason in adapter.log_signs:
            if found := sign.search(line):
                groups = found.groupdict()
                yield LoggedEnd(int(groups["pid"]), reason, groups.get("detail") or "")
                return


def is_refusal(line: str) -> bool:
    signs = (each.refusal_sign for each in load_adapters().values())
    return any(sign.search(line) for sign in signs if sign is not None)
