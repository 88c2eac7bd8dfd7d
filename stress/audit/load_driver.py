"""Drives the users phase by phase and records a row per request on the client side.

Closed loop: each user sends a request, waits for the response, and sends the next one.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from random import getrandbits
from statistics import median
from time import monotonic

import aiohttp

from records.audit import Phase
from records.ids import RequestIds, generate_ids
from scenarios.errors import build_cannot_run_error
from scenarios.units import Second
from stress.audit.answer import Answer, ReadLimits
from stress.audit.ask import WEBSOCKET, Ask, RequestPlan
from stress.audit.client import open_session, send
from stress.audit.driven import AuditLoad, Row, Show
from stress.audit.first_answers import (
    describe_before_failure,
    judge_first_answers,
    reject_first_answers,
)
from stress.audit.kept_rows import KeptRows
from stress.audit.learn_routes import learn_routes, rename_ask, rename_phase, rename_row
from stress.audit.schedule import PlannedPhase, format_users, generate_asks, plan_phases
from stress.interruption import CellInterruptedError

FIRST_REST_S: Second = 3.0
"""A stream still open this long after its first byte counts as endless."""
FIRST_PHASE, BEFORE_PHASE, CHECK_PHASE = "first requests", "--before", "does it still answer"
BACKGROUND_EVERY_S: Second = 0.1
AFTER_FAILURE_S: Second = 0.1
"""Pause of a user after a request without a response, so that a dead server does not flood the
table with rows."""
ALONE_PAUSE_S: Second = 0.005
"""Pause of a single user, so that each request has ended in the app before the next one, and its
cost is its own."""
BEAT_S: Second = 0.02


@dataclass(slots=True)
class SimulatedUser:
    number: int
    session: aiohttp.ClientSession
    fresh: aiohttp.ClientSession
    """Session with a new connection for each request, and the same cookies."""

    def choose_session(self, ask: Ask, phase: str) -> aiohttp.ClientSession:
        """An earlier request may break a connection; a first one decides about its route."""
        return self.fresh if ask.method == WEBSOCKET or phase == FIRST_PHASE else self.session


def open_user(url: str, number: int) -> SimulatedUser:
    """Open a user; the caller closes its sessions."""
    session = open_session(url)
    fresh = open_session(url, session.cookie_jar, keeps_connections=False)
    return SimulatedUser(number, session, fresh)


@dataclass(slots=True)
class LoadDriver:
    url: str
    plan: RequestPlan
    load: AuditLoad
    show: Show
    rows: list[Row] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    users: list[SimulatedUser] = field(default_factory=list)
    driven: list[Ask] = field(default_factory=list)
    latest_beat_s: Second = 0.0
    kept: KeptRows = field(default_factory=KeptRows)
    ids: RequestIds = field(default_factory=lambda: generate_ids(getrandbits(16), 0))

    async def run(self) -> None:
        beats = asyncio.create_task(self._measure_pauses())
        async with AsyncExitStack() as stack:
            for number in range(self.load.users + 1):
                user = open_user(self.url, number)
                self.users.append(user)
                await stack.enter_async_context(user.session)
                await stack.enter_async_context(user.fresh)
            try:
                await self._send_before()
                await self._send_first()
                await self._run_phases()
            except asyncio.CancelledError:
                if not self.driven:
                    await self._learn_routes()
                raise
            finally:
                beats.cancel()
                self._keep_new_rows()

    async def _measure_pauses(self) -> None:
        while True:
            due_s = monotonic() + BEAT_S
            self._keep_new_rows()  # a slow disk delays the requests, too
            await asyncio.sleep(max(0.0, due_s - monotonic()))
            self.latest_beat_s = max(self.latest_beat_s, monotonic() - due_s)

    def _keep_new_rows(self) -> None:
        if self.driven:  # before the routes are known, a row has a path, which may be a secret
            self.kept.add_new(self.rows, self.phases)

    async def _send_before(self) -> None:
        """Send the --before requests: one user first, so that a failure is not repeated by all."""
        if not self.plan.before:
            return
        users = format_users(self.load.users)
        self.show(f"Each of {users} and the background user sends the --before requests.")
        with self._record_phase(BEFORE_PHASE, self.load.users, self.plan.before):
            await self._prepare(self.users[0])
            await asyncio.gather(*(self._prepare(each) for each in self.users[1:]))

    async def _prepare(self, user: SimulatedUser) -> None:
        for ask in self.plan.before:
            answer = await self._send(user, ask, BEFORE_PHASE, ReadLimits(self.load.timeout_s))
            if failure := describe_before_failure(ask, answer, len(self.users)):
                raise build_cannot_run_error(failure)

    async def _send_first(self) -> None:
        """Send each request once, alone, to find those to drive. Raises UserError if all fail."""
        count = len(self.plan.asks)
        self.show("1 request is sent." if count == 1 else f"{count} requests are sent, once each.")
        limits = ReadLimits(self.load.timeout_s, rest_s=FIRST_REST_S)
        with self._record_phase(FIRST_PHASE, 1, self.plan.asks):
            answers = [
                await self._send(self.users[0], each, FIRST_PHASE, limits)
                for each in self.plan.asks
            ]
        asks, has_before = await self._learn_routes(), bool(self.plan.before)
        self.driven, warnings = judge_first_answers(asks, answers, has_before=has_before)
        self.warnings += warnings
        for each in warnings:
            self.show(each)
        reject_first_answers(self.url, answers, self.driven, self.warnings)

    async def _learn_routes(self) -> Sequence[Ask]:
        """Return the planned requests with the app's own routes, and rename all rows alike."""
        if self.load.journals is None:
            return self.plan.asks
        routes = await learn_routes(self.load.journals, self.rows, self.plan.templates)
        self.rows = [rename_row(each, routes) for each in self.rows]
        self.phases = [rename_phase(each, routes) for each in self.phases]
        return [rename_ask(each, routes) for each in self.plan.asks]

    async def _run_phases(self) -> None:
        planned = plan_phases(self.driven, self.load.users, self.load.duration_s)
        if self.load.only_together:
            planned = (replace(planned[-1], has_background=False),)
        total_s = sum(each.length_s for each in planned)
        routes = len(planned[-1].routes)
        self.show(
            f"{routes} route{'s' if routes > 1 else ''}, {format_users(self.load.users)}, "
            f"{len(planned)} phases: {total_s:.0f} s, and each phase waits for its last responses."
        )
        for each in planned:
            self.show(f"{each.name}: {each.length_s:.1f} s")
            await self._run_phase(each)
            if not self.load.only_together:
                await self._check_answers(each, self.driven)

    async def _run_phase(self, phase: PlannedPhase) -> None:
        until_s = monotonic() + phase.length_s
        with self._record_phase(phase.name, phase.users, phase.asks):
            async with asyncio.TaskGroup() as group:
                for each in self.users[: phase.users]:
                    group.create_task(self._ask_until(until_s, each, phase))
                if phase.has_background:
                    group.create_task(self._ask_in_background(until_s, phase))

    async def _check_answers(self, phase: PlannedPhase, asks: Sequence[Ask]) -> None:
        """Raise CellInterruptedError if a phase got no response and the cheapest route, which
        responded before, gets none when sent alone. Otherwise a service that is blocked for good
        would count as latency of all later routes."""
        ask = self._find_cheapest(asks)
        answered = [row for row in self.rows if row[7] is not None]
        if any(row[0] == phase.name for row in answered):
            return
        if not any(f"{row[3]} {row[4]}" == ask.name for row in answered):
            return
        timeout_s = self.load.timeout_s
        self.show(f"{phase.name}: no response; {ask.name} is sent once more.")
        with self._record_phase(CHECK_PHASE, 1, (ask,)):
            answer = await self._send(self.users[-1], ask, CHECK_PHASE, ReadLimits(timeout_s))
        if answer.status is None:
            raise CellInterruptedError(
                f"after {phase.name}, your service stopped responding: {ask.name}, sent alone, "
                f"got no response within {timeout_s:g} s"
            )

    async def _ask_until(self, until_s: float, user: SimulatedUser, phase: PlannedPhase) -> None:
        limits = ReadLimits(self.load.timeout_s)
        for ask in generate_asks(phase.asks, user.number):
            if monotonic() >= until_s:
                return
            answer = await self._send(user, ask, phase.name, limits)
            if answer.status is None:
                await asyncio.sleep(AFTER_FAILURE_S)
            elif phase.is_alone:
                await asyncio.sleep(ALONE_PAUSE_S)

    async def _ask_in_background(self, until_s: float, phase: PlannedPhase) -> None:
        ask = self._find_cheapest(phase.asks)
        limits = ReadLimits(self.load.timeout_s)
        while monotonic() < until_s:
            await self._send(self.users[-1], ask, phase.name, limits)
            await asyncio.sleep(BACKGROUND_EVERY_S)

    def _find_cheapest(self, asks: Sequence[Ask]) -> Ask:
        """Find the lowest median latency over the first request and the phase with one user."""
        alone = {FIRST_PHASE, *(each.name for each in self.phases if each.users == 1)}
        took_s: dict[str, list[float]] = {}
        for phase, _, _, method, route, started_s, ended_s, *_ in self.rows:
            if phase in alone and ended_s is not None:
                took_s.setdefault(f"{method} {route}", []).append(ended_s - started_s)
        return min(asks, key=lambda each: median(took_s.get(each.name, [float("inf")])))

    async def _send(self, user: SimulatedUser, ask: Ask, phase: str, limits: ReadLimits) -> Answer:
        answer = Answer(next(self.ids))
        try:
            await send(user.choose_session(ask, phase), ask, answer, limits)
        finally:
            self.rows.append(self._build_row(phase, user, ask, answer))
        return answer

    def _build_row(self, phase: str, user: SimulatedUser, ask: Ask, answer: Answer) -> Row:
        ended_s = None if answer.ended_s is None else answer.ended_s - self.load.t0_s
        started_s = answer.started_s - self.load.t0_s
        return (
            phase, user.number, answer.request_id, ask.method, ask.route, started_s, ended_s,
            answer.status, answer.error, answer.size,
        )  # fmt: skip

    @contextmanager
    def _record_phase(self, name: str, users: int, asks: Sequence[Ask]) -> Iterator[None]:
        """Add the phase at its end, also if it is interrupted: its rows are kept, too."""
        began_s, t0_s = monotonic(), self.load.t0_s
        routes = tuple(dict.fromkeys(each.name for each in asks))
        try:
            yield
        finally:
            self.phases.append(Phase(name, began_s - t0_s, monotonic() - t0_s, users, routes))
