"""Read the guide's texts: TOML files, and Markdown files with TOML between two `+++` at the top."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from analysis.metrics import METRICS
from scenarios.errors import UserError

Kind = TypeVar("Kind")
TEXTS = files("analysis.guide") / "texts"
FILE_NAME = re.compile(r"(\d+)-(.+)\.md")
PARTS = re.compile(r"\+\+\+\n(.*?)^\+\+\+\n(.*)", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^##? (.+)$", re.MULTILINE)
TITLE, LEAD = "#", ""
"""Keys of a Markdown file's first heading and of the text below it."""


def join_lines(text: str) -> str:
    """Join a paragraph into one line, so that its line breaks in the file do not matter."""
    return " ".join(text.split())


Prose = Annotated[str, BeforeValidator(join_lines)]


def check_metric(name: str) -> str:
    """Return the name unchanged. Raises ValueError."""
    if name not in {each.key for each in METRICS}:
        raise ValueError(f"{name!r} is not a metric")
    return name


@contextmanager
def translate_text_errors(file: Traversable) -> Iterator[None]:
    """Turn any error in a text into one line that names the file and the key."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(each) for each in first["loc"])
        unknown = first["type"] == "unexpected_keyword_argument"
        said = "unknown" if unknown else first["msg"].removeprefix("Value error, ")
        raise UserError(": ".join(filter(None, (str(file), key, said)))) from error
    except (OSError, ValueError, TypeError, AttributeError, UserError) as error:
        raise UserError(f"{file}: {error}") from error


def load_toml(file: Traversable, kind: type[Kind]) -> Kind:
    """Raises UserError."""
    with translate_text_errors(file):
        values = tomllib.loads(file.read_text("utf-8"))
        return TypeAdapter(kind).validate_python(values, extra="forbid")


def load_numbered_texts(
    folder: Traversable, kind: type[Kind], sections: Mapping[str, str]
) -> tuple[Kind, ...]:
    """Load a record from each `NUMBER-NAME.md`, in order. `sections` maps headings to fields.
    Raises UserError."""
    names = (FILE_NAME.fullmatch(each.name) for each in folder.iterdir())
    found = sorted((int(each[1]), each[2], each[0]) for each in names if each)
    if [number for number, _, _ in found] != list(range(1, len(found) + 1)):
        raise UserError(f"{folder}: the files are not numbered from 1 on, each number once")
    return tuple(
        load_markdown(folder / file, kind, sections, {"number": number, "name": name})
        for number, name, file in found
    )


def load_markdown(
    file: Traversable, kind: type[Kind], sections: Mapping[str, str], known: Mapping[str, object]
) -> Kind:
    """Raises UserError."""
    with translate_text_errors(file):
        parts = PARTS.fullmatch(file.read_text("utf-8"))
        if parts is None:
            raise ValueError("it does not begin with TOML between two lines of +++")
        found = split_sections(parts[2])
        if found.keys() != sections.keys():
            (odd, *_) = sorted(found.keys() ^ sections.keys())
            raise ValueError(f"section {odd!r}: {'unknown' if odd in found else 'missing'}")
        texts = {sections[heading]: text for heading, text in found.items()}
        data = tomllib.loads("\n" + parts[1])  # so that an error names the line of the file
        if twice := data.keys() & {*known, *texts}:
            raise ValueError(f"{min(twice)}: the file's name or text already gives it")
        return TypeAdapter(kind).validate_python({**known, **texts, **data}, extra="forbid")


def split_sections(body: str) -> dict[str, str]:
    """Map headings to their texts; the first heading is the title. Raises ValueError."""
    above, *rest = HEADING.split(body)
    if above.strip() or not rest:
        raise ValueError("its text does not begin with a heading")
    headings, texts = [LEAD, *rest[2::2]], rest[1::2]
    if len(set(headings)) < len(headings):
        raise ValueError("two of its sections have the same heading")
    return {TITLE: rest[0]} | dict(zip(headings, texts, strict=True))
