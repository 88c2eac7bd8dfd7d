"""The load of an audit: each route alone, then all together, by users who wait for each answer."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median
from time import monotonic

import polars as pl

from records.audit import ASKED, Phase
from scenarios.units import Second
from stress.audit.requests import Ask, RequestPlan
from stress.audit.user import TIMED_OUT, TOO_LONG, AuditUser, Exchange, open_users

ALONE_S: Second = 2.0
"""For one user of one route; as long for all users of it. With many routes each has less."""
ALL_ALONE_S: Second = 60.0
LEAST_REQUESTS = 3
"""Of a user alone, however long they take."""
BACKGROUND_EVERY_S: Second = 0.1
AFTER_REFUSAL_S: Second = 0.1
LOOK_EVERY_S: Second = 0.05
FIRST, TOGETHER = "first requests", "all together"
FORBIDDEN = (401, 403)


@dataclass(frozen=True, slots=True)
class AuditLoad:
    """users: where several ask; each waits for its answer. duration_s: of the last phase, in which
    all routes are asked. timeout_s: of a request, with its answer."""

    users: int
    duration_s: Second
    timeout_s: Second


@dataclass(frozen=True, slots=True)
class Driven:
    """rows: of records.audit.ASKED. warnings: what the first answers say of the plan. ended_by: why
    the load ended before its time; None if it did not."""

    rows: pl.DataFrame
    phases: tuple[Phase, ...]
    warnings: tuple[str, ...] = ()
    ended_by: str | None = None


def drive_requests(
    url: str,
    plan: RequestPlan,
    load: AuditLoad,
    t0_s: float,
    find_end: Callable[[], str | None],
    show: Callable[[str], None],
) -> Driven:
    """Times are since `t0_s`, by time.monotonic(). `find_end` is asked again and again for a reason
    to end early; nothing that was measured is lost by it."""
    drive = Drive(plan, load, t0_s, find_end, show)
    asyncio.run(drive.run(url))
    rows = pl.DataFrame(drive.rows, schema=ASKED, orient="row")
    return Driven(rows, tuple(drive.phases), tuple(drive.warnings), drive.ended_by)


def estimate_drive_s(routes: int, load: AuditLoad) -> Second:
    """But for answers that take long."""
    return 2 * routes * choose_alone_s(routes) + load.duration_s


def choose_alone_s(routes: int) -> Second:
    """For each route, in each of its two phases."""
    return min(ALONE_S, ALL_ALONE_S / 2 / max(1, routes))


@dataclass(slots=True)
class Drive:
    """A row is written as its request ends."""

    plan: RequestPlan
    load: AuditLoad
    t0_s: float
    find_end: Callable[[], str | None]
    show: Callable[[str], None]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    took_s: dict[Ask, list[Second]] = field(default_factory=lambda: defaultdict(list))
    ended_by: str | None = None

    async def run(self, url: str) -> None:
        several = self.load.users
        async with open_users(several + 1, url, self.load.timeout_s) as users:
            # the last of them sends the background requests
            asks = await self.send_first(users)
            alone_s = choose_alone_s(len(asks))
            for ask in asks:
                await self.run_phase(f"{ask}, 1 user", users[:1], [ask], alone_s)
                if several > 1:
                    await self.run_phase(f"{ask}, {several} users", users[:-1], [ask], alone_s)
            if asks:
                await self.run_phase(TOGETHER, users, asks, self.load.duration_s)

    async def send_first(self, users: Sequence[AuditUser]) -> list[Ask]:
        """Each route once, by one user, after all users have sent what comes before. Those that
        answer as they should, or that the user has named."""
        asks: list[Ask] = []

        async def log_in(user: AuditUser) -> None:
            for ask in self.plan.before:
                self.save_row(FIRST, user, await user.send(ask))

        async def ask_once() -> None:
            await asyncio.gather(*map(log_in, users))
            for ask in self.plan.asks:
                exchange = await users[0].send(ask)
                self.save_row(FIRST, users[0], exchange)
                if self.judge_first(users[0], exchange):
                    asks.append(ask)

        await self.lead(FIRST, users, self.plan.asks, [ask_once()])
        return asks

    def judge_first(self, user: AuditUser, exchange: Exchange) -> bool:
        """Whether its route is asked again. An answer without an end is measured to its first byte
        from now on."""
        ask, status = exchange.ask, exchange.status
        if (
            exchange.streams
            or exchange.error == TOO_LONG
            or (status and exchange.error == TIMED_OUT)
        ):
            user.streams.add(ask)
            self.warnings.append(f"{ask} does not end: it is measured to its first byte")
            return True
        if status is not None and status < 400:
            return True
        how = f"answers {status}" if status else f"gives no answer ({exchange.error})"
        if ask.is_named:
            self.warnings.append(f"{ask} {how}")
            return True
        cure = (
            "give --header 'Authorization: ...' or --before 'POST /login ...'"
            if status in FORBIDDEN
            else f"give a request that works: --request '{ask.method} {ask.route}'"
        )
        self.warnings.append(f"{ask} {how} and is asked no more: {cure}")
        return False

    async def run_phase(
        self, name: str, users: Sequence[AuditUser], asks: Sequence[Ask], lasts_s: Second
    ) -> None:
        """Users stop when the time is over and their last answer has come."""
        end_s = monotonic() + lasts_s
        askers, background = (users[:-1], users[-1:]) if name == TOGETHER else (users, ())
        least = LEAST_REQUESTS if len(users) == 1 else 1

        async def ask_until(user: AuditUser) -> None:
            sent = 0
            while monotonic() < end_s or sent < least:
                # each user begins with another route
                exchange = await user.send(asks[(user.number + sent) % len(asks)])
                self.save_row(name, user, exchange)
                sent += 1
                if exchange.status is None:
                    await asyncio.sleep(AFTER_REFUSAL_S)

        async def ask_in_background(user: AuditUser) -> None:
            cheapest = self.find_cheapest(asks)
            while monotonic() < end_s:
                self.save_row(name, user, await user.send(cheapest))
                await asyncio.sleep(BACKGROUND_EVERY_S)

        work = [*map(ask_until, askers), *map(ask_in_background, background)]
        await self.lead(name, users, asks, work)

    async def lead(
        self,
        name: str,
        users: Sequence[AuditUser],
        asks: Sequence[Ask],
        work: Sequence[Coroutine[None, None, None]],
    ) -> None:
        """Does the work of a phase, unless there is a reason to end."""
        began_s = monotonic()
        if self.ended_by is None:
            self.show(name)
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            await self.await_work(tasks)
        finally:
            for user in users:
                if user.waits_for is not None:  # unanswered when the load was ended
                    self.save_row(name, user, user.waits_for)
        routes = tuple(dict.fromkeys(map(str, asks)))
        askers = min(len(work), self.load.users)
        times_s = began_s - self.t0_s, monotonic() - self.t0_s
        self.phases.append(Phase(name, *times_s, askers, routes))

    async def await_work(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        """Until it is done, or there is a reason to end. Raises what one of the tasks raised."""
        pending = set(tasks)
        try:
            while pending and self.ended_by is None:
                _, pending = await asyncio.wait(pending, timeout=LOOK_EVERY_S)
                self.ended_by = self.find_end()
        finally:
            for each in tasks:
                each.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def save_row(self, phase: str, user: AuditUser, exchange: Exchange) -> None:
        ask, ended_s = exchange.ask, exchange.ended_s
        if ended_s is not None:
            self.took_s[ask].append(ended_s - exchange.started_s)
        self.rows.append((
            phase, user.number, exchange.request_id, ask.method, ask.route,
            exchange.started_s - self.t0_s, None if ended_s is None else ended_s - self.t0_s,
            exchange.status, exchange.error, exchange.size,
        ))  # fmt: skip

    def find_cheapest(self, asks: Sequence[Ask]) -> Ask:
        """The one whose answers have come the quickest so far."""
        return min(asks, key=lambda ask: median(self.took_s.get(ask, (inf,))))
