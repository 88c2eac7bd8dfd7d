"""A request that an audit sends, and all that it plans to send."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NewType

from records.audit import UnaskedRoute

Headers = tuple[tuple[str, str], ...]
Templates = tuple[tuple[str, str], ...]
"""Methods and route templates, those with the fewest placeholders first."""
SafeText = NewType("SafeText", str)
"""A target that may be shown: no query value that the user typed."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it is sent. Its repr shows no secret.

    target: path and query. route: the template where one is known, otherwise the path. source:
    where its values come from, in words. named: whether the user typed it.
    """

    method: str
    target: str = field(repr=False)
    route: str
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    source: str = ""
    named: bool = False
    endless: bool = False
    """Whether its answer does not end: then it is measured to its first byte."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"

    def add_headers(self, more: Headers) -> "Ask":
        """What the ask says itself stays, unless the user typed it: then its own are a guess."""
        first, second = (more, self.headers) if self.named else (self.headers, more)
        names = {name.lower() for name, _ in first}
        missing = tuple(each for each in second if each[0].lower() not in names)
        return replace(self, headers=first + missing)


def hide_query(ask: Ask) -> SafeText:
    """The target without the query values that the user typed; those of a public document stay."""
    path, mark, query = ask.target.partition("?")
    if not ask.named or not mark:
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
