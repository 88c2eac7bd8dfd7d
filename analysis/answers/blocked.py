"""What makes the event loop or the interpreter work for one request at a time."""

from analysis.answers.base import Statement
from analysis.answers.factors import join_words, list_rates
from analysis.answers.results import Results
from analysis.answers.slower import Slower, find_worst, select_caused
from analysis.stats import formats


class BlockingCall(Statement):
    """A blocking call in `async def` leaves its event loop no time for other requests."""

    rank = 20

    rates: tuple[float, ...]
    names: tuple[str, ...]
    reference: str
    reference_rps: float
    place: str | None
    """The line that blocked the loop most."""
    path: str
    """Of the background request."""
    wait_ms: float | None
    wait_is_bound: bool
    users: int | None
    unanswered: int | None
    """Users without any answer in the window."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in select_caused(results, "blocking call"))

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement:
        worst = find_worst(slower)
        case, cells = worst.case, worst.case.usable_trials
        limit = case.limit
        return cls(
            rates=tuple(each.case.rate for each in slower),
            names=tuple(each.case.name for each in slower),
            reference=worst.reference.name,
            reference_rps=worst.reference.rate,
            place=limit.whose if limit else None,
            path=case.scenario.bystander.path,
            wait_ms=case.get_median("bystander.median_ms"),
            wait_is_bound=any(each.bystander.median_is_lower_bound for each in cells),
            users=case.scenario.load.users if not case.scenario.load.is_open else None,
            unanswered=case.unanswered,
        )

    @property
    def rule(self) -> str | None:
        return "one-blocks-all"

    @property
    def message(self) -> str:
        left = list_rates(self.rates)
        found = (
            f"A blocking call in async def leaves {left} requests/s ({join_words(self.names)}), "
            f"where {self.reference} serves {formats.short_number(self.reference_rps)}"
        )
        harm = []
        if self.wait_ms is not None:
            least = "at least " if self.wait_is_bound else ""
            harm.append(
                f"background requests to {self.path} wait {least}{formats.duration(self.wait_ms)}"
            )
        if self.unanswered:
            harm.append(f"{self.unanswered} of {self.users} users get no answer at all")
        return f"{found}; {join_words(harm)}." if harm else f"{found}."

    @property
    def change(self) -> str:
        line = f" ({self.place})" if self.place else ""
        return f"await what blocks{line}, or hand it to a thread with run_sync"


class ClientPerRequest(Statement):
    """Making a client for each request is what the server does most."""

    rank = 30

    names: tuple[str, ...]
    rates: tuple[float, ...]
    reference: str
    reference_rps: float
    ratio: float | None
    cpu_ms: float | None
    """Of a request of the worst; and with one client for all."""
    shared_cpu_ms: float | None

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in select_caused(results, "client per request"))

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement:
        worst = find_worst(slower)
        return cls(
            names=tuple(each.case.name for each in slower),
            rates=tuple(each.case.rate for each in slower),
            reference=worst.reference.name,
            reference_rps=worst.reference.rate,
            ratio=worst.ratio,
            cpu_ms=worst.case.get_median("cpu_ms_per_request"),
            shared_cpu_ms=worst.reference.get_median("cpu_ms_per_request"),
        )

    @property
    def rule(self) -> str | None:
        return "client-life"

    @property
    def message(self) -> str:
        left = list_rates(self.rates)
        found = (
            f"Making a client for each request leaves {left} requests/s "
            f"({join_words(self.names)}), where one client for all serves "
            f"{formats.short_number(self.reference_rps)} ({self.reference})"
        )
        if self.cpu_ms is None or self.shared_cpu_ms is None:
            return f"{found}."
        cpu, less = formats.milliseconds(self.cpu_ms), formats.milliseconds(self.shared_cpu_ms)
        return f"{found}: a request takes {cpu} ms of CPU instead of {less}."

    @property
    def change(self) -> str:
        return "make one client when the app starts, and use it for all requests"
