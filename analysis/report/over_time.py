"""What a cell did through time, in steps of one length."""

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.probe_metrics import BUCKET_S
from analysis.measures.window import CellTables
from scenarios.units import Second

STEPS, RATE_STEPS = 150, 40
"""More cannot be told apart in a picture; of rates fewer, since several lines share an axis."""
SHORTEST_RATE_S = 0.5
"""A rate over less is the noise of single requests."""
LENGTHS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
THREADS = ("loop", "anyio_worker", "executor", "other")
THROUGHPUT, IN_FLIGHT, THREAD_COUNT = "throughput", "in flight", "threads"
POOL, HEARTBEAT = "pool", "heartbeat"
SAMPLED = {f"threads_{kind}": (THREAD_COUNT, kind.replace("_", " ")) for kind in THREADS} | {
    "pool_borrowed": (POOL, "borrowed"),
    "pool_waiting": (POOL, "waiting"),
    "heartbeat_age_s": (HEARTBEAT, "age of the last beat"),
}
PROBED = ("pid", "at_s", *SAMPLED)


def compute_time_series(cell: CellTables, end_s: Second) -> pl.DataFrame:
    """at_s (a step's middle), panel, series, value; from the cell's begin to `end_s`, the drain's
    end. Rates are requests a second, heartbeat ages ms, all else numbers; of what was sampled the
    most in a step, over all workers together."""
    step_s = choose_step(end_s)
    requests = cell.load_table("requests", ("started_s", "ended_s", "error"))
    frames = [
        compute_throughput_series(
            requests, max(choose_step(end_s, RATE_STEPS), SHORTEST_RATE_S), end_s
        ),
        compute_in_flight_series(requests, step_s, end_s),
        compute_probe_series(cell.load_table("probe", PROBED), step_s, end_s),
    ]
    return pl.concat(frames)


def choose_step(length_s: Second, most: int = STEPS) -> Second:
    """The shortest round step that gives no more than so many of them."""
    return next((each for each in LENGTHS if length_s / each <= most), LENGTHS[-1])


def build_step_edges(step_s: Second, end_s: Second) -> npt.NDArray[np.floating]:
    return step_s * np.arange(max(1, math.ceil(end_s / step_s)) + 1)


def build_points(panel: str, series: str, at_s: object, values: object) -> pl.DataFrame:
    schema = {"at_s": pl.Float64, "value": pl.Float64}
    points = pl.DataFrame({"at_s": at_s, "value": values}, schema_overrides=schema, strict=False)
    names = {"panel": pl.lit(panel), "series": pl.lit(series)}
    return points.with_columns(**names)


def compute_throughput_series(
    requests: pl.DataFrame, step_s: Second, end_s: Second
) -> pl.DataFrame:
    limits = build_step_edges(step_s, end_s)
    widths_s = np.diff(np.minimum(limits, max(end_s, step_s)))
    ended = requests.drop_nulls("ended_s")
    good = pl.col("error").is_null()
    counts = {
        series: np.histogram(ended.filter(which)["ended_s"].to_numpy(), limits)[0]
        for series, which in (("good", good), ("failed", ~good))
    }
    return pl.concat(
        build_points(THROUGHPUT, series, limits[:-1] + step_s / 2, count / widths_s)
        for series, count in counts.items()
    )


def compute_in_flight_series(requests: pl.DataFrame, step_s: Second, end_s: Second) -> pl.DataFrame:
    """As the generator sees it: sent, and not answered."""
    moments = build_step_edges(step_s, end_s)[:-1] + step_s / 2
    sent, ended = (requests[each].drop_nulls().sort() for each in ("started_s", "ended_s"))
    under_way = np.searchsorted(sent, moments) - np.searchsorted(ended, moments)
    return build_points(IN_FLIGHT, "in flight", moments, under_way)


def compute_probe_series(probe: pl.DataFrame, step_s: Second, end_s: Second) -> pl.DataFrame:
    """A moment is short enough that no worker dies and is replaced in it. A step in which nothing
    was sampled has no value: nothing is drawn across it."""
    moment_s = min(BUCKET_S, step_s)
    sampled = (
        probe.filter(pl.col("at_s").is_between(0, end_s))
        .with_columns(moment=(pl.col("at_s") / moment_s).floor())
        .group_by("moment", "pid")
        .agg(pl.exclude("at_s").max())
        .group_by("moment")
        .agg(pl.exclude("pid", "heartbeat_age_s").sum(), pl.col("heartbeat_age_s").max())
        .with_columns(step=((pl.col("moment") + 0.5) * moment_s / step_s).floor())
        .group_by("step")
        .agg(pl.exclude("moment").max())
    )
    every = pl.DataFrame({"step": np.arange(len(build_step_edges(step_s, end_s)) - 1.0)})
    steps = every.join(sampled, on="step", how="left", maintain_order="left")
    steps = steps.with_columns(pl.col("heartbeat_age_s") * 1000)
    at_s = (steps["step"] + 0.5) * step_s
    return pl.concat(
        build_points(panel, series, at_s, steps[column])
        for column, (panel, series) in SAMPLED.items()
    )
