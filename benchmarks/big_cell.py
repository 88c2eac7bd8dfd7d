"""Generates within seconds a cell of any length, as a closed loop of 500 users would record it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from records.cell import CellRecord, Phases
from records.ids import generate_ids
from records.rows import (
    BYSTANDER,
    HANDLERS,
    MACHINE,
    PROBE,
    REQUESTS,
    UPSTREAM,
    Schema,
    conform_to_schema,
)
from records.rundir import CellDir
from scenarios.catalogue import select_scenarios
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.units import Second

USERS = 500
FEWEST_ROWS = 10 * USERS
CELL_NUMBER = 9
RAMP_S = 1.0
SETTLE_S = 2.0
DRAIN_S = 3.0
FAILING = 0.01
ON_THE_WAY_S = 0.002
PING_S = 1.0
SWEEP_S = 0.5
SAMPLE_S = 0.01

Moments = npt.NDArray[np.float64]


def make_cell(folder: Path, rows: int) -> None:
    """Each user gets a response after about 1 s and sends its next request at once. The last one of
    each user is never answered, and half of these never reach the app. 1 % fail.

    rows: number of requests, rounded down to a multiple of the users. Fewer than FEWEST_ROWS leave
    no window between ramp and end.
    """
    turns = rows // USERS
    requests = make_requests(turns, np.random.default_rng(1))
    last_s = requests["started_s"].max()
    assert isinstance(last_s, float)
    reached = requests.filter(pl.col("ended_s").is_not_null() | (pl.col("user") % 2 == 0))
    tables: dict[str, tuple[pl.DataFrame, Schema]] = {
        "requests": (requests, REQUESTS),
        "handlers": (make_handlers(reached), HANDLERS),
        "upstream": (make_upstream_requests(reached), UPSTREAM),
        "probe": (make_probe_samples(last_s), PROBE),
        "machine": (make_machine_samples(last_s), MACHINE),
        "bystander": (make_bystander_pings(last_s), BYSTANDER),
    }
    cell = CellDir(folder)
    for name, (frame, schema) in tables.items():
        cell.save_table(name, conform_to_schema(frame, schema))
    cell.save_record(build_record(turns, last_s))


def make_requests(turns: int, chance: np.random.Generator) -> pl.DataFrame:
    """Return the requests in the order of sending; response times of at least 1 s, mean 1.1 s."""
    took_s = 1.0 + chance.gamma(4.0, 0.025, (USERS, turns))
    ended_s = np.linspace(0, RAMP_S, USERS)[:, np.newaxis] + np.cumsum(took_s, axis=1)
    user = np.repeat(np.arange(USERS), turns)
    turn = np.tile(np.arange(turns), USERS)
    first_id = next(generate_ids(CELL_NUMBER, 0))
    failed = chance.random(USERS * turns) < FAILING
    started_s = (ended_s - took_s).ravel()
    answered = pl.col("ended_s").is_not_null()
    return (
        pl.DataFrame(
            {
                "request_id": np.arange(first_id, first_id + USERS * turns, dtype=np.uint64),
                "user": user,
                "intended_s": started_s,
                "started_s": started_s,
                "ended_s": np.where(turn == turns - 1, np.nan, ended_s.ravel()),
                "failed": failed,
            }
        )
        .with_columns(pl.col("ended_s").fill_nan(None), cell=pl.lit("bench"), process=0, bytes=4)
        .with_columns(
            status=pl.when(answered).then(pl.when("failed").then(500).otherwise(200)),
            error=pl.when(answered & pl.col("failed")).then(
                pl.lit("HTTP 500: the upstream failed")
            ),
        )
        .sort("started_s")
    )


def make_handlers(requests: pl.DataFrame) -> pl.DataFrame:
    """Return one handler per request, each on a thread of a pool as large as the users."""
    began = pl.col("started_s") + ON_THE_WAY_S
    left = pl.col("ended_s") - ON_THE_WAY_S
    return requests.select(
        "request_id",
        "status",
        pid=1,
        route=pl.lit("/sync/http"),
        arrived_s=began,
        queued_s=began,
        started_s=began,
        ended_s=left,
        sent_s=left,
        pool_wait_s=0.0,
        thread_id=100 + pl.col("user"),
        thread_kind=pl.lit("anyio-worker"),
    )


def make_upstream_requests(requests: pl.DataFrame) -> pl.DataFrame:
    return requests.select(
        "request_id",
        at_s=pl.coalesce("ended_s", "started_s"),
        asked_ms=1000.0,
        waited_ms=1000.2,
        status=pl.col("status").fill_null(200).cast(pl.String),
    )


def make_moments(until_s: Second, each_s: Second) -> Moments:
    return np.arange(0.0, until_s, each_s)


def make_probe_samples(until_s: Second) -> pl.DataFrame:
    at_s = make_moments(until_s, SAMPLE_S)
    return pl.DataFrame({"at_s": at_s, "heartbeat_age_s": at_s % 0.013}).with_columns(
        pid=1, in_flight=USERS, threads_loop=1, threads_anyio_worker=USERS, threads_executor=0,
        threads_other=1, pool_total=USERS, pool_borrowed=USERS, pool_waiting=0,
        rss_bytes=2.0**27, cpu_s=0.8 * pl.col("at_s"),
    )  # fmt: skip


def make_machine_samples(until_s: Second) -> pl.DataFrame:
    cores = {"server": 0.8, "upstream": 0.2, "load": 0.4, "runner": 0.05, "machine": 1.5}
    roles = pl.DataFrame({"role": list(cores), "pid": range(len(cores)), "cores": cores.values()})
    return (
        pl.DataFrame({"at_s": make_moments(until_s, SWEEP_S)})
        .join(roles, how="cross")
        .with_columns(
            cpu_s=pl.col("at_s") * pl.col("cores"), rss_bytes=2**27, descriptors=1100, threads=3
        )
    )


def make_bystander_pings(until_s: Second) -> pl.DataFrame:
    at_s = make_moments(until_s, PING_S)
    return pl.DataFrame({"intended_s": at_s, "ended_s": at_s + 0.003}).with_columns(status=200)


def build_record(turns: int, last_s: Second) -> CellRecord:
    scenario = resolve_scenario(
        select_scenarios(("sync-http-shared",))[0],
        MachineResources(uvloop=True, httptools=True, go=True),
    )
    phases = Phases(RAMP_S, RAMP_S + SETTLE_S, last_s - SETTLE_S, last_s + DRAIN_S, True)
    return CellRecord(
        name="bench", scenario=scenario, trial=1, cell_number=CELL_NUMBER, t0_s=0.0,
        started_utc="", phases=phases, cycles_planned=None, warm_up_limit_s=30.0,
        drain_limit_s=DRAIN_S, deaths=(),
        users_spawned=USERS, requests_sent=USERS * turns, descriptors_limit=10_000,
        load_timeout_s=100.0, commands={}, overhead_s=0.0,
    )  # fmt: skip
