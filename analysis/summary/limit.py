"""Which resource was full in a cell, as measured: what theory predicts is no evidence here.

A resource limits the throughput where it is used nearly all the time and a request had to wait for
it. Where two are full, the one that requests come to last is named: a thread or a connection is
also taken while its request waits for the interpreter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.measures.littles_law import GAP_LIMIT
from analysis.summary.model import CellSummary
from analysis.summary.predicates import computes_on_loop, has_many_failures, list_death_causes
from analysis.verdicts.instruments import CPU_LIMIT_PERCENT
from analysis.verdicts.limits import HELPERS, OTHERS, THREADED_SHARE
from records.cpu_profile import FULL_INTERPRETER
from scenarios.model import THREADS_OF, Scenario

Resource = Literal[
    "users",
    "arrivals",
    "interpreter",
    "worker restarts",
    "event loop",
    "pool threads",
    "client connections",
    "database connections",
    "load generator",
    "cores",
    "upstream",
    "unexplained",
]
KEPT_UP = 1 - GAP_LIMIT
"""Of what users or arrivals ask for: Little's law itself is met within so much in a window."""
FULL_PLACES = 0.9
"""Of threads or connections: a place stands empty between two requests."""
FULL_LOOP = 0.85
"""Of an event loop's time: what blocks it for less than 20 ms at a time is not counted."""
HAND_OVER_MS = 5.0
"""A thread that is idle begins within so much: another thread keeps the interpreter no longer
(sys.getswitchinterval)."""
NOTED_SHARE = 0.5
"""Below it, the resource that was used most explains nothing."""


@dataclass(frozen=True, slots=True)
class MeasuredLimit:
    """used of capacity, by the resource: good answers a second of those that so many users can ask
    for, or that arrive; cores for the interpreters of all workers, or for the whole machine; the
    part of the time that the event loop was blocked; threads; connections; cores of one load
    process; the upstream's wait over the wait that it was asked for; restarts. None where unknown.

    whose: the blocking place, the threads, the library, the processes, or the causes of restarts.
    computes: whether what keeps the event loop computes. closest: of an unexplained limit, the
    resource that was used most and was not full, if any was used for half.
    """

    resource: Resource
    used: float | None = None
    capacity: float | None = None
    whose: str | None = None
    computes: bool = False
    closest: "MeasuredLimit | None" = None

    @property
    def share(self) -> float:
        return self.used / self.capacity if self.used is not None and self.capacity else 0.0


def find_measured_limit(cell: CellSummary, scenario: Scenario) -> MeasuredLimit:
    """Of a resolved scenario: users or arrivals only where they got nearly all that they asked for,
    and "unexplained" where nothing that was measured was full."""
    found = [(use, full) for measure, full in USES if (use := measure(cell, scenario)) is not None]
    limits = (use for use, full in found if use.share >= full)
    if (limit := next(limits, None)) is not None:
        return limit
    inner = [
        use
        for use, _ in found
        if use.resource not in ("users", "arrivals") and use.share >= NOTED_SHARE
    ]
    closest = max(inner, key=lambda each: each.share, default=None)
    return MeasuredLimit("unexplained", closest=closest)


def measure_users(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Of what they can ask for if none waits for another. A user who is alone never does: what then
    is missing are failures."""
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
    return MeasuredLimit("arrivals", loop.sustained_rps, loop.arrival_rate)


def measure_interpreter(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """None where it is unknown how much of the CPU is Python: of processes that work for the
    workers, of more CPU than Python itself can use, of threads that had to share full cores, or
    that no GIL makes take turns."""
    server, cores = scenario.server, compute_server_cores(cell)
    style = scenario.endpoint.style
    if cores is None or not server.is_python or style == HELPERS:
        return None
    if cores > THREADED_SHARE * server.workers:
        return None
    if style in THREADS_OF and (measure_machine(cell) or cell.gil is False):
        return None
    return MeasuredLimit("interpreter", cores, server.workers)


def compute_server_cores(cell: CellSummary) -> float | None:
    if cell.cpu_ms_per_request is None or cell.rps is None:
        return None
    return cell.rps * cell.cpu_ms_per_request / 1000


def measure_restarts(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    if not cell.worker_restarts or not has_many_failures(cell):
        return None
    causes = ", ".join(list_death_causes(cell)) or None
    return MeasuredLimit("worker restarts", cell.worker_restarts, whose=causes)


def measure_event_loop(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """Blocked; where mostly by calls that wait, with what it computes in between. Records of older
    probes have no places."""
    sites = cell.blocking_sites
    if cell.loop_blocked_share is None:
        return None
    if not sites and not scenario.endpoint.blocks_the_loop:
        return None
    waits = sum(each.share for each in sites if each.cause in ("wait", None)) if sites else 1.0
    cores = (compute_server_cores(cell) or 0.0) / scenario.server.workers
    waited, busy = waits * cell.loop_blocked_share, cell.loop_blocked_share
    if waited > cores:
        busy = min(1.0, max(busy, waited + cores))
    place = str(sites[0]) if sites else None
    return MeasuredLimit("event loop", busy, 1.0, place, computes_on_loop(cell))


def measure_pool(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """None where no request waited for a thread. What older records lack is taken from the threads
    inside of endpoints, or from the waits."""
    style, server = scenario.endpoint.style, scenario.server
    if THREADS_OF.get(style) != "anyio's pool" or not cell.pool_waiting_peak:
        return None
    inside = cell.threads_active_mean if style == "def" else count_waiting(cell, scenario)
    busy = inside if cell.pool_busy_mean is None else cell.pool_busy_mean
    if busy is None:
        return None
    return MeasuredLimit("pool threads", busy, server.pool * server.workers, THREADS_OF[style])


def measure_executor_use(cell: CellSummary, _: Scenario) -> MeasuredLimit | None:
    """None where a call found a thread at once."""
    use = cell.executor
    if use is None or use.wait_median_ms <= HAND_OVER_MS:
        return None
    return MeasuredLimit("pool threads", use.busy_mean, use.threads, "asyncio's executor")


def count_waiting(cell: CellSummary, scenario: Scenario) -> float | None:
    """Requests in the upstream at a time, by Little's law."""
    if cell.ok_rps is None or not scenario.delay_s:
        return None
    return cell.ok_rps * scenario.delay_s * (1 + (cell.upstream_late_share or 0.0))


def measure_connections(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """None where there are as many as users, so that none can be missing."""
    client, workers = scenario.client, scenario.server.workers
    if client is None or client.life != "shared":
        return None
    capacity, used = client.connections * workers, count_waiting(cell, scenario)
    if used is None or (cell.users is not None and cell.users <= capacity):
        return None
    return MeasuredLimit("client connections", used, capacity, client.library)


def measure_database(cell: CellSummary, scenario: Scenario) -> MeasuredLimit | None:
    """None without a delay: how long a query has its connection is not measured."""
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
    """A thread for each worker; None of one that uses more, of which the most is unknown."""
    cores, server = compute_server_cores(cell), scenario.server
    if cores is None or not server.is_compiled or cores > THREADED_SHARE * server.workers:
        return None
    return MeasuredLimit("cores", cores, server.workers, "server")


def measure_machine(cell: CellSummary, _: Scenario | None = None) -> MeasuredLimit | None:
    for each in cell.verdicts:
        if each.code == "CORES_FULL":
            used, cores = each.data.get("used"), each.data.get("cores")
            if isinstance(used, float) and isinstance(cores, int):
                largest = list(each.data)[2:3]  # after "used" and "cores"
                whose = OTHERS if largest == [OTHERS] else "machine"
                return MeasuredLimit("cores", used, cores, whose)
    return None


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
"""In the order of judgement, each with the share of its capacity from which on it is full."""
