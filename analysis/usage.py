"""CPU and memory of the processes, from the samples that the runner took from outside.

A sweep looks at every process and stamps all of its rows with one time: what is added up was
there together, also around a worker's death.
"""

import polars as pl

BUCKET_S = 1.0
"""The runner sweeps twice a second, and the kernel counts CPU in steps of 10 ms: over one
second that is 1 % of a core."""


def cpu_percent_peak(machine: pl.DataFrame, role: str, *, together: bool) -> float | None:
    """The most CPU in any second, in percent of one core: of a role's processes together, or of
    its busiest one."""
    used = (
        machine.filter(pl.col("role") == role)
        .sort("at_s")
        .with_columns(
            used_s=pl.col("cpu_s").diff().over("pid"),
            bucket=(pl.col("at_s") / BUCKET_S).floor(),
        )
        .drop_nulls("used_s")
        .group_by("bucket", *(() if together else ("pid",)))
        .agg(pl.col("used_s").sum())
    )
    sweeps = (
        machine.select("at_s")
        .unique()
        .sort("at_s")
        .with_columns(lasted_s=pl.col("at_s").diff(), bucket=(pl.col("at_s") / BUCKET_S).floor())
        .group_by("bucket")
        .agg(pl.col("lasted_s").sum(), whole=pl.col("lasted_s").count() > 1)
        .filter("whole")
    )
    shares = used.join(sweeps, on="bucket").select(100 * pl.col("used_s") / pl.col("lasted_s"))
    peak = shares.to_series().max()
    return float(peak) if isinstance(peak, float) else None


def memory_mib_peak(machine: pl.DataFrame, role: str) -> float | None:
    """The most resident memory of a role's processes together. Pages that they share are counted
    once for each."""
    own = machine.filter(pl.col("role") == role)
    peak = own.group_by("at_s").agg(pl.col("rss_bytes").sum())["rss_bytes"].max()
    return peak / 2**20 if isinstance(peak, int) else None
