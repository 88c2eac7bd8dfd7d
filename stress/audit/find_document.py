"""Finds the running app's OpenAPI document: at a common path, or as linked on its docs page."""

import html
import re
from dataclasses import dataclass
from random import getrandbits
from urllib.parse import urljoin, urlsplit

import aiohttp

from records.ids import generate_ids
from scenarios.errors import build_cannot_run_error
from stress.audit.answer import Answer, ReadLimits
from stress.audit.ask import Ask, Headers
from stress.audit.client import open_session, run_in_loop, send
from stress.audit.example_values import Node
from stress.audit.first_answers import BAD_REQUEST, NAME_HOST, NO_TLS, REDIRECTS, REFUSED
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
FOUND, ABSENT = 200, (404, 405, 410)
FETCH = ReadLimits(timeout_s=10.0, most_bytes=8 << 20, keep=True)


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """base: the common prefix of all its paths."""

    address: str
    base: str
    content: Node


@dataclass(frozen=True, slots=True)
class MissingDocument:
    """No document was found. failure: why not, as a clause; "" if the app has none. status: of the
    response."""

    failure: str = ""
    status: int | None = None

    @property
    def advice(self) -> str:
        if self.status == BAD_REQUEST:
            return f"I{NAME_HOST[1:]}."
        if self.status in REFUSED:
            return "Add --header 'Authorization: ...'."
        if self.status in REDIRECTS:
            return "If the app redirects to HTTPS, add --header 'X-Forwarded-Proto: https'."
        return "Add more with --request 'GET /items/1'."


class DocumentFinder:
    """A search that requests one address after another, each once."""

    def __init__(self, session: aiohttp.ClientSession, headers: Headers) -> None:
        others = (each for each in headers if each[0].lower() != PLAIN[0])
        self._session, self._headers = session, (*others, PLAIN)
        self._missing: list[MissingDocument] = []

    async def find(self) -> ApiDocument | MissingDocument:
        """Return the first document, otherwise the first failure, best one with an error's status.
        Raises UserError if a response is too long or too slow."""
        for each in ADDRESSES:
            if document := await self._read(each):
                return document
        for each in PAGES:
            page = await self._fetch(each)
            text = page.body.decode(errors="replace") if page.status == FOUND else ""
            for found in ON_PAGE.findall(text)[:3]:
                try:
                    address = urlsplit(urljoin(each, html.unescape(found)))
                except ValueError:
                    continue
                path = address.path
                if address.netloc or path.startswith("//") or not path.isascii():
                    continue  # on another host, which the user did not give
                if document := await self._read(path):
                    return document
        return min(self._missing, key=lambda each: each.status == FOUND, default=MissingDocument())

    async def _read(self, path: str) -> ApiDocument | None:
        answer = await self._fetch(path)
        if answer.status in ABSENT:
            return None
        said = f"returns {answer.status}" if answer.status else f"fails: {answer.error}"
        if answer.status == FOUND:
            try:
                content = parse_document(answer.body)
                return ApiDocument(path, find_base_path(content, path), content)
            except ValueError:  # such as the page of a single-page app, which responds to any path
                said = "returns no OpenAPI document"
        self._missing.append(MissingDocument(f"GET {path} {said}", answer.status))
        return None

    async def _fetch(self, path: str) -> Answer:
        answer = Answer(next(generate_ids(getrandbits(16), 0)))
        await send(self._session, Ask("GET", path, path, self._headers), answer, FETCH)
        if answer.is_refused:
            raise build_cannot_run_error(
                "no server responds there; check that it runs and that --url is right"
            )
        if answer.fails_in_tls:
            raise build_cannot_run_error(NO_TLS.format(answer.error))
        if answer.status != FOUND and answer.error != "timeout":
            return answer
        if answer.error == "too long":
            raise build_cannot_run_error(
                f"GET {path} has more than {FETCH.most_bytes >> 20} MB; give requests with "
                "--request"
            )
        if answer.error not in (None, "timeout"):
            raise build_cannot_run_error(
                f"GET {path} failed: {answer.error}; give requests with --request"
            )
        if answer.error is not None:
            raise build_cannot_run_error(
                f"GET {path} was not answered within {FETCH.timeout_s:g} s; give requests with "
                "--request"
            )
        return answer


def fetch_document(
    url: str, headers: Headers, interruption: Interruption
) -> ApiDocument | MissingDocument:
    """Fetch the app's document. Raises UserError, CellInterruptedError."""

    async def fetch() -> ApiDocument | MissingDocument:
        async with open_session(url) as session:
            return await DocumentFinder(session, headers).find()

    return run_in_loop(fetch(), interruption.check)
