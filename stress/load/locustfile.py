"""The Locust users. Only Locust's own processes import this file, because importing gevent patches
the standard library.

Every process keeps a RequestLedger. A single process writes its journal itself. A worker sends its
journal inside Locust's reports, so workers on other machines need no shared disk. The plan is a
Locust option, which the master passes to the workers.
"""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import gevent
import geventhttpclient.client
from locust import FastHttpUser, HttpUser, argument_parser, constant, events, runners, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from records.ids import format_id_header
from stress.load.bounded_body import Body, bound_bodies, measure_fast_body, read_requests_body
from stress.load.distributed import LoadWorker, MasterLeader
from stress.load.process import FLUSH_EVERY_S, LoadProcess, SingleProcessLeader, parse_plan
from stress.load.protocol import PLAN_OPTION
from stress.load.sent_requests import generate_due_times, generate_pauses

BEGIN_LOOK_S = 0.02
runners.WORKER_REPORT_INTERVAL = FLUSH_EVERY_S
runners.MASTER_HEARTBEAT_TIMEOUT = 10
"""Seconds after which a worker stops its load if its master was killed."""

# geventhttpclient resends an idempotent request if the server closed the connection, whatever
# `max_retries` says, so one recorded request would become many. This disables the resends.
if not hasattr(geventhttpclient.client, "_may_retry_after_send_error"):
    raise SystemExit("load: cannot disable resends in this geventhttpclient; see constraints.txt")
vars(geventhttpclient.client)["_may_retry_after_send_error"] = lambda _method: False
bound_bodies()
# Locust builds its parser again for each of its 56 options in each message that starts users: 0.4 s
# of CPU in each load process for each second of the ramp.
vars(argument_parser)["default_args_dict"] = partial(dict, argument_parser.default_args_dict())


me = LoadProcess()


def describe_failure(status: int, body: Body, response: object) -> str | None:
    """Return why this response is a failure, without any address; None for a complete 2xx.
    Redirects are failures, since no client follows them. FastHttpUser takes a connection that
    closes inside the body for the body's end, so this function checks the length."""
    if status and not 200 <= status < 300:
        shown = body.beginning[:200].decode(errors="replace") if me.plan.shows_bodies else ""
        return f"HTTP {status}: {shown}" if shown else f"HTTP {status}"
    if not status or body.error is not None:
        text = " ".join(str(body.error).split())[:120]
        return f"{type(body.error).__name__}: {text}"
    headers = getattr(response, "headers", None) or {}
    length = headers.get("content-length")
    if length is None or headers.get("content-encoding") or length == str(body.size):
        return None
    return f"IncompleteRead: {body.size} of {length[:20]} bytes"


class RequestMixin:
    """A request with a record of when it was due, when it left and when its last byte arrived."""

    options: dict[str, float | bool]
    """Of each request."""
    read_body: Callable[[Any], Body]

    def send_request(self, user: int, due_s: float) -> float:
        entry = me.ledger.begin(user, due_s, monotonic())
        response, status = None, 0
        try:
            response = self.client.request(  # type: ignore[attr-defined]
                me.plan.endpoint.method,
                me.choose_next_path(),
                data=me.plan.endpoint.body,
                headers={"x-request-id": format_id_header(entry.request_id), **me.headers},
                allow_redirects=False,
                **self.options,
            )
            status, body = response.status_code or 0, type(self).read_body(response)
        except Exception as error:  # an odd response may raise anything in a client's library
            body = Body(0, b"", error)
        ended_s = monotonic()
        failure = describe_failure(status, body, response)
        me.ledger.finish(entry, ended_s, status, failure, body.size)
        return ended_s


class FastUser(RequestMixin, FastHttpUser):
    """A lean client without resends and redirects."""

    abstract = True
    wait_time = constant(0)
    max_retries = 0
    max_redirects = 0
    options: dict[str, float | bool] = {}  # noqa: RUF012 - FastHttpUser has a timeout by itself
    read_body = staticmethod(measure_fast_body)


class ClosedLoopMixin(RequestMixin):
    """A user who sends a request, waits for the response, waits for the think time, and repeats."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Wait for this user's turn in the ramp. Locust spawns a second's users at once; with a
        delay of 1 s, they would then send their requests in lockstep forever."""
        self.number = me.ledger.add_user()
        ledger = me.ledger
        self.pauses_s = generate_pauses(
            me.plan.load, ledger.process, self.number, ledger.cell_number
        )
        self.due_s = me.ramp.compute_user_start_s(self.number, monotonic())
        gevent.sleep(max(0.0, self.due_s - monotonic()))

    def send_next_request(self) -> None:
        if me.is_quiet:
            gevent.sleep(3600)  # until Locust stops us
            return
        think_s = next(self.pauses_s)
        self.due_s = self.send_request(self.number, self.due_s) + think_s
        if think_s:
            gevent.sleep(think_s)


class ClosedLoopFastUser(ClosedLoopMixin, FastUser):
    concurrency = 1
    tasks = [ClosedLoopMixin.send_next_request]  # noqa: RUF012 - as Locust has it


class ClosedLoopRequestsUser(ClosedLoopMixin, HttpUser):
    tasks = [ClosedLoopMixin.send_next_request]  # noqa: RUF012 - as Locust has it

    read_body = staticmethod(read_requests_body)

    @property
    def options(self) -> dict[str, float | bool]:  # type: ignore[override]
        return {"timeout": me.plan.timeout_s, "stream": True}


class OpenLoopUser(FastUser):
    """A sender of each request when it is due, whether or not earlier ones were answered.

    Each load process has one. Its requests overlap without limit; a limit would close the loop.
    """

    concurrency = 1_000_000

    @task
    def send_all_requests(self) -> None:
        ledger = me.ledger
        while (begin_s := me.begin_s) is None:
            gevent.sleep(BEGIN_LOOK_S)
        user = ledger.add_user()
        dues = generate_due_times(me.plan.load, ledger.process, me.plan.cell_number)
        for due_s in dues:
            gevent.sleep(max(0.0, begin_s + due_s - monotonic()))
            if me.is_quiet:
                break
            gevent.spawn(self.send_request, user, begin_s + due_s)
        gevent.sleep(3600)  # until Locust stops us


@events.init_command_line_parser.add_listener
def add_plan_option(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        PLAN_OPTION, default="", help="the load plan: JSON of stress.load.protocol.LoadPlan"
    )


@events.init.add_listener
def on_init(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None
    if isinstance(runner, runners.WorkerRunner):
        LoadWorker(me, environment, runner)
        return
    me.configure(
        parse_plan(environment), 0, [ClosedLoopFastUser, ClosedLoopRequestsUser, OpenLoopUser]
    )
    lead = (
        MasterLeader(me, environment, runner)
        if isinstance(runner, runners.MasterRunner)
        else SingleProcessLeader(me, environment, runner)
    )
    gevent.spawn(lead.run_load)
