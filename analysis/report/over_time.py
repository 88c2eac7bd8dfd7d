"""Time series of a cell, in steps of equal length."""

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.measures.probe_metrics import BUCKET_S
from analysis.measures.window import CellTables
from scenarios.units import Second

STEPS, RATE_STEPS = 150, 40
"""More steps are hard to distinguish; rates have fewer because several lines share an axis."""
SHORTEST_RATE_S = 0.5
"""Over a shorter step, a rate is the noise of single requests."""
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
    """Return at_s (a step's middle), panel, series and value, from the cell's start to `end_s`, the
    end of the drain. Rates are requests per second, heartbeat ages are ms, all else are counts.
    A sampled value is the maximum in a step, over all workers together."""
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
    """Return the shortest round step that gives at most `most` steps."""
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
    """Count requests that the load generator has sent and that are unanswered."""
    moments = build_step_edges(step_s, end_s)[:-1] + step_s / 2
    sent, ended = (requests[each].drop_nulls().sort() for each in ("started_s", "ended_s"))
    in_flight = np.searchsorted(sent, moments) - np.searchsorted(ended, moments)
    return build_points(IN_FLIGHT, "in flight", moments, in_flight)


def compute_probe_series(probe: pl.DataFrame, step_s: Second, end_s: Second) -> pl.DataFrame:
    """Sum the workers in moments so short that no worker dies and is replaced within one. A step
    without samples has no value, so that the line has a gap."""
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
