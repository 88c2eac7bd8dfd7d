"""Reads the requests of an HTTP archive: the HAR file that a browser's network panel saves.

Format: HAR 1.2, with Chrome's `_webSocketMessages`. Only the status of the responses is used.
"""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenarios.errors import UserError
from stress.audit.file_request import FileRequest

BINARY = 2
"""Opcode of a binary websocket message, whose data are base64."""
REDIRECTS = (301, 302, 303, 307, 308)
NOT_IN_FILE = "its body is not in the file"


class HarPart(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class HarPair(HarPart):
    name: str
    value: str = ""


class HarBody(HarPart):
    mime_type: str = Field(default="", alias="mimeType")
    text: str | None = None
    encoding: str = ""
    params: tuple[HarPair, ...] = ()


class HarRequest(HarPart):
    """body_size: -1 if unknown."""

    method: str
    url: str
    headers: tuple[HarPair, ...] = ()
    cookies: tuple[HarPair, ...] = ()
    body: HarBody | None = Field(default=None, alias="postData")
    body_size: int = Field(default=-1, alias="bodySize")


class HarMessage(HarPart):
    type: str = ""
    opcode: int = 1
    data: str = ""


class HarResponse(HarPart):
    status: int = 0


class HarEntry(HarPart):
    request: HarRequest
    response: HarResponse | None = None
    page: str | None = Field(default=None, alias="pageref")
    messages: tuple[HarMessage, ...] | None = Field(default=None, alias="_webSocketMessages")


class HarPage(HarPart):
    id: str


class HarLog(HarPart):
    entries: tuple[object, ...]
    """Each entry is parsed separately, so that a damaged one does not affect the others."""
    pages: tuple[HarPage, ...] = ()


class HarFile(HarPart):
    log: HarLog


def parse_har(content: bytes, name: str) -> tuple[FileRequest, ...]:
    """Return the requests: the first page's first, redirects last, because a redirect may lead to
    another host. Raises UserError."""
    try:
        log = HarFile.model_validate_json(content).log
    except ValidationError as error:
        raise UserError(f"{name} is not a HAR file: {describe_fault(error)}") from error
    first = log.pages[0].id if log.pages else None
    entries, damaged = [], []
    for place, each in enumerate(log.entries):
        try:
            entries.append(HarEntry.model_validate(each))
        except ValidationError as error:
            problem = describe_fault(error, f"log.entries.{place}")
            damaged.append(FileRequest("?", "", problem=problem))
    if damaged and not entries:
        raise UserError(f"{name} is not a HAR file: {damaged[0].problem}")
    entries.sort(key=lambda each: (is_redirect(each), each.page != first))
    return *(build_har_request(each) for each in entries if is_sent(each)), *damaged


def describe_fault(error: ValidationError, *within: str) -> str:
    """Describe the location of the fault, without any value."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join([*within, *map(str, fault["loc"])])
    return "it is not valid JSON" if not place else f"{place} is invalid"


def is_redirect(entry: HarEntry) -> bool:
    return entry.response is not None and entry.response.status in REDIRECTS


def is_sent(entry: HarEntry) -> bool:
    """Return True for HTTP and websockets. An archive also has data: and extension URLs."""
    return entry.request.url.startswith(("http:", "https:", "ws:", "wss:"))


def build_har_request(entry: HarEntry) -> FileRequest:
    request = entry.request
    headers = [(each.name, each.value) for each in request.headers]
    names = {name.lower() for name, _ in headers}
    if request.cookies and "cookie" not in names:
        cookies = "; ".join(f"{each.name}={each.value}" for each in request.cookies)
        headers.append(("Cookie", cookies))
    body, problem = read_har_body(entry)
    if request.body is not None and request.body.mime_type and "content-type" not in names:
        headers.append(("Content-Type", request.body.mime_type))
    return FileRequest(request.method.upper(), request.url, tuple(headers), body, problem)


def read_har_body(entry: HarEntry) -> tuple[bytes | None, str]:
    """Return the body, and why it is not available, else ""."""
    body, size = entry.request.body, entry.request.body_size
    if entry.messages is not None:
        return read_first_message(entry.messages)
    if body is None:
        return (None, NOT_IN_FILE) if size > 0 else (None, "")
    if body.text:
        return decode_text(body.text, is_base64=body.encoding == "base64")
    if body.params and body.mime_type.startswith("multipart/"):
        return None, NOT_IN_FILE
    if body.params:
        return urlencode([(each.name, each.value) for each in body.params]).encode(), ""
    return (None, NOT_IN_FILE) if size > 0 else (None, "")


def read_first_message(messages: Sequence[HarMessage]) -> tuple[bytes | None, str]:
    sent = next((each for each in messages if each.type == "send"), None)
    if sent is None:
        return None, ""
    return decode_text(sent.data, is_base64=sent.opcode == BINARY)


def decode_text(text: str, *, is_base64: bool) -> tuple[bytes | None, str]:
    """Decode a text, which is base64 if binary; return the problem, else ""."""
    try:
        return base64.b64decode(text, validate=True) if is_base64 else text.encode(), ""
    except (binascii.Error, ValueError):
        return None, NOT_IN_FILE
