"""Reads `.http` files, the format of JetBrains' HTTP Client and VS Code's REST Client.

`###` separates the requests. Editor features are not supported: scripts, environment files, and
responses of other requests. A request that needs them cannot be sent.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.errors import UserError
from stress.audit.ask import WEBSOCKET, Headers
from stress.audit.file_request import FileRequest
from stress.audit.file_variables import fill_variables, list_unset
from stress.audit.parse_requests import read_body

UNREAD_FILE = "its body file, named in a line that starts with <, cannot be read"
FILE_NAME = re.compile(r"[\w./-]{1,100}\.\w{1,5}")
"""Names that may be shown: another body line that starts with < may be a secret."""
ASSIGNMENT = re.compile(r"@([\w.-]+)\s*=\s*(.*)")
COMMENT = re.compile(r"\s*(#|//)")
SCRIPT = re.compile(r"^[^\S\n]*[<>]\s*\{%.*?%\}", re.MULTILINE | re.DOTALL)
"""A JetBrains script that runs before a request or on its response."""
ANSWER = re.compile(r"\s*(>>?!?\s|<>\s)")
"""A script file, or a file that stores the response."""
METHOD = re.compile(r"([^\s/:.?{]+)\s+(\S.*)")
"""A first word that cannot be an address. An invalid method is refused later."""
VERSION = re.compile(r"(?<!\s)\s+HTTP/[\d.]+\s*\Z")
UNSET_HOST = re.compile(r"([^/?{}]*://)?[^/?]*\{\{[^/?]*")
"""An unset host variable, which the audited service replaces."""
BASIC = re.compile(r"Basic +([^\s:]+)(?::| +)(\S+)\Z")
INCLUDED = re.compile(r"\s*<\s+(\S.*)")
"""A body line that includes a file."""
MESSAGE_END = re.compile(r"^===.*", re.MULTILINE | re.DOTALL)
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class HttpBlock:
    """The unprocessed lines of one request."""

    request: str = ""
    headers: list[str] = field(default_factory=list)
    body: Sequence[str] = ()


def parse_http_file(text: str, file: Path) -> tuple[FileRequest, ...]:
    variables: dict[str, str] = {}
    lines = SCRIPT.sub("", text).splitlines()
    blocks = [read_block(each, variables) for each in split_blocks(lines)]
    return tuple(build_http_request(each, variables, file) for each in blocks if each.request)


def split_blocks(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    begin = 0
    for number, line in enumerate(lines):
        if line.startswith("###"):
            yield lines[begin:number]
            begin = number + 1
    yield lines[begin:]


def read_block(lines: Sequence[str], variables: dict[str, str]) -> HttpBlock:
    """Read one block, and add the variables that it sets to `variables`."""
    block = HttpBlock()
    for number, line in enumerate(lines):
        if block.request and not line.strip():
            block.body = [each for each in lines[number + 1 :] if not ANSWER.match(each)]
            break
        if assigned := ASSIGNMENT.match(line):
            variables[assigned[1]] = assigned[2].strip()
        elif not line.strip() or COMMENT.match(line) or ANSWER.match(line):
            continue
        elif not block.request:
            block.request = line.strip()
        elif line[0].isspace() and not block.headers:  # a continuation of the address
            block.request += line.strip()
        else:
            block.headers.append(line.strip())
    return block


def build_http_request(block: HttpBlock, variables: Mapping[str, str], file: Path) -> FileRequest:
    method, url = split_request_line(fill_variables(block.request, variables))
    lines = [fill_variables(each, variables) for each in block.headers]
    pairs = [each.partition(":") for each in lines]
    headers = tuple((name, encode_basic(value.strip())) for name, _, value in pairs)
    text = fill_variables("\n".join(block.body), variables)
    try:
        body, problem = build_body(method, headers, text, file.parent), ""
    except UserError as error:
        names = [found[1].strip() for each in text.split("\n") if (found := INCLUDED.match(each))]
        is_name = all(map(FILE_NAME.fullmatch, names))
        body, problem = None, str(error) if is_name else UNREAD_FILE
    if not all(colon for _, colon, _ in pairs):
        problem = "one of its lines is not a header"
    for name in list_unset("\n".join((url, *lines, text))):
        problem = f"{file.name} does not set its {{{{{name}}}}}"
    return FileRequest(method, url, headers, body, problem)


def encode_basic(value: str) -> str:
    """Encode a plain-text user and password, as editors do."""
    plain = BASIC.match(value)
    return f"Basic {b64encode(':'.join(plain.groups()).encode()).decode()}" if plain else value


def split_request_line(line: str) -> tuple[str, str]:
    line = VERSION.sub("", line)
    found = METHOD.match(line)
    method, url = (found[1].upper(), found[2].strip()) if found else ("GET", line)
    if UNSET_HOST.match(url):
        url = UNSET_HOST.sub("", url, count=1)
        url = url if url.startswith("/") else f"/{url}"
    elif "://" not in url.partition("?")[0] and not url.startswith("/"):
        url = f"http://{url}"
    return WEBSOCKET if method == "WEBSOCKET" else method, url


def build_body(method: str, headers: Headers, text: str, folder: Path) -> bytes | None:
    """Build the body. Raises UserError if a file cannot be read."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    if method == WEBSOCKET:
        text = MESSAGE_END.sub("", text)
    lines = [read_line(each, folder) for each in text.rstrip().split("\n")]
    if kind.startswith(FORM):
        return b"".join(each.strip() for each in lines) or None
    return (b"\r\n" if kind.startswith("multipart/") else b"\n").join(lines) or None


def read_line(line: str, folder: Path) -> bytes:
    included = INCLUDED.match(line)
    if included is None:
        return line.encode()
    return read_body(f"@{included[1].strip()}", "it", folder) or b""
