"""The load, as Locust runs it. Only Locust's own process loads this file: gevent patches the
world on import.

Every process keeps a Ledger. A single process writes its journal itself; a worker's journal
travels to the master inside Locust's reports, so that workers need no shared disk.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import gevent
import geventhttpclient.client
from locust import FastHttpUser, HttpUser, constant, events, runners, task
from locust.env import Environment

from records.journal import JournalWriter
from records.rows import SENT
from stress.ledger import Ledger, Ramp
from stress.protocol import (
    PLAN_VARIABLE,
    Control,
    LoadPlan,
    Progress,
    read_control,
    write_progress,
)

FLUSH_EVERY_S = 0.25
REPORTS_IN_S = 3 * FLUSH_EVERY_S
"""By then every load process has reported something from after the last send."""
runners.WORKER_REPORT_INTERVAL = FLUSH_EVERY_S

# geventhttpclient sends an idempotent request again when the connection was closed under it,
# whatever `max_retries` says: one recorded request becomes many. Here a send is a send.
if not hasattr(geventhttpclient.client, "_may_retry_after_send_error"):
    raise SystemExit("load: this geventhttpclient hides its resends elsewhere; see constraints.txt")
vars(geventhttpclient.client)["_may_retry_after_send_error"] = lambda _method: False

plan = LoadPlan(**json.loads(os.environ[PLAN_VARIABLE]))
folder = Path(plan.folder)
ledger = Ledger(plan.cell_number)
ramp = Ramp(plan.users, plan.spawn_rate, plan.processes)
control: Control | None = None
pending = bytearray()
"""A worker's journal since its last report."""
reports: dict[str, Progress] = {}
"""The last progress of each load process, at the master."""


class User(FastHttpUser if plan.user_class == "fast" else HttpUser):  # type: ignore[misc]
    """Closed loop: asks, waits for the answer, thinks, asks again."""

    host = plan.host
    wait_time = constant(0)
    connection_timeout = network_timeout = plan.timeout_s
    max_retries = 0
    max_redirects = 0
    concurrency = 1

    def on_start(self) -> None:
        """Waits for this user's own turn: Locust spawns a second's users at once, and with a
        delay of a second all users would then ask in lockstep for ever."""
        self.number = ledger.new_user()
        self.due_s = ramp.turn_s(self.number, monotonic())
        gevent.sleep(max(0.0, self.due_s - monotonic()))

    @task
    def ask(self) -> None:
        if is_quiet():
            gevent.sleep(3600)  # until Locust stops us
            return
        entry = ledger.begin(self.number, self.due_s, monotonic())
        response = self.client.get(
            plan.path,
            headers={"x-request-id": f"{entry.request_id:016x}"},
            allow_redirects=False,
            **({} if plan.user_class == "fast" else {"timeout": plan.timeout_s}),
        )
        ended_s = monotonic()
        status, body = response.status_code or 0, response.content or b""
        ledger.finish(entry, ended_s, status, fault(status, body, response), len(body))
        self.due_s = ended_s + plan.think_s
        if plan.think_s:
            gevent.sleep(plan.think_s)


def fault(status: int, body: bytes, response: object) -> str | None:
    """Why this answer is a failure; None for 2xx. Redirects are failures: nobody follows them."""
    if 200 <= status < 300:
        return cut_off(body, response)
    if status:
        return f"HTTP {status}: {body[:100].decode(errors='replace')}"
    error = getattr(response, "error", None)
    text = " ".join(str(error).split())[:120]
    return f"{type(error).__name__}: {text}"


def cut_off(body: bytes, response: object) -> str | None:
    """FastHttpUser takes a connection that closes in mid-body for the body's end."""
    headers = getattr(response, "headers", None) or {}
    length = headers.get("content-length")
    if length is None or headers.get("content-encoding") or int(length) == len(body):
        return None
    return f"IncompleteRead: {len(body)} of {length} bytes"


def is_quiet() -> bool:
    return control is not None and monotonic() >= control.stop_at_s


def is_over() -> bool:
    """Nothing is sent any more, and nothing is open or the drain's time is up."""
    if control is None or not is_quiet():
        return False
    heard = monotonic() >= control.stop_at_s + REPORTS_IN_S
    still_open = sum(report.in_flight for report in reports.values())
    return (heard and still_open == 0) or monotonic() >= control.drain_until_s


def own_progress() -> Progress:
    return Progress(**asdict(ledger.counts()), ramp_end_s=ledger.ramp_end_s)


def all_progress() -> Progress:
    each = tuple(reports.values())
    ramp_ends = [one.ramp_end_s for one in each]
    return Progress(
        users=sum(one.users for one in each),
        warm=sum(one.warm for one in each),
        sent=sum(one.sent for one in each),
        completed=sum(one.completed for one in each),
        failed=sum(one.failed for one in each),
        in_flight=sum(one.in_flight for one in each),
        ramp_end_s=max(ends) if (ends := [e for e in ramp_ends if e is not None]) else None,
    )


class Sink:
    """A journal file that is opened for each write: Locust forks after this file was loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


@events.init.add_listener
def on_init(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if isinstance(runner, runners.WorkerRunner):
        runner.register_message("avt_control", on_control)
        writer = JournalWriter(pending.extend, {"r": SENT}, {"process": runner.worker_index})
        ledger.process = ramp.process = runner.worker_index

        def report(client_id: str, data: dict[str, object], **_: object) -> None:
            del client_id
            writer.write("r", ledger.new_rows())
            data["avt_rows"], data["avt_progress"] = bytes(pending), asdict(own_progress())
            pending.clear()

        environment.events.report_to_master.add_listener(report)
        return
    if isinstance(runner, runners.MasterRunner):
        environment.events.worker_report.add_listener(on_worker_report)
        gevent.spawn(conduct, environment, None)
    else:
        sink = Sink(folder / "load-0.journal")
        gevent.spawn(conduct, environment, JournalWriter(sink, {"r": SENT}, {"process": 0}))


@events.spawning_complete.add_listener
def on_spawning_complete(user_count: int, **_: object) -> None:
    del user_count
    if ledger.ramp_end_s is None:
        ledger.ramp_end_s = max(monotonic(), ramp.end_s)


def on_control(environment: Environment, msg: object, **_: object) -> None:
    del environment
    global control
    control = Control(**msg.data)  # type: ignore[attr-defined]


def on_worker_report(client_id: str, data: dict[str, object], **_: object) -> None:
    rows, progress = data.pop("avt_rows", None), data.pop("avt_progress", None)
    if isinstance(rows, bytes) and rows:
        safe_id = "".join(character for character in client_id if character.isalnum())
        Sink(folder / f"load-{safe_id}.journal")(rows)
    if isinstance(progress, dict):
        reports[client_id] = Progress(**progress)


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
    global control
    flushed_s = 0.0
    while not is_over():
        gevent.sleep(0.05)
        if control is None and (control := read_control(folder)) is not None and not writer:
            runner.send_message("avt_control", asdict(control))
        if writer:
            reports["local"] = own_progress()
        if monotonic() - flushed_s >= FLUSH_EVERY_S:
            flush(writer)
            flushed_s = monotonic()
    flush(writer)


def flush(writer: JournalWriter | None) -> None:
    if writer:
        writer.write("r", ledger.new_rows())
    write_progress(folder, all_progress())
