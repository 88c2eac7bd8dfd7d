"""The load, as Locust runs it. Only Locust's own process loads this file: gevent patches the
world on import.

Every process keeps a Ledger. A single process writes its journal itself; a worker's journal
travels to the master inside Locust's reports, so that workers on other machines need no disk
of ours. The plan comes the same way: as an option that Locust's master passes on.
"""

import json
from dataclasses import asdict
from pathlib import Path
from time import monotonic, process_time

import gevent
import geventhttpclient.client
import psutil
from locust import FastHttpUser, HttpUser, constant, events, runners, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.rpc import Message

from records.clocks import ClockSample
from records.ids import MOST_REQUESTS
from records.journal import JournalWriter
from records.rows import LOAD_JOURNAL
from stress.answers import fault
from stress.arrivals import due_times
from stress.ledger import Ledger, Ramp
from stress.protocol import (
    PLAN_OPTION,
    Control,
    LoadPlan,
    Progress,
    read_control,
    write_clocks,
    write_progress,
)
from stress.reports import Report, Reports

FLUSH_EVERY_S = 0.25
REPORTS_IN_S = 3 * FLUSH_EVERY_S
"""By then every load process has reported something from after the last send."""
runners.WORKER_REPORT_INTERVAL = FLUSH_EVERY_S
runners.HEARTBEAT_DEAD_INTERNAL = -1_000_000
"""A lost worker's users stay lost, and the run says so: to move them would change the load."""

# geventhttpclient sends an idempotent request again when the connection was closed under it,
# whatever `max_retries` says: one recorded request becomes many. Here a send is a send.
if not hasattr(geventhttpclient.client, "_may_retry_after_send_error"):
    raise SystemExit("load: this geventhttpclient hides its resends elsewhere; see constraints.txt")
vars(geventhttpclient.client)["_may_retry_after_send_error"] = lambda _method: False


class LoadProcess:
    """What this process has been told and what it knows; there is one in each."""

    def __init__(self) -> None:
        self.plan: LoadPlan
        self.ledger = Ledger(0)
        self.ramp = Ramp(0, 1.0)
        self.control: Control | None = None

    def configure(self, plan: LoadPlan, process: int) -> None:
        self.plan = plan
        self.ledger = Ledger(plan.cell_number, process)
        self.ramp = Ramp(plan.users, plan.spawn_rate, plan.processes, process)
        for user in (ClosedFast, ClosedRequests, OpenLoop):
            user.host = plan.host
        for user in (ClosedFast, OpenLoop):
            user.connection_timeout = user.network_timeout = plan.timeout_s

    @property
    def is_quiet(self) -> bool:
        return self.control is not None and monotonic() >= self.control.stop_at_s

    @property
    def is_over(self) -> bool:
        return self.control is not None and monotonic() >= self.control.drain_until_s

    def progress(self) -> Progress:
        return Progress(**asdict(self.ledger.counts()), ramp_end_s=self.ledger.ramp_end_s)


me = LoadProcess()
reports = Reports()
"""The last word of each load process, at the master."""


class Asking:
    """One request, recorded: from when it was due, through when it left, to its last byte."""

    timeout: dict[str, float]

    def ask_once(self, user: int, due_s: float) -> float:
        entry = me.ledger.begin(user, due_s, monotonic())
        response = self.client.get(  # type: ignore[attr-defined]
            me.plan.path,
            headers={"x-request-id": f"{entry.request_id:016x}"},
            allow_redirects=False,
            **self.timeout,
        )
        ended_s = monotonic()
        status, body = response.status_code or 0, response.content or b""
        me.ledger.finish(entry, ended_s, status, fault(status, body, response), len(body))
        return ended_s


class Fast(Asking, FastHttpUser):
    """No resends, no redirects, and no more of a client than a request needs."""

    abstract = True
    wait_time = constant(0)
    max_retries = 0
    max_redirects = 0
    timeout: dict[str, float] = {}  # noqa: RUF012 - fixed; FastHttpUser has it as an attribute


class Closed(Asking):
    """Asks, waits for the answer, thinks, asks again."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Waits for this user's own turn: Locust spawns a second's users at once, and with a
        delay of a second all users would then ask in lockstep for ever."""
        self.number = me.ledger.new_user()
        self.due_s = me.ramp.turn_s(self.number, monotonic())
        gevent.sleep(max(0.0, self.due_s - monotonic()))

    def ask(self) -> None:
        if me.is_quiet:
            gevent.sleep(3600)  # until Locust stops us
            return
        self.due_s = self.ask_once(self.number, self.due_s) + me.plan.think_s
        if me.plan.think_s:
            gevent.sleep(me.plan.think_s)


class ClosedFast(Closed, Fast):
    concurrency = 1
    tasks = [Closed.ask]  # noqa: RUF012 - as Locust has it


class ClosedRequests(Closed, HttpUser):
    tasks = [Closed.ask]  # noqa: RUF012 - as Locust has it

    @property
    def timeout(self) -> dict[str, float]:  # type: ignore[override]
        return {"timeout": me.plan.timeout_s}


class OpenLoop(Fast):
    """Sends each request when it is due, whatever became of those before it.

    One of these in each load process; its requests overlap without limit, since a limit would
    close the loop.
    """

    concurrency = 1_000_000

    @task
    def send_all(self) -> None:
        plan, ledger = me.plan, me.ledger
        assert plan.arrival_rate is not None
        begin_s, user = monotonic(), ledger.new_user()
        dues = due_times(
            plan.arrivals, plan.arrival_rate, plan.processes, ledger.process, plan.cell_number
        )
        for number, due_s in enumerate(dues, start=1):
            gevent.sleep(max(0.0, begin_s + due_s - monotonic()))
            if me.is_quiet:
                break
            gevent.spawn(self.ask_once, user, begin_s + due_s)
            if number % MOST_REQUESTS == 0:
                user = ledger.new_user()  # an id has room for so many of one user's
        gevent.sleep(3600)  # until Locust stops us


class Sink:
    """A journal file that is opened for each write: Locust forks after this file was loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


@events.init_command_line_parser.add_listener
def add_plan_option(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        PLAN_OPTION, default="", help="what to do: JSON of stress.protocol.LoadPlan"
    )


def plan_in(environment: Environment) -> LoadPlan:
    assert environment.parsed_options is not None
    return LoadPlan(**json.loads(environment.parsed_options.load_plan))


@events.init.add_listener
def on_init(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if isinstance(runner, runners.WorkerRunner):
        be_a_worker(environment, runner)
    elif isinstance(runner, runners.MasterRunner):
        me.configure(plan_in(environment), 0)
        runner.register_message("avt_clock", on_clock)
        environment.events.worker_report.add_listener(on_worker_report)
        gevent.spawn(conduct, environment, None)
    else:
        me.configure(plan_in(environment), 0)
        sink = Sink(Path(me.plan.folder) / "load-0.journal")
        gevent.spawn(conduct, environment, JournalWriter(sink, LOAD_JOURNAL, {"process": 0}))


def be_a_worker(environment: Environment, runner: runners.WorkerRunner) -> None:
    """Gets its plan with the order to begin, and sends its journal home with every report."""
    pending = bytearray()
    writers: list[JournalWriter] = []
    runner.register_message("avt_control", on_control)
    runner.register_message("avt_clock", on_clock_asked)

    def begin(environment: Environment, **_: object) -> None:
        me.configure(plan_in(environment), runner.worker_index)
        about = {"process": runner.worker_index}
        writers.append(JournalWriter(pending.extend, LOAD_JOURNAL, about))

    def report(client_id: str, data: dict[str, object], **_: object) -> None:
        del client_id
        for writer in writers:
            write(writer)
            data["avt"] = asdict(Report.of(runner.worker_index, bytes(pending), me.progress()))
            pending.clear()

    environment.events.test_start.add_listener(begin)
    environment.events.report_to_master.add_listener(report)


def write(writer: JournalWriter) -> None:
    """What is new in the ledger, and what this process has used so far."""
    writer.write("r", me.ledger.new_rows())
    writer.write("u", [(monotonic(), process_time(), psutil.Process().memory_info().rss)])


@events.spawning_complete.add_listener
def on_spawning_complete(user_count: int, **_: object) -> None:
    del user_count
    if me.ledger.ramp_end_s is None:
        ramp_end_s = 0.0 if me.plan.arrival_rate else me.ramp.end_s
        me.ledger.ramp_end_s = max(monotonic(), ramp_end_s)


def on_control(environment: Environment, msg: Message, **_: object) -> None:
    """Moments come as distances: another machine's clock is another clock."""
    del environment
    now_s = monotonic()
    me.control = Control(now_s + msg.data["stop_in_s"], now_s + msg.data["drain_in_s"])


def on_clock_asked(environment: Environment, msg: Message, **_: object) -> None:
    runner = environment.runner
    assert isinstance(runner, runners.WorkerRunner)
    theirs = {"process": runner.worker_index, "theirs_s": monotonic()}
    runner.send_message("avt_clock", {**msg.data, **theirs})


def on_clock(environment: Environment, msg: Message, **_: object) -> None:
    del environment
    reports.clocks.append(ClockSample(**msg.data, back_s=monotonic()))


def on_worker_report(client_id: str, data: dict[str, object], **_: object) -> None:
    del client_id
    told = data.pop("avt", None)
    if isinstance(told, dict):
        report = Report(**told)
        Sink(Path(me.plan.folder) / f"load-{report.process}.journal")(report.rows)
        reports.hear(report, monotonic())


def conduct(environment: Environment, writer: JournalWriter | None) -> None:
    """Local process or master: tells progress, hears the runner's word, ends the run.

    `writer` is None for a master, which has no users of its own.
    """
    runner = environment.runner
    assert runner is not None
    try:
        lead(runner, writer)
    except OSError as error:  # the folder is gone, or the disk is full: nothing can be recorded
        print(f"load: cannot write: {error}", flush=True)
        environment.process_exit_code = 1
    runner.quit()


def lead(runner: runners.Runner, writer: JournalWriter | None) -> None:
    flushed_s = 0.0
    while not is_done():
        gevent.sleep(0.05)
        if me.control is None and (control := read_control(Path(me.plan.folder))) is not None:
            me.control = control
            if not writer:
                pass_on(runner, control)
        if monotonic() - flushed_s >= FLUSH_EVERY_S:
            flush(runner, writer)
            flushed_s = monotonic()
    flush(runner, writer)


def is_done() -> bool:
    """Nothing is sent any more, and nothing is open or the drain's time is up."""
    if me.control is None or not me.is_quiet:
        return False
    heard = monotonic() >= me.control.stop_at_s + REPORTS_IN_S
    return (heard and reports.progress(monotonic()).in_flight == 0) or me.is_over


def pass_on(runner: runners.Runner, control: Control) -> None:
    now_s = monotonic()
    distances = {
        "stop_in_s": control.stop_at_s - now_s,
        "drain_in_s": control.drain_until_s - now_s,
    }
    runner.send_message("avt_control", distances)


def flush(runner: runners.Runner, writer: JournalWriter | None) -> None:
    now_s, folder = monotonic(), Path(me.plan.folder)
    if writer:
        write(writer)
        reports.hear(Report.of(0, b"", me.progress()), now_s)
    elif me.plan.distributed:
        runner.send_message("avt_clock", {"sent_s": now_s})
        write_clocks(folder, reports.clocks)
    write_progress(folder, reports.progress(now_s))
