"""The guidance's rules that statements refer to: their numbers, claims and advice."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

RULES = files("analysis") / "guide" / "texts" / "rules"
FILE_NAME = re.compile(r"(\d+)-(.+)\.md")
BODY = re.compile(r"^# (?P<claim>.+?)\n.*^## Do\n(?P<advice>.+)", re.MULTILINE | re.DOTALL)

LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


@dataclass(frozen=True, slots=True)
class RuleReference:
    """`claim` and `advice` are one line each, with code between backticks. Links are removed, since
    those of the texts are relative to docs/."""

    number: int
    name: str
    claim: str
    advice: str

    @property
    def anchor(self) -> str:
        """The same in docs/guidance.md and on a report's page."""
        return f"rule-{self.name}"

    @property
    def address(self) -> str:
        return f"docs/guidance.md#{self.anchor}"


@cache
def load_rule_references() -> dict[str, RuleReference]:
    """Map each rule's name to its reference."""
    found = {}
    for file in RULES.iterdir():
        if (named := FILE_NAME.fullmatch(file.name)) is None:
            continue
        if (text := BODY.search(file.read_text("utf-8"))) is not None:
            claim, advice = (" ".join(text[part].split()) for part in ("claim", "advice"))
            advice = LINK.sub(r"\1", advice)
            found[named[2]] = RuleReference(int(named[1]), named[2], claim, advice)
    return found
