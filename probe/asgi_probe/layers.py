"""Timing of each middleware layer: when it passes the request inwards and the response outwards,
and the CPU that it uses itself."""

from __future__ import annotations

from collections.abc import Awaitable
from math import isnan, nan
from time import thread_time
from typing import TYPE_CHECKING

from .clocks import monotonic
from .journal import Columns, make_packer
from .recorder import Recorder
from .request_record import RequestRecord, current
from .routes import BODIES, Message, Receive, Scope

if TYPE_CHECKING:
    from .layer_links import Link
    from .routes import Send

LAYERS: Columns = (
    ("visit", "u4"),
    ("layer", "text"),
    ("kind", "text"),
    ("depth", "u2"),
    ("entered_s", "f8"),
    ("inner_s", "f8"),
    ("answered_s", "f8"),
    ("passed_s", "f8"),
    ("start_wait_s", "f8"),
    ("body_s", "f8"),
    ("sent_s", "f8"),
    ("returned_s", "f8"),
    ("client_s", "f8"),
    ("cpu_s", "f8"),
)
"""Times are time.monotonic() in seconds, NaN if not known."""
pack = make_packer(LAYERS)
START, BODY = "http.response.start", "http.response.body"
recorders: list[Recorder] = []
"""The recorders of this process's layers, one per probe."""


class Passage:
    """One request's passage through a link, inwards and back. client_s: seconds for which the layer
    behind the link waited for the request's body before it called the next layer. start_wait_s:
    seconds until the layers outside the link had accepted the start of the response."""

    pass_receive: Receive
    pass_send: Send
    passed_s = body_s = sent_s = returned_s = nan
    client_s = start_wait_s = cpu_s = 0.0

    def __init__(self, link: Link, trace: LayerTrace) -> None:
        self.link = link
        self.trace = trace
        self.depth = len(trace.passages)
        self.entered_s = monotonic()

    def receive(self) -> Awaitable[Message]:
        is_innermost = len(self.trace.passages) == self.depth + 1
        return self.receive_timed() if is_innermost else self.pass_receive()

    async def receive_timed(self) -> Message:
        began_s = monotonic()
        try:
            return await self.pass_receive()
        finally:
            self.client_s += monotonic() - began_s

    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == START:
            return self.send_start(message)
        if kind in BODIES:
            self.note_body(message)
        return self.send_counted(message) if self.trace.counts_cpu else self.pass_send(message)

    async def send_start(self, message: Message) -> None:
        began_s = self.passed_s = monotonic()
        counts_cpu = self.trace.counts_cpu
        try:
            await (self.send_counted(message) if counts_cpu else self.pass_send(message))
        finally:
            self.start_wait_s = monotonic() - began_s

    def note_body(self, message: Message) -> None:
        """Record the first and last part of the body; an empty part counts only if it is last."""
        is_last = not message.get("more_body")
        if isnan(self.body_s) and (is_last or message.get("body", message["type"] != BODY)):
            self.body_s = monotonic()
        if is_last:
            self.sent_s = monotonic()

    async def send_counted(self, message: Message) -> None:
        self.trace.give_cpu(self.depth - 1)
        try:
            await self.pass_send(message)
        finally:
            self.trace.give_cpu(self.depth)


class LayerTrace:
    """The passages of one request, the outermost first. CPU is counted only while no other request
    is in flight: all work of the loop's thread is then this request's."""

    def __init__(self, record: RequestRecord, recorder: Recorder) -> None:
        self.record = record
        self.recorder = recorder
        self.passages: list[Passage] = []
        self.is_regular = True
        self.departed = record.watch.departed
        self.owner = -1
        self.counts_cpu = self.is_alone()
        self.counted_s = thread_time() if self.counts_cpu else nan

    def is_alone(self) -> bool:
        in_flight, departed = self.recorder.in_flight, self.record.watch.departed
        return len(in_flight) == 1 and departed is self.departed

    def give_cpu(self, owner: int) -> None:
        """Charge the CPU used so far to the current passage; `owner` is charged from now on."""
        if self.counts_cpu:
            now_s = thread_time()
            if self.owner >= 0:
                self.passages[self.owner].cpu_s += now_s - self.counted_s
            self.counted_s, self.owner = now_s, owner

    def leave(self, passage: Passage) -> None:
        self.give_cpu(passage.depth - 1)
        passage.returned_s = monotonic()
        if not passage.depth:
            if self.is_regular:
                self.write()
            self.counts_cpu, self.record.layers = False, None
            self.passages = []  # breaks a reference cycle

    def write(self) -> None:
        journal = self.recorder.journal
        if journal is None or self.recorder.off:
            return
        try:
            is_counted = self.counts_cpu and self.is_alone()
            inner: Passage | None = None
            for each in reversed(self.passages):
                name, kind = describe_passage(each.link, inner)
                row = pack(
                    self.record.number,
                    journal.intern_text(name),
                    journal.intern_text(kind),
                    each.depth + 1,
                    each.entered_s,
                    inner.entered_s if inner else nan,
                    inner.passed_s if inner else nan,
                    each.passed_s,
                    each.start_wait_s,
                    each.body_s,
                    each.sent_s,
                    each.returned_s,
                    each.client_s,
                    each.cpu_s if is_counted else nan,
                )
                journal.add("l", row)
                inner = each
        except Exception as error:  # the app must not be affected
            self.recorder.switch_off(error)


def describe_passage(link: Link, inner: Passage | None) -> tuple[str, str]:
    if link.is_layer:
        return link.name, link.kind
    return ("endpoint", "endpoint") if inner is None else ("mount", "mount")


def enter(link: Link, scope: Scope) -> Passage | None:
    """Begin a passage; None if the request is not recorded, or a layer calls the next one twice."""
    record = current.get()
    if record is None or scope["type"] != "http":
        return None
    trace = record.layers
    if trace is None:
        recorder = next((each for each in recorders if record in each.in_flight), None)
        if recorder is None:
            return None
        trace = record.layers = LayerTrace(record, recorder)
    if any(each.link is link for each in trace.passages):
        trace.is_regular = False
        return None
    passage = Passage(link, trace)
    trace.passages.append(passage)
    trace.give_cpu(passage.depth)
    return passage
