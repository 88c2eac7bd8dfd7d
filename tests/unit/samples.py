"""Small records and tables for tests of metrics and verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from records.cell import CellRecord, Phases, WorkerDeath
from records.cpu_profile import Level, Stacks
from records.ids import generate_ids
from records.rows import BYSTANDER, HANDLERS, MACHINE, PROBE, REQUESTS, UPSTREAM, conform_to_schema
from scenarios.catalogue import select_scenarios
from scenarios.resolution import MachineResources, resolve_scenario

CELL_NUMBER = 5


@dataclass(frozen=True, slots=True)
class InMemoryTables:
    requests: pl.DataFrame
    handlers: pl.DataFrame
    probe: pl.DataFrame
    machine: pl.DataFrame
    bystander: pl.DataFrame
    upstream: pl.DataFrame
    blocks: pl.DataFrame | None = None
    block_stacks: pl.DataFrame | None = None
    thread_calls: pl.DataFrame | None = None

    def load_table(self, name: str, columns: Sequence[str]) -> pl.DataFrame:
        frame = getattr(self, name)
        assert isinstance(frame, pl.DataFrame)
        return frame.select(columns)

    def has_table(self, name: str) -> bool:
        return getattr(self, name) is not None

    def load_stacks(self, level: Level) -> Stacks:
        raise AssertionError(f"no cell of these tests was sampled ({level})")


def record(name: str = "async-http-shared") -> CellRecord:
    """A cell of two users: ramp to 1 s, window from 2 to 12 s, drain to 13 s."""
    scenario = resolve_scenario(
        select_scenarios((name,))[0], MachineResources(uvloop=True, httptools=True, go=True)
    )
    scenario = replace(scenario, load=replace(scenario.load, users=2, duration_s=10.0))
    return CellRecord(
        name=f"{name}.1",
        scenario=scenario,
        trial=1,
        cell_number=CELL_NUMBER,
        t0_s=1000.0,
        started_utc="2026-01-01T00:00:00+00:00",
        phases=Phases(1.0, 2.0, 12.0, 13.0, True),
        cycles_planned=None,
        warm_up_limit_s=30.0,
        drain_limit_s=5.0,
        deaths=(),
        users_spawned=2,
        requests_sent=0,
        descriptors_limit=1024,
        load_timeout_s=100.0,
        commands={},
        overhead_s=1.0,
    )


def deaths(*moments_s: float) -> tuple[WorkerDeath, ...]:
    return tuple(WorkerDeath(at_s, 100 + n, "killed") for n, at_s in enumerate(moments_s))


Sent = tuple[float, float | None, str | None]
"""started_s, ended_s (None: unfinished), error"""


def healthy() -> list[Sent]:
    """Two users who each send a request every 0.5 s from the ramp's end on; both get their last
    response in the drain. Little's law holds to the last digit."""
    return [(1.0 + 0.5 * turn, 1.5 + 0.5 * turn, None) for turn in range(23) for _ in range(2)]


def tables(sent: list[Sent], *, seen: bool = True, users: int = 2) -> InMemoryTables:
    """One row per request, the users in turn; the app and the upstream saw all of them, if
    `seen`."""
    ids = generate_ids(CELL_NUMBER, 0)
    rows = []
    for number, (started_s, ended_s, error) in enumerate(sent):
        rows.append(
            {
                "cell": "c",
                "process": 0,
                "user": number % users,
                "request_id": next(ids),
                "intended_s": started_s,
                "started_s": started_s,
                "ended_s": ended_s,
                "status": None if ended_s is None else 200 if error is None else 500,
                "error": error,
                "bytes": 4,
            }
        )
    known = rows if seen else []
    handlers = [
        {
            "pid": 1,
            "request_id": row["request_id"],
            "route": "/",
            "arrived_s": row["started_s"],
            "started_s": row["started_s"],
            "ended_s": row["ended_s"],
            "thread_id": 9,
            "thread_kind": "loop",
        }
        for row in known
    ]
    upstream = [
        {
            "request_id": row["request_id"],
            "at_s": row["started_s"],
            "asked_ms": 1000.0,
            "waited_ms": 1000.0,
            "status": "200",
        }
        for row in known
    ]
    probe = [
        {
            "pid": 1,
            "at_s": 0.01 * tick,
            "heartbeat_age_s": 0.005,
            "in_flight": 0,
            "threads_loop": 1,
            "threads_anyio_worker": 0,
            "threads_executor": 0,
            "threads_other": 0,
        }
        for tick in range(1300)
    ]
    return InMemoryTables(
        requests=conform_to_schema(pl.DataFrame(rows, infer_schema_length=None), REQUESTS),
        handlers=conform_to_schema(pl.DataFrame(handlers, infer_schema_length=None), HANDLERS),
        probe=conform_to_schema(pl.DataFrame(probe), PROBE),
        machine=machine(server_cpu=0.5, load_cpu=0.1),
        bystander=pl.DataFrame(schema=BYSTANDER),
        upstream=conform_to_schema(pl.DataFrame(upstream, infer_schema_length=None), UPSTREAM),
    )


def machine(
    *,
    server_cpu: float,
    load_cpu: float,
    descriptors: int = 20,
    other_cores: float = 0.0,
    stolen_cores: float = 0.0,
) -> pl.DataFrame:
    """Two samples a second for 13 s; CPU as a share of one core."""
    rows = []
    shares = (
        ("server", 1, server_cpu),
        ("load", 2, load_cpu),
        ("machine", 0, server_cpu + load_cpu + other_cores),
        ("stolen", 0, stolen_cores),
    )
    for role, pid, share in shares:
        rows += [
            (0.5 * tick, role, pid, 0.5 * tick * share, 2**20, descriptors, 1) for tick in range(27)
        ]
    return pl.DataFrame(rows, schema=MACHINE, orient="row")
