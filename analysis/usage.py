"""CPU and memory of the processes, from the samples that the runner took from outside."""

import polars as pl

BUCKET_S = 1.0
"""The runner samples twice a second, and the kernel counts CPU in steps of 10 ms: over one
second that is 1 % of a core."""


def cpu_percent_peak(machine: pl.DataFrame, role: str, *, together: bool) -> float | None:
    """The most CPU in any second, in percent of one core: of a role's processes together, or of
    its busiest one."""
    by_pid = (
        machine.filter(pl.col("role") == role)
        .sort("at_s")
        .with_columns(
            used_s=pl.col("cpu_s").diff().over("pid"),
            lasted_s=pl.col("at_s").diff().over("pid"),
            bucket=(pl.col("at_s") / BUCKET_S).floor(),
        )
        .drop_nulls("used_s")
        .group_by("bucket", "pid")
        .agg(percent=100 * pl.col("used_s").sum() / pl.col("lasted_s").sum())
    )
    grouped = by_pid.group_by("bucket").agg(
        pl.col("percent").sum() if together else pl.col("percent").max()
    )
    peak = grouped["percent"].max()
    return float(peak) if isinstance(peak, float) else None


def memory_mib_peak(machine: pl.DataFrame, role: str) -> float | None:
    """The most resident memory of a role's processes together. Pages that they share are counted
    once for each."""
    peak = (
        machine.filter(pl.col("role") == role)
        .with_columns(bucket=(pl.col("at_s") / BUCKET_S).floor())
        .group_by("bucket", "pid")
        .agg(pl.col("rss_bytes").max())
        .group_by("bucket")
        .agg(pl.col("rss_bytes").sum())["rss_bytes"]
        .max()
    )
    return peak / 2**20 if isinstance(peak, int) else None
