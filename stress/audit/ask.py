"""A request of an audit, and the plan of all its requests."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NewType

from records.audit import UnaskedRoute

Headers = tuple[tuple[str, str], ...]
Templates = tuple[tuple[str, str], ...]
"""Methods and route templates; those with the fewest placeholders come first."""
SafeText = NewType("SafeText", str)
"""A target without the user's query values, which may be shown."""
Origin = Literal["document", "file", "option"]
"""Source of a request's values: the app's public document, or the user's file or command line."""
ONLY_PATH = "the only known path"
"""Source of GET / where the app has no document."""
WEBSOCKET = "WS"
"""Stands for a method: the audit opens a websocket, sends the body as one message, and takes the
first message it receives as the response."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as it is sent. Its repr shows no secret.

    target: path and query. route: the template if known, otherwise the path. source: description
    of where its values come from.
    """

    method: str
    target: str = field(repr=False)
    route: str
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    source: str = ""
    origin: Origin = "document"
    endless: bool = False
    """True if its response never ends; it is then measured to its first byte."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"

    def add_headers(self, more: Headers) -> "Ask":
        """Add headers. Those of a document win; the user's win over guessed and recorded ones."""
        of_document = self.origin == "document"
        first, second = (self.headers, more) if of_document else (more, self.headers)
        names = {name.lower() for name, _ in first}
        missing = tuple(each for each in second if each[0].lower() not in names)
        return replace(self, headers=first + missing)


def hide_query(ask: Ask) -> SafeText:
    """Hide the user's query values in the target; values of a public document stay."""
    path, mark, query = ask.target.partition("?")
    if ask.origin == "document" or not mark:
        return SafeText(ask.target)
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return SafeText(f"{path}?{'&'.join(f'{name}=…' for name in names)}")


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """before: requests that each user sends once before the load. warnings: sentences. templates:
    of the app's document. locustfile: replaces asks. is_own_traffic: the user generates the load.
    routes_unknown: as in AuditRecord.
    """

    asks: tuple[Ask, ...] = ()
    unasked: tuple[UnaskedRoute, ...] = ()
    warnings: tuple[str, ...] = ()
    before: tuple[Ask, ...] = ()
    templates: Templates = ()
    locustfile: Path | None = None
    is_own_traffic: bool = False
    routes_unknown: str | None = None
