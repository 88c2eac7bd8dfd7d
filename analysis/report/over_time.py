"""What a cell did through time, in steps of one length."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.measures.probe_metrics import BUCKET_S
from analysis.measures.window import CellTables
from scenarios.units import Second

STEPS = 150
"""In a picture of some 400 pixels more cannot be told apart."""
SHORTEST_RATE_S = 0.5
"""A rate over less is the noise of single requests."""
LENGTHS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
THREADS = ("loop", "anyio_worker", "executor", "other")
THROUGHPUT, IN_FLIGHT, THREAD_COUNT, POOL, HEARTBEAT = (
    "throughput",
    "in flight",
    "threads",
    "pool",
    "heartbeat",
)

SAMPLED = {f"threads_{kind}": (THREAD_COUNT, kind.replace("_", " ")) for kind in THREADS} | {
    "pool_borrowed": (POOL, "borrowed"),
    "pool_waiting": (POOL, "waiting"),
}
PROBED = ("pid", "at_s", "heartbeat_age_s", *SAMPLED)


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """`points`: at_s (a step's middle), panel, series, value. Rates are requests a second,
    heartbeat ages ms, all else numbers; of what was sampled the most in a step, over all workers
    together."""

    points: pl.DataFrame
    step_s: Second
    rate_step_s: Second


def compute_time_series(cell: CellTables, end_s: Second) -> TimeSeries:
    """From the cell's begin to `end_s`, the drain's end."""
    step_s = choose_step(end_s)
    rate_step_s = max(step_s, SHORTEST_RATE_S)
    requests = cell.load_table("requests", ("started_s", "ended_s", "error"))
    frames = [
        compute_throughput_series(requests, rate_step_s, end_s),
        compute_in_flight_series(requests, step_s, end_s),
        compute_probe_series(cell.load_table("probe", PROBED), step_s, end_s),
    ]
    return TimeSeries(pl.concat(frames), step_s, rate_step_s)


def choose_step(length_s: Second) -> Second:
    """The shortest round step that gives no more than STEPS of them."""
    return next((each for each in LENGTHS if length_s / each <= STEPS), LENGTHS[-1])


def build_step_edges(step_s: Second, end_s: Second) -> list[float]:
    return [step_s * number for number in range(max(1, int(np.ceil(end_s / step_s))) + 1)]


def build_points(panel: str, series: str, at_s: object, values: object) -> pl.DataFrame:
    return pl.DataFrame(
        {"at_s": at_s, "value": values},
        schema_overrides={"at_s": pl.Float64, "value": pl.Float64},
        strict=False,
    ).select(
        "at_s",
        pl.lit(panel).alias("panel"),
        pl.lit(series).alias("series"),
        "value",
    )


def compute_throughput_series(
    requests: pl.DataFrame, step_s: Second, end_s: Second
) -> pl.DataFrame:
    limits = build_step_edges(step_s, end_s)
    middles = np.array(limits[:-1]) + step_s / 2
    widths_s = np.diff(np.minimum(limits, max(end_s, step_s)))
    ended = requests.filter(pl.col("ended_s").is_not_null())
    good = pl.col("error").is_null()
    return pl.concat(
        build_points(
            THROUGHPUT,
            series,
            middles,
            np.histogram(ended.filter(which)["ended_s"].to_numpy(), limits)[0] / widths_s,
        )
        for series, which in (("good", good), ("failed", ~good))
    )


def compute_in_flight_series(requests: pl.DataFrame, step_s: Second, end_s: Second) -> pl.DataFrame:
    """As the generator sees it: sent, and not answered."""
    moments = np.array(build_step_edges(step_s, end_s)[:-1]) + step_s / 2
    sent = np.sort(requests["started_s"].drop_nulls().to_numpy())
    ended = np.sort(requests["ended_s"].drop_nulls().to_numpy())
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
    every = pl.DataFrame(
        {"step": np.arange(len(build_step_edges(step_s, end_s)) - 1, dtype=np.float64)}
    )
    steps = every.join(sampled, on="step", how="left", maintain_order="left")
    at_s = (steps["step"] + 0.5) * step_s
    frames = [
        build_points(panel, series, at_s, steps[column])
        for column, (panel, series) in SAMPLED.items()
    ]
    ages_ms = 1000 * steps["heartbeat_age_s"]
    return pl.concat([*frames, build_points(HEARTBEAT, "age of the last beat", at_s, ages_ms)])
