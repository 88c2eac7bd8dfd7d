"""Users of a calibration: each sends a request, waits for the response and repeats."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from socket import SHUT_RDWR
from threading import Event
from time import monotonic

from scenarios.errors import build_cannot_run_error
from scenarios.model import Scenario
from scenarios.units import Second
from stress.stack import Stack

ANSWERS_WITHIN_S: Second = 10.0
"""To the last byte."""
CHUNK_BYTES = 1 << 16
MOST_BYTES = 256 << 20
STREAM_TYPES = frozenset({"text/event-stream", "multipart/x-mixed-replace"})
HOW_TO_STREAM = (
    "a study measures whole responses; `study audit` measures a stream to its first byte"
)


@dataclass(slots=True)
class Callers:
    stack: Stack
    scenario: Scenario
    answered: list[int]
    """Responses so far, per caller."""
    stop: Event = field(default_factory=Event)
    calls: list[Future[None]] = field(default_factory=list)
    connections: list[HTTPConnection] = field(default_factory=list)

    def call(self, place: int, starts_in_s: Second) -> None:
        """Send requests until `stop`. Raises UserError if the endpoint fails."""
        self.stop.wait(starts_in_s)
        host, port = self.stack.host, self.stack.port
        with closing(HTTPConnection(host, port, timeout=ANSWERS_WITHIN_S)) as connection:
            self.connections.append(connection)
            while not self.stop.is_set():
                send_request(connection, self.scenario)
                self.answered[place] += 1

    def hang_up(self) -> None:
        """End every request that is in flight."""
        self.stop.set()
        for each in self.connections:
            if each.sock is not None:
                with suppress(OSError):  # its caller closed it in this moment
                    each.sock.shutdown(SHUT_RDWR)

    def has_ended(self) -> bool:
        """Return True if a caller gave up."""
        return any(each.done() for each in self.calls)


@contextmanager
def start_callers(
    stack: Stack, scenario: Scenario, in_flight: int, spread_s: Second = 0.0
) -> Iterator[Callers]:
    """Start `in_flight` callers evenly within `spread_s`. Raises UserError if one failed."""
    callers = Callers(stack, scenario, [0] * in_flight)
    with ThreadPoolExecutor(in_flight) as threads:
        for place in range(in_flight):
            starts_in_s = spread_s * place / in_flight
            callers.calls.append(threads.submit(callers.call, place, starts_in_s))
        try:
            yield callers
        except BaseException:
            callers.hang_up()
            raise
        callers.stop.set()
    for each in callers.calls:
        each.result()


def send_request(user: HTTPConnection, scenario: Scenario) -> None:
    """Send one request; keep the connection if the run keeps its connections. Raises UserError."""
    asked = scenario.endpoint
    headers = {} if asked.body is None else {"content-type": "application/json"}
    try:
        body = None if asked.body is None else asked.body.encode()
        user.request(asked.method, asked.path, body, headers)
        answer = user.getresponse()
        read_whole(answer, asked.path)
    except (OSError, HTTPException) as error:
        raise build_cannot_run_error(
            f"calibration: {asked.path} did not respond: {error}"
        ) from error
    if answer.status // 100 != 2:
        raise build_cannot_run_error(f"calibration: {asked.path} returned {answer.status}")
    if not scenario.load.keep_alive:
        user.close()


def read_whole(answer: HTTPResponse, path: str) -> None:
    """Raises UserError for a stream and for what has too many bytes or takes too long, OSError and
    HTTPException."""
    size, ends_by_s = 0, monotonic() + ANSWERS_WITHIN_S
    reject_stream(answer, path)
    while chunk := answer.read1(CHUNK_BYTES):
        size += len(chunk)
        if size > MOST_BYTES or monotonic() > ends_by_s:
            raise build_cannot_run_error(
                f"{path} sent {size / 1e6:,.1f} MB and had not ended after "
                f"{monotonic() - ends_by_s + ANSWERS_WITHIN_S:.0f} s: {HOW_TO_STREAM}"
            )
    if answer.length:
        raise IncompleteRead(b"", answer.length)
    answer.close()  # so that the connection takes another request


def reject_stream(answer: HTTPResponse, path: str) -> None:
    """Raises UserError."""
    if answer.headers.get_content_type() in STREAM_TYPES:
        raise build_cannot_run_error(f"{path} responds with a stream: {HOW_TO_STREAM}")
