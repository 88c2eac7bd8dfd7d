"""Selects the requests of a user's file: those to one host with allowed methods, without
duplicates."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from records.audit import UnaskedRoute
from scenarios.errors import UserError
from stress.audit.ask import Ask, RequestPlan
from stress.audit.example_values import CannotFillError
from stress.audit.file_request import (
    Address,
    FileRequest,
    build_ask,
    choose_method,
    parse_address,
)
from stress.audit.parse_requests import METHODS, TOKEN

MOST_REQUESTS = 1000
MOST_HOSTS = 3
"""Hosts that a sentence names."""


@dataclass(slots=True)
class FilePlan:
    """name: the file's. methods: those that may be sent. host: whose requests are sent; None until
    a request names one. elsewhere: number of requests per other host."""

    name: str
    methods: frozenset[str]
    host: str | None
    asks: dict[tuple[str, str, bytes | None], Ask] = field(default_factory=dict)
    unasked: dict[tuple[str, str], UnaskedRoute] = field(default_factory=dict)
    elsewhere: Counter[str] = field(default_factory=Counter)
    count: int = 0
    """Number of the file's requests so far."""

    def add(self, request: FileRequest) -> None:
        self.count += 1
        method = choose_method(request)
        try:
            address = parse_address(request)
        except CannotFillError as error:
            # An invalid address may be a secret.
            shown = method if TOKEN.match(method) else "?"
            self.refuse(shown, f"(request {self.count})", str(error))
            return
        self.host = self.host or address.host or None
        if address.host not in ("", self.host):
            self.elsewhere[address.host] += 1
        elif method not in self.methods and not self.is_safe(method):
            self.refuse_method(method, address.path)
        else:
            self.add_ask(request, address)

    def is_safe(self, method: str) -> bool:
        """Return True for a HEAD if GET is allowed: it returns a part of GET's response."""
        return method == "HEAD" and "GET" in self.methods

    def add_ask(self, request: FileRequest, address: Address) -> None:
        try:
            ask = build_ask(request, address, self.name)
        except CannotFillError as error:
            self.refuse(choose_method(request), address.path, str(error))
        else:
            self.asks.setdefault((ask.method, ask.target, ask.body), ask)

    def refuse_method(self, method: str, path: str) -> None:
        how = shlex.join(("--request", f"{method} {path}"))
        if method in METHODS:
            wanted = {*self.methods, method}
            how = f"--methods {','.join(each for each in METHODS if each in wanted)}"
        self.refuse(method, path, f"{method} is sent only if you name it", how)

    def refuse(self, method: str, path: str, reason: str, how: str = "") -> None:
        how = how or f"correct {self.name}, or give it with --request"
        self.unasked[method, path] = UnaskedRoute(method, path, reason, how)

    def build(self) -> RequestPlan:
        """Build the plan. Raises UserError if no request is left."""
        if not self.asks:
            raise UserError(self.describe_nothing())
        asks = tuple(self.asks.values())
        warnings = [self.describe_elsewhere()] if self.elsewhere else []
        if len(asks) > MOST_REQUESTS:
            warnings.append(
                f"{self.name} has {len(asks):,} different requests; only the first "
                f"{MOST_REQUESTS:,} are sent."
            )
        return RequestPlan(asks[:MOST_REQUESTS], tuple(self.unasked.values()), tuple(warnings))

    def describe_elsewhere(self) -> str:
        named = self.elsewhere.most_common(MOST_HOSTS)
        hosts = [f"{count} to {host}" for host, count in named]
        if len(self.elsewhere) > MOST_HOSTS:
            hosts.append(f"{len(self.elsewhere) - MOST_HOSTS} more hosts")
        return (
            f"{self.name} has requests to hosts other than {self.host} ({', '.join(hosts)}), which "
            f"are not sent. --from-host {named[0][0]} sends those to that host instead."
        )

    def describe_nothing(self) -> str:
        for each in self.unasked.values():
            said = f"{each.method} {each.route}: {each.reason}. To send it: {each.how}"
            return f"{self.name} has no request that may be sent. {said}"
        if self.elsewhere:
            hosts = ", ".join(host for host, _ in self.elsewhere.most_common(MOST_HOSTS))
            return f"--from-host {self.host}: {self.name} has no request to it, only to {hosts}"
        return f"{self.name} has no HTTP request; give another file"


def plan_file(
    requests: Sequence[FileRequest], name: str, methods: frozenset[str], host: str | None
) -> RequestPlan:
    """Plan a file's requests. host: None takes the first request's. Raises UserError if no request
    is left."""
    plan = FilePlan(name, methods, host and host.lower())
    for each in requests:
        plan.add(each)
    return plan.build()
