"""Find the sentences in sources: a message that needs no instance to be read."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SILENT = (
    "probe/asgi_probe/command_words.py", "records/command_words.py", "stress/last_words.py",
    "stress/logged_reasons.py", "stress/servers/given.py",
)  # fmt: skip
"""Files whose texts are words of other programs, to be recognised."""
FEWEST_WORDS = 4
FIELD = re.compile(r"\{[a-z_.]*(?:![rs])?(?::[^{}]*)?\}")
WORD = re.compile(r"(?<![\w{-])[A-Za-z][a-z']+(?![\w}(=])")
NO_SENTENCE = re.compile(r"[<>;$\\]\s|</|^SELECT |--[a-z-]+ [A-Z]+$|[{}]\s*$(?<!…})")
SENTENCES_END = 200
"""In characters: HTML, scripts and SQL are longer and have no such words."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """text: each value that the program fills in is written …."""

    file: str
    line: int
    text: str
    is_error: bool


def find_sentences(root: Path, folders: Sequence[str]) -> Iterator[Sentence]:
    """In the order of the files and lines, each text once; docstrings are none."""
    seen: set[str] = set()
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            is_silent = path.relative_to(root).as_posix() in SILENT
            for each in [] if is_silent else read_file(path, root):
                if each.text not in seen:
                    seen.add(each.text)
                    yield each


def read_file(path: Path, root: Path) -> list[Sentence]:
    tree = ast.parse(path.read_text())
    parents = {id(child): node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        parent = parents.get(id(node))
        if isinstance(parent, ast.JoinedStr | ast.Expr | ast.FormattedValue):
            continue
        text = read_text(node)
        if text and len(WORD.findall(text)) >= FEWEST_WORDS and not NO_SENTENCE.search(text):
            assert isinstance(node, ast.expr)
            name = path.relative_to(root).as_posix()
            found.append(Sentence(name, node.lineno, " ".join(text.split()), is_error(parent)))
    return sorted(found, key=lambda each: each.line)


def read_text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return FIELD.sub("…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else "…"
            for each in node.values
        )
    return ""


def is_error(parent: ast.AST | None) -> bool:
    return (
        isinstance(parent, ast.Call)
        and isinstance(parent.func, ast.Name)
        and parent.func.id.endswith("Error")
    )
