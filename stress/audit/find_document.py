"""Finds the running app's OpenAPI document: at a common path, or as linked on its docs page."""

import html
import re
from dataclasses import dataclass
from random import getrandbits
from urllib.parse import urljoin, urlsplit

import aiohttp

from records.ids import make_first_id
from scenarios.errors import UserError
from stress.audit.answer import Answer, ReadLimits
from stress.audit.ask import Ask, Headers
from stress.audit.client import open_session, run_in_loop, send
from stress.audit.example_values import Node
from stress.audit.openapi import find_base_path, parse_document
from stress.interruption import Interruption

PLAIN = ("accept-encoding", "identity")
"""The client does not decompress, because that would use CPU under load."""
ADDRESSES = (
    "/openapi.json", "/schema/openapi.json", "/api/openapi.json", "/api/v1/openapi.json",
    "/openapi/openapi.json", "/swagger.json",
)  # fmt: skip
PAGES = ("/docs", "/redoc", "/api/docs", "/schema")
ON_PAGE = re.compile(r"""(?:\burl\s*[:=]|spec-url\s*=|data-url\s*=)\s*["']([^"']{1,300})["']""")
NO_DOCUMENT = "The app has no OpenAPI document"
ABSENT = (200, 404, None)
"""Statuses of an address without a document: a page, nothing, no response."""
FETCH = ReadLimits(timeout_s=10.0, most_bytes=8 << 20, keep=True)


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """base: the common prefix of all its paths."""

    address: str
    base: str
    content: Node


class DocumentFinder:
    """A search that requests one address after another, each once."""

    def __init__(self, session: aiohttp.ClientSession, headers: Headers) -> None:
        others = (each for each in headers if each[0].lower() != PLAIN[0])
        self._session, self._headers = session, (*others, PLAIN)
        self.missing = NO_DOCUMENT
        """Why there is no document, as a clause."""

    async def find(self) -> tuple[str, bytes] | None:
        """Return address and text. Raises UserError if the document is too long or too slow."""
        for each in ADDRESSES:
            if text := await self._fetch(each, is_document=True):
                return each, text
        for each in PAGES:
            page = (await self._fetch(each) or b"").decode(errors="replace")
            for found in ON_PAGE.findall(page)[:3]:
                try:
                    address = urlsplit(urljoin(each, html.unescape(found)))
                except ValueError:
                    continue
                path = address.path
                if address.netloc or path.startswith("//") or not path.isascii():
                    continue  # on another host, which the user did not give
                if text := await self._fetch(address.path):
                    return address.path, text
        return None

    async def _fetch(self, path: str, *, is_document: bool = False) -> bytes | None:
        answer = Answer(make_first_id(getrandbits(16), 0, 0))
        await send(self._session, Ask("GET", path, path, self._headers), answer, FETCH)
        if (answer.error or "").startswith("ClientConnector"):
            raise UserError("no server responds there; check that it runs and that --url is right")
        if is_document and self.missing == NO_DOCUMENT and answer.status not in ABSENT:
            self.missing = f"GET {path} returns {answer.status}"
        if answer.status != 200 and answer.error != "timeout":
            return None
        if answer.error == "too long":
            raise UserError(
                f"GET {path} has more than {FETCH.most_bytes >> 20} MB; give requests with "
                "--request"
            )
        if answer.error is not None:
            raise UserError(
                f"GET {path} was not answered within {FETCH.timeout_s:g} s; give requests with "
                "--request"
            )
        return answer.body


def fetch_document(url: str, headers: Headers, interruption: Interruption) -> ApiDocument | str:
    """Fetch the app's document, or return why there is none, as a clause. Raises UserError,
    CellInterruptedError."""

    async def fetch() -> tuple[str, bytes] | str:
        async with open_session(url) as session:
            finder = DocumentFinder(session, headers)
            return await finder.find() or finder.missing

    found = run_in_loop(fetch(), interruption.check)
    if isinstance(found, str):
        return found
    address, text = found
    content = parse_document(text, address)
    return ApiDocument(address, find_base_path(content, address), content)
