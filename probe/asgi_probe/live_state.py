"""What a service does now, from the rows of its journals."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from json import loads
from statistics import median

from .blocks import BLOCKED_AFTER_S
from .journal import MORE
from .journal_files import SILENT_S
from .journal_reader import JournalReader, Row, Value
from .live_lines import BLOCKS_WINDOW_S, WINDOW_S, EndedRequest, ProcessLine, RouteLine, SiteLine

MOST_KEPT = 100_000
"""Ended requests of a process in WINDOW_S; beyond it, rates are too low."""
ENDED_S = 1.0
"""An event loop without a sample for this long has ended, or serves no requests."""
PART = re.compile(r"(probe-[\d]+-[\d.]+?)(-\d+)?\.journal")
LIBRARY = re.compile(r"/(site|dist)-packages/|/lib\d*/python\d|^<")
THREAD_KINDS = ("loop", "anyio_worker", "executor", "other")
LETTERS = "hsbc"
"""Tables of the journal: requests, samples, blocks, stacks of blocks."""
NO_LINE = "(line unknown)"


class LiveProcess:
    """The newest rows of one journal, which is one process's."""

    def __init__(self) -> None:
        self._reader = JournalReader(LETTERS)
        self.pid = 0
        self.loops: dict[Value, Row] = {}
        """The newest sample of each event loop, by its thread."""
        self.began_s = 0.0
        self.open: dict[Value, Row] = {}
        self._over: dict[Value, None] = {}
        """The newest requests that have ended."""
        self.ended: deque[EndedRequest] = deque(maxlen=MOST_KEPT)
        self.samples: deque[tuple[float, float, float]] = deque()
        """(at_s, lag_s, cpu_s)."""
        self.blocks: dict[Value, Row] = {}
        self.sites: dict[Value, str] = {}

    def read(self, content: bytes) -> None:
        """Take a piece of the journal, whose parts follow each other. Raises ValueError."""
        reader = self._reader
        for letter, row in reader.read(content):
            if letter == "h":
                self._take_request(row)
            elif letter == "s":
                self._take_sample(row, reader.about.get("beat_us", 0) * 1e-6)
            elif letter == "b":
                self.blocks[row["stretch"]] = row
            elif row["stretch"] not in self.sites:
                self.sites[row["stretch"]] = find_site(to_text(row["stack"]))
        self.pid = reader.about.get("pid", 0)

    def _take_sample(self, row: Row, beat_s: float) -> None:
        at_s = to_number(row["at_s"])
        self.loops[row.get("loop_thread")] = row
        for thread, newest in list(self.loops.items()):
            if to_number(newest["at_s"]) < at_s - ENDED_S:
                del self.loops[thread]
        self.began_s = self.began_s or at_s
        lag_s = max(0.0, to_number(row["heartbeat_age_s"]) - beat_s)
        self.samples.append((at_s, lag_s, to_number(row["cpu_s"])))
        while self.samples[0][0] < at_s - WINDOW_S:
            self.samples.popleft()
        while self.ended and self.ended[0].ended_s < at_s - WINDOW_S:
            self.ended.popleft()

    def _take_request(self, row: Row) -> None:
        """Of a request's rows the one with `returned_s` counts; a snapshot may be written later."""
        ended_s = row["returned_s"]
        if row["visit"] in self._over:
            return
        if ended_s is None:
            if len(self.open) < MOST_KEPT:
                self.open[row["visit"]] = row
            return
        self.open.pop(row["visit"], None)
        self._over[row["visit"]] = None
        if len(self._over) > MOST_KEPT:
            del self._over[next(iter(self._over))]
        answered_s = to_number(row["sent_s"] or ended_s)
        status, wait_s = to_number(row["status"]), to_number(row["pool_wait_s"])
        self.ended.append(
            EndedRequest(
                to_number(ended_s), to_text(row["route"]), answered_s - to_number(row["arrived_s"]),
                wait_s, failed=status >= 500 or not status,
            )
        )  # fmt: skip

    def describe(self) -> ProcessLine:
        """Call after the first sample."""
        (first_s, _, first_cpu_s), (last_s, _, cpu_s) = self.samples[0], self.samples[-1]
        row = next(iter(self.loops.values()))  # each has the process's figures
        threads = [row[f"threads_{kind}"] for kind in THREAD_KINDS]
        return ProcessLine(
            self.pid,
            int(to_number(row["in_flight"])),
            self._add_up("pool_borrowed"),
            self._add_up("pool_total"),
            self._add_up("pool_waiting"),
            int(sum(map(to_number, threads))),
            max(lag_s for _, lag_s, _ in self.samples),
            (cpu_s - first_cpu_s) / (last_s - first_s) if last_s > first_s else 0.0,
            to_number(row["rss_bytes"]),
        )

    def _add_up(self, column: str) -> Value:
        """Add up a figure of the event loops; None if none of them has it."""
        known = [value for each in self.loops.values() if (value := each[column]) is not None]
        return sum(map(to_number, known)) if known else None

    def list_blocks(self, now_s: float) -> Iterator[tuple[str, Row, float]]:
        """Yield the site, the row and the seconds of each recent block. Time in which the machine
        gave no CPU is not the code's."""
        for stretch, row in list(self.blocks.items()):
            ended_s = row["ended_s"]
            until_s = now_s if ended_s is None else to_number(ended_s)
            if until_s < now_s - BLOCKS_WINDOW_S:
                del self.blocks[stretch]
                self.sites.pop(stretch, None)
            else:
                length_s = until_s - to_number(row["began_s"])
                own_s = length_s - to_number(row["run_delay_s"]) - to_number(row["paused_s"])
                if own_s >= BLOCKED_AFTER_S:
                    yield self.sites.get(stretch, NO_LINE), row, own_s


class ServiceState:
    """All processes of a service."""

    def __init__(self) -> None:
        self._processes: dict[str, LiveProcess] = {}

    def read(self, pieces: Iterable[tuple[str, bytes]]) -> None:
        """Take pieces of journals, each with its file's name. Raises ValueError."""
        for name, content in pieces:
            part = PART.fullmatch(name)
            self._processes.setdefault(part[1] if part else name, LiveProcess()).read(content)

    def list_processes(self) -> list[ProcessLine]:
        """Return the processes ordered by pid."""
        return sorted(each.describe() for each in self._list_seen())

    def list_routes(self) -> list[RouteLine]:
        """Return the routes with requests, the busiest first."""
        ended: dict[str, list[EndedRequest]] = {}
        in_flight: dict[str, int] = {}
        lasted_s = 0.0
        for loop in self._list_seen():
            lasted_s = max(lasted_s, min(WINDOW_S, loop.samples[-1][0] - loop.began_s))
            for each in loop.ended:
                ended.setdefault(each.route, []).append(each)
            for row in loop.open.values():
                route = to_text(row["route"])
                in_flight[route] = in_flight.get(route, 0) + 1
        lines = [
            describe_route(route, ended.get(route, []), in_flight.get(route, 0), lasted_s)
            for route in {*ended, *in_flight}
        ]
        return sorted(lines, key=lambda line: (-line.per_s, -line.in_flight, line.route))

    def list_sites(self) -> list[SiteLine]:
        """Return the lines that blocked a loop, the worst first."""
        found: dict[tuple[str, str], list[tuple[float, Value]]] = {}
        for loop in self._list_seen():
            for site, row, lasted_s in loop.list_blocks(loop.samples[-1][0]):
                key = site, to_text(row["route"])
                found.setdefault(key, []).append((lasted_s, row["cpu_s"]))
        lines = []
        for (site, route), blocks in found.items():
            lengths = [lasted_s for lasted_s, _ in blocks]
            used = [to_number(cpu_s) for _, cpu_s in blocks if cpu_s is not None]
            cpu_s = sum(used) if used else None
            lines.append(SiteLine(site, route, len(blocks), sum(lengths), max(lengths), cpu_s))
        return sorted(lines, key=lambda line: -line.blocked_s)

    def _list_seen(self) -> list[LiveProcess]:
        """Return the processes that have not ended. One that is silent for longer than SILENT_S
        may come back: a thread may hold the GIL as long."""
        seen = [each for each in self._processes.values() if each.samples]
        newest_s = max((each.samples[-1][0] for each in seen), default=0.0)
        return [each for each in seen if each.samples[-1][0] >= newest_s - SILENT_S]


def describe_route(
    route: str, ended: list[EndedRequest], in_flight: int, lasted_s: float
) -> RouteLine:
    latencies = [each.latency_s for each in ended]
    return RouteLine(
        route,
        len(ended) / lasted_s if lasted_s else 0.0,
        in_flight,
        median(latencies) if latencies else None,
        max(latencies) if latencies else None,
        sum(each.wait_s for each in ended) / len(ended) if ended else None,
        sum(each.failed for each in ended),
    )


def find_site(stack: str) -> str:
    """Return "folder/file:line function" of the innermost frame outside of libraries, or of the
    innermost one if there is none. stack: the journal's text of it."""
    if stack in ("", MORE):
        return NO_LINE
    frames = loads(stack)
    own = (frame for frame in frames if not LIBRARY.search(frame[1]))
    _, file, line, function, _ = next(own, frames[0])
    return f"{'/'.join(file.split('/')[-2:])}:{line} {function}"


def to_number(value: Value) -> float:
    return 0.0 if value is None or isinstance(value, str) else float(value)


def to_text(value: Value) -> str:
    return value if isinstance(value, str) else ""
