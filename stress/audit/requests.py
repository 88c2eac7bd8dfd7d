"""What is asked of a service."""

from dataclasses import dataclass
from pathlib import Path

from records.audit import UnaskedRoute
from scenarios.errors import UserError
from stress.interruption import Interruption


@dataclass(frozen=True, slots=True)
class Ask:
    """target: path?query as sent. route: the template where it is known, otherwise the path without
    its query. is_named: by the user."""

    method: str
    target: str
    route: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    source: str = ""
    is_named: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """before: what each user sends once, first."""

    asks: tuple[Ask, ...] = ()
    before: tuple[Ask, ...] = ()
    unasked: tuple[UnaskedRoute, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """As typed. folder: where @file is found."""

    requests: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    before: tuple[str, ...]
    folder: Path


def plan_requests(url: str, options: RequestOptions, interruption: Interruption) -> RequestPlan:
    """Raises UserError."""
    interruption.check()
    if not options.requests:
        raise UserError(f"{url}: give a request, such as --request 'GET /'")
    return RequestPlan(tuple(map(parse_request, options.requests)))


def parse_request(text: str) -> Ask:
    method, _, target = text.partition(" ")
    return Ask(method, target, target.partition("?")[0], is_named=True)


def render_plan(plan: RequestPlan) -> list[str]:
    return [f"{each.method} {each.target}" for each in plan.asks]
