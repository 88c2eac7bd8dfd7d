"""The resource that was full in a cell, by measurement only: a prediction is no evidence here.

A resource limits the throughput if it is used nearly all the time and a request had to wait for it.
If two are full, the limit is the one that requests reach last: a request also holds its thread or
connection while it waits for the interpreter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.measures.littles_law import GAP_LIMIT
from analysis.summary.model import CellSummary
from analysis.summary.predicates import (
    compute_server_cores,
    computes_on_loop,
    find_data,
    has_many_failures,
    list_death_causes,
    measure_arrivals_rps,
    select_sites,
)
from analysis.verdicts.instruments import CPU_LIMIT_PERCENT
from analysis.verdicts.limits import HELPERS, OTHERS, THREADED_SHARE
from records.cpu_profile import FULL_INTERPRETER
from scenarios.model import THREADS_OF, Scenario

Resource = Literal[
    "users", "arrivals", "interpreter", "worker restarts", "event loop", "pool threads",
    "client connections", "database connections", "load generator", "cores", "upstream",
    "unexplained",
]  # fmt: skip
KEPT_UP = 1 - GAP_LIMIT
"""Share of the offered load: in a window, Little's law itself holds only this closely."""
FULL_PLACES = 0.9
"""Share of threads or connections: each is idle for a moment between two requests."""
FULL_LOOP = 0.85
"""Share of an event loop's time: blocks shorter than 20 ms are not counted."""
HAND_OVER_MS = 5.0
"""An idle thread starts a call within this time: another thread holds the interpreter no longer
(sys.getswitchinterval)."""
NOTED_SHARE = 0.5
"""Below this share, the most used resource explains nothing."""


@dataclass(frozen=True, slots=True)
class MeasuredLimit:
    """used, capacity: successful responses per second, of those that the users can request or that
    arrive; cores of all workers' interpreters, or of the machine; share of time for which the event
    loop was blocked; threads; connections; cores of one load process; the upstream's wait over the
    requested wait; restarts. None where unknown.

    whose: the blocking site, the threads, the library, the processes, or the causes of restarts.
    computes: True if computation, not a waiting call, blocks the event loop most. blocked_share,
    whose_share: the shares of time for which it is blocked, if `computes` only by computation, and
    by `whose`. closest: for an unexplained limit, the most used, if used for at least half.
    """

    resource: Resource
    used: float | None = None
    capacity: float | None = None
    whose: str | None = None
    computes: bool = False
    blocked_share: float = 0.0
    whose_share: float = 0.0
    closest: "MeasuredLimit | None" = None

    @property
    def share(self) -> float:
        return self.used / self.capacity if self.used is not None and self.capacity else 0.0


def find_measured_limit(cell: CellSummary, scenario: Scenario) -> MeasuredLimit:
    """Find the limit of a resolved scenario: users or arrivals only if nearly all of their requests
    were served, "unexplained" if no measured resource was full."""
    found = [(use, full) for measure, full in USES if (use := measure(cell, scenario)) is not None]
    limits = (use for use, full in found if use.share >= full)
    if (limit := next(limits, None)) is not None:
        return limit
    inner = (use for use, _ in found if use.resource not in ("users", "arrivals"))
    noted = (use for use in inner if use.share >= NOTED_SHARE)
    closest = max(noted, key=lambda each: each.share, default=None)
    return MeasuredLimit("unexplained", closest=closest)


def measure_users(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Compare with what users request if none waits. A single one with few failures never waits."""
    ok_rps = cell.ok_rps or 0.0
    if cell.users is None:
        return None
    if cell.users == 1 and ok_rps and not has_many_failures(cell):
        return MeasuredLimit("users", ok_rps, ok_rps)
    wait_s = 0.0 if scenario.endpoint.answers_first else scenario.delay_s or 0.0
    wait_s *= 1 + (cell.upstream_late_share or 0.0)
    cycle_s = scenario.load.think_s + wait_s + (cell.cpu_ms_per_request or 0.0) / 1000
    return MeasuredLimit("users", ok_rps, cell.users / cycle_s) if cycle_s else None


def measure_arrivals(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    loop = cell.open_loop
    if loop is None or loop.overloaded:
        return None
    return MeasuredLimit("arrivals", loop.sustained_rps, measure_arrivals_rps(cell))


def measure_interpreter(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Return None where a computation on the event loop fills it, and where Python's share of the
    CPU is unknown: with helper processes, with more CPU than Python can use, with threads on full
    cores or without a GIL. The verdict knows each worker's cores, even of few requests."""
    server, cores = scenario.server, compute_server_cores(cell)
    if computes_on_loop(cell) and (cell.loop_blocked_share or 0.0) >= FULL_LOOP:
        return None
    if isinstance(each := find_data(cell, "INTERPRETER_FULL").get("cores"), float):
        return MeasuredLimit("interpreter", each * server.workers, server.workers)
    style = scenario.endpoint.style
    if cores is None or cores > THREADED_SHARE * server.workers:
        return None
    if not server.is_python or style == HELPERS:
        return None
    if style in THREADS_OF and (measure_machine(cell) or cell.gil is False):
        return None
    return MeasuredLimit("interpreter", cores, server.workers)


def measure_restarts(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    if not cell.worker_restarts or not has_many_failures(cell):
        return None
    causes = ", ".join(list_death_causes(cell)) or None
    return MeasuredLimit("worker restarts", cell.worker_restarts, whose=causes)


def measure_event_loop(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Measure how long the loop was blocked; if mostly by waiting calls, add the computation
    between them. Records of older probes have no sites."""
    sites = cell.blocking_sites
    if cell.loop_blocked_share is None or not (sites or scenario.endpoint.blocks_the_loop):
        return None
    waits = sum(each.share for each in sites if each.cause in ("wait", None)) if sites else 1.0
    cores = (compute_server_cores(cell) or 0.0) / scenario.server.workers
    blocked = cell.loop_blocked_share
    waited = waits * blocked
    busy = min(1.0, max(blocked, waited + cores)) if waited > cores else blocked
    use = MeasuredLimit("event loop", busy, 1.0, None, computes_on_loop(cell), blocked)
    alike = select_sites(sites, use.computes)
    if not alike:
        return use
    kind = sum(each.share for each in alike) if use.computes else 1.0
    shares = blocked * kind, blocked * alike[0].share
    return replace(use, whose=str(alike[0]), blocked_share=shares[0], whose_share=shares[1])


def measure_pool(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Return None where no request waited for a thread. For older records, use the threads inside
    endpoints, or the waits."""
    style, server = scenario.endpoint.style, scenario.server
    if THREADS_OF.get(style) != "anyio's pool" or not cell.pool_waiting_peak:
        return None
    inside = cell.threads_active_mean if style == "def" else count_waiting(cell, scenario)
    busy = inside if cell.pool_busy_mean is None else cell.pool_busy_mean
    if busy is None:
        return None
    size = server.pool * server.workers
    if server.has_users_app and not cell.worker_restarts:  # it may set its own
        size = cell.pool_total or size
    return MeasuredLimit("pool threads", busy, size, THREADS_OF[style])


def measure_executor_use(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    """Return None where calls found a free thread."""
    use = cell.executor
    if use is None or use.wait_median_ms <= HAND_OVER_MS:
        return None
    return MeasuredLimit("pool threads", use.busy_mean, use.threads, "asyncio's executor")


def count_waiting(cell: CellSummary, scenario: Scenario) -> float | None:
    """Compute the mean number of requests in the upstream by Little's law."""
    if cell.ok_rps is None or not scenario.delay_s:
        return None
    return cell.ok_rps * scenario.delay_s * (1 + (cell.upstream_late_share or 0.0))


def measure_connections(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Return None where every user could have a connection."""
    client, workers = scenario.client, scenario.server.workers
    if client is None or client.life != "shared":
        return None
    capacity, used = client.connections * workers, count_waiting(cell, scenario)
    if used is None or (cell.users is not None and cell.users <= capacity):
        return None
    return MeasuredLimit("client connections", used, capacity, client.library)


def measure_database(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Return None without a delay: how long a query holds its connection is not measured."""
    database, workers = scenario.database, scenario.server.workers
    if database is None or database.life != "pool":
        return None
    capacity, used = database.pool * workers, count_waiting(cell, scenario)
    if used is None or (cell.users is not None and cell.users <= capacity):
        return None
    return MeasuredLimit("database connections", used, capacity, database.kind)


def measure_generator(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    busiest = max(cell.generator_cpu_percent, default=None)
    return None if busiest is None else MeasuredLimit("load generator", busiest / 100, 1.0)


def measure_compiled_server(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Assume one thread per worker; None for a server that uses more: its maximum is unknown."""
    cores, server = compute_server_cores(cell), scenario.server
    if cores is None or not server.is_compiled or cores > THREADED_SHARE * server.workers:
        return None
    return MeasuredLimit("cores", cores, server.workers, "server")


def measure_machine(cell: CellSummary, _: Scenario | None = None) -> MeasuredLimit | None:
    data = find_data(cell, "CORES_FULL")
    used, cores = data.get("used"), data.get("cores")
    if not isinstance(used, float) or not isinstance(cores, int):
        return None
    largest = list(data)[2:3]  # after "used" and "cores"
    return MeasuredLimit("cores", used, cores, OTHERS if largest == [OTHERS] else "machine")


def measure_upstream(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    if not any(each.code == "UPSTREAM_LATE" for each in cell.verdicts):
        return None
    return MeasuredLimit("upstream", 1 + (cell.upstream_late_share or 0.0), 1.0)


Measure = Callable[[CellSummary, Scenario], MeasuredLimit | None]
USES: Sequence[tuple[Measure, float]] = (
    (measure_users, KEPT_UP),
    (measure_arrivals, KEPT_UP),
    (measure_interpreter, FULL_INTERPRETER),
    (measure_compiled_server, FULL_INTERPRETER),
    (measure_restarts, 0.0),
    (measure_event_loop, FULL_LOOP),
    (measure_pool, FULL_PLACES),
    (measure_executor_use, FULL_PLACES),
    (measure_connections, FULL_PLACES),
    (measure_database, FULL_PLACES),
    (measure_machine, 0.0),
    (measure_generator, CPU_LIMIT_PERCENT / 100),
    (measure_upstream, 0.0),
)
"""In order of judgement, each with the share of its capacity from which it counts as full."""
