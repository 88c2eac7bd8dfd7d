"""Simulation of a worker in which no request overtakes another: a recursion without events.

Every queue is first come, first served, and the upstream takes equally long for each. So requests
leave in the order of their arrival, and request k gets its thread when request k - threads has
left (J. Kiefer and J. Wolfowitz, Trans. Amer. Math. Soc. 78, 1955, with the next free server). The
interpreter's queue merges two: new requests, and those whose upstream has responded. The model is
that of `analysis.theory.simulation`, about ten times as fast, but without other orders, clients
that give up, and killed workers.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import chain, islice, repeat

import numpy as np

from analysis.theory.model import ServerModel
from analysis.theory.networks import Numbers
from scenarios.model import Load
from scenarios.units import Second

DRAWN_AT_ONCE = 4096
ENOUGH_ANSWERS = 10_000
"""Responses in a window; each takes about 3 µs of CPU."""
MOST_USERS_PLAYED = 200_000
"""They have four turns each, which take about 3 s."""
TURNS_BEFORE = 2
"""Turns of all users before the window."""
Ended = tuple[Second, Second]
"""When a request was sent, and when it was answered."""


class GivesUpError(Exception):
    """A client or a worker's master would not wait this long."""


class TooManyUsersError(Exception):
    """The recursion takes too long with this many users."""


@dataclass(frozen=True, slots=True)
class SteadyState:
    """`responses_s`: in order of completion."""

    ok_rps: float
    responses_s: Numbers


def simulate_closed_loop(
    model: ServerModel, load: Load, turn_s: Second, seed: int = 1
) -> SteadyState:
    """Simulate one worker with all of the load's users. They start evenly within a turn of about
    `turn_s`, and so settle quickly.

    The window consists of whole turns of each user, so that its edges cut nothing: the rate is
    users over the mean turn, and Little's law holds exactly where no request overtakes another.
    Raises GivesUpError, TooManyUsersError.
    """
    users = load.users
    if users > MOST_USERS_PLAYED:
        raise TooManyUsersError
    starts_s = [turn_s * place / users for place in range(users)]
    turns = math.ceil(ENOUGH_ANSWERS / users)
    worker = OrderedWorker(model, load, starts_s, seed)
    ended = worker.run((TURNS_BEFORE + turns + 1) * users)
    answered_s = ended[TURNS_BEFORE * users :, 1]
    lasting_s = answered_s[turns * users :] - answered_s[: -turns * users]
    responses_s = (ended[:, 1] - ended[:, 0])[(TURNS_BEFORE + 1) * users :]
    return SteadyState(turns * users / float(lasting_s.mean()), responses_s)


def keeps_order(model: ServerModel) -> bool:
    """Return True if no request overtakes another. That includes a loop that every request blocks,
    once it has all connections: it is a single server."""
    if model.answers_first or model.times_out or model.serves_newest_first:
        return False
    rare = model.rare
    if rare is None or rare.style == model.style:
        return True
    return bool(model.blocked_by_rare_s) and not model.needs_tokens and model.connections is None


def is_product_form(model: ServerModel, load: Load) -> bool:
    """Return True if the formula is exact. It assumes exponential service at queues: true for CPU,
    not for an upstream's delay. With one thread per user, or users without think time, who fill all
    threads, the delay is a pause, whose distribution does not matter."""
    if model.blocked_by_rare_s:
        return False
    if model.blocks:
        return load.think_s == 0 or load.users == 1
    inside = min(load.users, model.pool) if model.needs_tokens else load.users
    if model.connections is not None and inside > model.connections:
        return False
    return load.think_s == 0 or inside == load.users


class OrderedWorker:
    """One worker with its share of a load. `starts_s`: when its users send their first requests, in
    order, or when an open loop's first request is due."""

    def __init__(self, model: ServerModel, load: Load, starts_s: list[Second], seed: int) -> None:
        if model.blocks:
            model = replace(model, style="def", pool=1, connections=None, worker_timeout_s=0.0)
        chance = np.random.default_rng(seed)
        self.model = model
        self.waiting = starts_s
        self.begun = 0
        self.half_cpu_s = model.loop_cpu_s / 2
        is_random = model.cpu_jitter == "exponential" and self.half_cpu_s > 0
        self.draws = generate_draws(chance.standard_exponential) if is_random else repeat(1.0)
        self.pauses_s = generate_pauses_s(load, chance)
        self.is_open = load.is_open
        self.patience_s = model.worker_timeout_s or math.inf
        """How long the worker's master waits for the heartbeat, which waits like a request."""
        # the time from which each thread, each connection and the interpreter is free
        self.threads = deque([0.0] * model.pool) if model.needs_tokens else None
        limit = model.connections
        self.connections = None if limit is None else deque([0.0] * limit)
        self.interpreter_free_s = 0.0
        self.upstream: deque[tuple[Second, Second]] = deque()
        """When each responds, and when the request was sent."""

    def run(self, answers: int) -> Numbers:
        """Return a row with the times of sending and completion for each request, in order of
        completion. Raises GivesUpError."""
        ended = chain.from_iterable(islice(self.answer_requests(), answers))
        return np.fromiter(ended, np.float64, 2 * answers).reshape(answers, 2)

    def answer_requests(self) -> Iterator[Ended]:
        while True:
            begins_s = self.find_next_begin_s()
            if self.upstream and self.upstream[0][0] < begins_s:
                back_s, sent_s = self.upstream.popleft()
                answered_s = self.compute(back_s)
            else:
                sent_s = self.take_request()
                if not self.blocks_now():
                    self.ask_upstream(sent_s, self.compute(begins_s))
                    continue
                self.interpreter_free_s = self.compute(begins_s) + self.model.delay_s
                answered_s = self.compute(begins_s)
            if self.threads is not None:
                self.threads.append(answered_s)
            if not self.is_open:
                heappush(self.waiting, answered_s + next(self.pauses_s))
            yield sent_s, answered_s

    def find_next_begin_s(self) -> Second:
        if self.threads is None:
            return self.waiting[0] if self.waiting else math.inf
        if not (self.threads and self.waiting):
            return math.inf
        return max(self.threads[0], self.waiting[0])

    def take_request(self) -> Second:
        """Give the next request a thread, and return when it was sent."""
        sent_s = heappop(self.waiting)
        if self.is_open:
            heappush(self.waiting, sent_s + next(self.pauses_s))
        if self.threads is not None:
            self.threads.popleft()
        self.begun += 1
        return sent_s

    def blocks_now(self) -> bool:
        """Return True if this is the rare request that blocks the loop."""
        rare = self.model.rare
        return rare is not None and rare.style != self.model.style and not self.begun % rare.one_in

    def ask_upstream(self, sent_s: Second, at_s: Second) -> None:
        asks_s = at_s
        if self.connections is not None:
            asks_s = max(at_s, self.connections.popleft())
            self.connections.append(asks_s + self.model.delay_s)
            if asks_s - at_s > (self.model.client_timeout_s or math.inf):
                raise GivesUpError
        self.upstream.append((asks_s + self.model.delay_s, sent_s))

    def compute(self, at_s: Second) -> Second:
        """Compute when half of a request's CPU is done, if it reaches the interpreter `at_s`."""
        begins_s = max(at_s, self.interpreter_free_s)
        if begins_s - at_s > self.patience_s:
            raise GivesUpError
        self.interpreter_free_s = begins_s + self.half_cpu_s * next(self.draws)
        return self.interpreter_free_s


def generate_draws(draw: Callable[[int], Numbers]) -> Iterator[float]:
    while True:
        yield from draw(DRAWN_AT_ONCE).tolist()


def generate_pauses_s(load: Load, chance: np.random.Generator) -> Iterator[Second]:
    """Generate pauses from a response to the next request, or between an open loop's requests."""
    if load.arrival_rate is not None:
        gap_s = 1 / load.arrival_rate
        if load.arrivals == "constant":
            return repeat(gap_s)
        return generate_draws(lambda count: chance.exponential(gap_s, count))
    if load.think_spread_s == 0:
        return repeat(load.think_s)
    low_s, high_s = load.think_s - load.think_spread_s, load.think_s + load.think_spread_s
    return generate_draws(lambda count: chance.uniform(low_s, high_s, count))
