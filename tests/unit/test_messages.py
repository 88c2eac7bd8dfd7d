"""docs/messages.md has every sentence, and no text has a word that NAMES rules out."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.messages.page import PAGE, ROOT, render_page

BANNED = ("told", "foretold", "beside", "dearer", "whoever", "somebody", "riddle")
WORD = re.compile(rf"\b({'|'.join(BANNED)})\b", re.IGNORECASE)
SUFFIXES = {".py", ".md", ".toml", ".html", ".js", ".css", ".sh", ".txt", ".go", ".rs", ".jinja"}
FOLDERS = (
    "app", "slow_upstream", "scenarios", "records", "probe", "stress", "analysis", "study", "peers",
    "benchmarks", "docs", "tests",
)  # fmt: skip
QUOTES = (Path(__file__).resolve(), ROOT / "tests" / "test_house.py")
"""They name the words."""
NOT_OURS = {"target", "node_modules", "__pycache__"}


def test_the_page_has_every_message() -> None:
    assert PAGE.read_text() == render_page(), "python -m tests.messages writes the page"


def test_no_text_has_a_word_that_is_ruled_out() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in list_texts()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if WORD.search(line)
    ]
    assert not found, "\n".join(found)


def list_texts() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    yield from ROOT.glob("*.sh")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            is_text = path.suffix in SUFFIXES and path not in QUOTES
            if is_text and not NOT_OURS & set(path.parts):
                yield path
