"""Reads vegeta targets: a method and an address, headers, and `@file` for a body.

Format (github.com/tsenart/vegeta, README, `-format`): http, or json with one object per line. An
address may be just a path.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from scenarios.errors import UserError
from stress.audit.file_request import FileRequest
from stress.audit.parse_requests import TOKEN, read_body

REQUEST = re.compile(r"([A-Z]+)\s+(\S+)\s*\Z")


class JsonTarget(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    method: str
    url: str
    header: Mapping[str, tuple[str, ...]] = {}
    body: Base64Bytes = b""


def parse_targets(text: str, file: Path) -> tuple[FileRequest, ...]:
    """Parse targets in either format. Raises UserError."""
    is_json = text.lstrip().startswith("{")
    return parse_json_targets(text, file) if is_json else parse_plain_targets(text, file)


def parse_json_targets(text: str, file: Path) -> tuple[FileRequest, ...]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            target = JsonTarget.model_validate_json(line)
        except ValidationError as error:
            raise UserError(
                f"{file.name} line {number} is not a target; give JSON with method, url and a "
                "base64 body"
            ) from error
        headers = tuple((name, each) for name, values in target.header.items() for each in values)
        found.append(FileRequest(target.method.upper(), target.url, headers, target.body or None))
    return tuple(found)


def parse_plain_targets(text: str, file: Path) -> tuple[FileRequest, ...]:
    found: list[FileRequest] = []
    is_open = False  # True if a line may belong to the previous request
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line.startswith("#"):
            continue
        if not line:
            is_open = False
        elif request := REQUEST.match(line):
            found.append(FileRequest(request[1], request[2]))
            is_open = True
        elif is_open:
            found[-1] = add_line(found[-1], line, file, number)
        else:
            raise UserError(f"{file.name} line {number} needs a method and an address: GET /items")
    return tuple(found)


def add_line(request: FileRequest, line: str, file: Path, number: int) -> FileRequest:
    """Add a header, or the body's file, which comes last. Raises UserError."""
    what = f"{file.name} line {number}"
    if line.startswith("@"):
        return replace(request, body=read_body(line, what, file.parent))
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.match(name):
        raise UserError(f"{what} needs a header, such as Accept: text/html, or @FILE")
    return replace(request, headers=(*request.headers, (name, value)))
