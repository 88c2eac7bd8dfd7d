"""A request that an audit sends, and all that it plans to send."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NewType

from records.audit import UnaskedRoute

Headers = tuple[tuple[str, str], ...]
Templates = tuple[tuple[str, str], ...]
"""Methods and route templates, those with the fewest placeholders first."""
SafeText = NewType("SafeText", str)
"""A target that may be shown: no query value of the user's."""
Origin = Literal["document", "file", "option"]
"""Who says the values of a request: the app's public document, or the user, in a file or typed."""
WEBSOCKET = "WS"
"""In the place of a method: a websocket is opened, the body is sent as one message, and the first
message that comes back is the answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it is sent. Its repr shows no secret.

    target: path and query. route: the template where one is known, otherwise the path. source:
    where its values come from, in words.
    """

    method: str
    target: str = field(repr=False)
    route: str
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    source: str = ""
    origin: Origin = "document"
    endless: bool = False
    """Whether its answer does not end: then it is measured to its first byte."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"

    def add_headers(self, more: Headers) -> "Ask":
        """What a document says stays; the user's own come before a guess and a recording."""
        of_document = self.origin == "document"
        first, second = (self.headers, more) if of_document else (more, self.headers)
        names = {name.lower() for name, _ in first}
        missing = tuple(each for each in second if each[0].lower() not in names)
        return replace(self, headers=first + missing)


def hide_query(ask: Ask) -> SafeText:
    """The target without the user's query values; those of a public document stay."""
    path, mark, query = ask.target.partition("?")
    if ask.origin == "document" or not mark:
        return SafeText(ask.target)
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return SafeText(f"{path}?{'&'.join(f'{name}=…' for name in names)}")


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """before: what each user sends once, before the load. warnings: sentences. templates: of the
    app's document. locustfile: the load instead of asks. is_own_traffic: the user makes the load.
    """

    asks: tuple[Ask, ...] = ()
    unasked: tuple[UnaskedRoute, ...] = ()
    warnings: tuple[str, ...] = ()
    before: tuple[Ask, ...] = ()
    templates: Templates = ()
    locustfile: Path | None = None
    is_own_traffic: bool = False
