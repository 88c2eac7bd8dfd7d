"""Every number of a cell, declared once: its key in summary.json, label, unit, better direction,
format, and views. Tables, comparisons, sweeps and thresholds are derived from it: a new metric is a
field of the cell's summary and a line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.stats import formats

Better = Literal["higher", "lower"]
Format = formats.Format
Heading = tuple[str, str]
"""Label and unit."""
View = Literal[
    "table",  # the rows of a run; headings for a terminal
    "page",  # the same on the page, which has more room
    "trials",  # the table over the trials
    "intervals",  # recorded over the trials in summary.json
    "compare",
    "sweep",
    "contrast",
    "ratio",  # of a contrast, to its base
    "recorded ratio",  # ratios in contrast.json
    "recorded contrast",  # figures in contrast.json: those of the three views above
]


@dataclass(frozen=True, slots=True)
class Metric:
    """`key`: dotted where nested in summary.json. `predicted`: the key of its prediction.
    `headings`: of views with another heading."""

    key: str
    label: str
    unit: str
    better: Better | None
    format: Format
    views: tuple[View, ...] = ()
    predicted: str = ""
    is_latency: bool = False
    """True for latencies, which mean nothing where many requests fail or stay unanswered."""
    headings: Mapping[View, Heading] = field(default_factory=dict)

    def get_heading(self, view: View) -> Heading:
        return self.headings.get(view, (self.label, self.unit))


def declare_latency(key: str, label: str, *views: View, predicted: str = "") -> Metric:
    """Declare a latency in ms. In tables with many columns, the median is called p50."""
    short: Mapping[View, Heading] = (
        dict.fromkeys(("sweep", "contrast", "ratio"), ("p50", "ms")) if label == "median" else {}
    )
    return Metric(key, label, "ms", "lower", MS, views, predicted, True, short)


def declare_plain(unit: str, text: Format, *keys: str) -> tuple[Metric, ...]:
    """Declare numbers that no table shows, but that a threshold may name."""
    return tuple(
        Metric(key, key.removesuffix("_ms").replace("_", " "), unit, None, text) for key in keys
    )


MS, RATE, SHARE, WHOLE = formats.milliseconds, formats.rate, formats.percent, formats.whole
EVERYWHERE: tuple[View, ...] = (
    "table", "trials", "intervals", "compare", "sweep", "contrast", "ratio",
)  # fmt: skip
METRICS: tuple[Metric, ...] = (
    *declare_plain("", WHOLE, "trial", "users"),
    *declare_plain("s", formats.decimal, "duration_s"),
    *declare_plain("requests", WHOLE, "requests"),
    Metric(
        "ok_rps", "ok", "rps", "higher", RATE, EVERYWHERE, "predicted.ok_rps",
        headings={"ratio": ("rps", "")},
    ),
    Metric("predicted.ok_rps", "predicted", "", "higher", RATE, ("sweep",)),
    Metric("rps", "all", "rps", None, RATE, ("intervals",)),
    Metric("failures", "failures", "", "lower", WHOLE, ("intervals",)),
    Metric(
        "failure_ratio", "failed", "", "lower", SHARE, ("table", "intervals", "compare"),
        headings={"page": ("failed", "%")},
    ),
    Metric(
        "unfinished", "unfinished", "", "lower", WHOLE, ("table", "intervals", "compare"),
        headings={"table": ("unfin-", "ished")},
    ),
    declare_latency(
        "mean_ms", "mean", "intervals", "compare", "contrast", "recorded ratio",
        predicted="predicted.mean_ms",
    ),
    declare_latency("min_ms", "min", "contrast"),
    declare_latency("median_ms", "median", *EVERYWHERE, predicted="predicted.median_ms"),
    declare_latency("ok_median_ms", "ok median", "intervals"),
    declare_latency("p95_ms", "p95", "page", "intervals", "contrast", "recorded ratio"),
    declare_latency("p99_ms", "p99", *EVERYWHERE, predicted="predicted.p99_ms"),
    declare_latency("p999_ms", "p99.9", "contrast", "ratio"),
    declare_latency("max_ms", "max", "intervals", "contrast"),
    Metric("success_ratio", "success", "", "higher", SHARE, ("contrast",)),
    Metric(
        "threads_spawned", "threads", "live", "lower", WHOLE,
        ("table", "intervals", "compare", "sweep"),
        headings={"table": ("", "live"), "sweep": ("threads", "")},
    ),
    Metric(
        "threads_active_mean", "threads", "active", None, formats.decimal, ("table", "intervals")
    ),
    Metric("pool_waiting_peak", "pool", "waiting", None, WHOLE, ("page",)),
    Metric("loop_lag_p99_ms", "loop lag", "p99 ms", "lower", MS, ("page", "intervals")),
    Metric("worker_restarts", "deaths", "", "lower", WHOLE, ("page",)),
    Metric("cpu_percent_peak", "CPU", "%", "lower", WHOLE,
           ("intervals", "compare", "contrast", "ratio")),
    Metric("rss_mib_peak", "MiB", "", "lower", WHOLE,
           ("intervals", "compare", "sweep", "contrast", "ratio")),
    Metric(
        "cpu_ms_per_request", "CPU per request", "ms", "lower", MS, ("sweep", "ratio"),
        "predicted.cpu_loaded_ms", headings={"sweep": ("CPU", "ms")},
    ),
    declare_latency(
        "bystander.median_ms", "bystander", "intervals", "contrast", "ratio",
        predicted="predicted.bystander_ms",
    ),
    declare_latency("bystander.p99_ms", "bystander p99", "intervals"),
    *declare_plain("rps", RATE, "failures_per_s", "open_loop.arrival_rate", "open_loop.offered_rps",
                   "open_loop.sustained_rps", "open_loop.backlog_growth_per_s", "whole_run.rps",
                   "predicted.ceiling_rps", "predicted.low", "predicted.high"),
    *declare_plain("ms", MS, "median_lower_bound_ms", "median_censored_ms", "p99_lower_bound_ms",
                   "p99_censored_ms", "users_longest_wait_median_ms", "loop_lag_max_ms",
                   "generator_lateness_median_ms", "generator_lateness_p99_ms",
                   "arrival_delay_median_ms", "arrival_delay_p99_ms", "clock_uncertainty_ms",
                   "open_loop.service_median_ms", "open_loop.service_p99_ms",
                   "open_loop.formula_median_ms", "whole_run.median_ms", "predicted.mean_ms",
                   "predicted.median_ms", "predicted.p99_ms", "predicted.cpu_ms",
                   "predicted.cpu_loaded_ms", "predicted.cpu_idle_ms", "cpu_growth.alone_ms",
                   "cpu_growth.load_ms",
                   "predicted.bystander_ms"),
    *declare_plain("", SHARE, "response_drift", "throughput_drift", "loop_blocked_share",
                   "upstream_late_share"),
    *declare_plain("users", formats.decimal, "users_seen"),
    *declare_plain("users", WHOLE, "users_unanswered", "growth.saturated_from",
                   "predicted.starved"),
    *declare_plain("threads", WHOLE, "threads_unique", "threads_active_peak", "pool_total",
                   "executor.threads"),
    *declare_plain("threads", formats.decimal, "pool_busy_mean", "executor.busy_mean"),
    *declare_plain("ms", MS, "executor.wait_median_ms"),
    *declare_plain("samples", WHOLE, "cpu_growth.alone_samples", "cpu_growth.load_samples"),
    *declare_plain("s", formats.decimal, "warm_up_cut_s"),
    *declare_plain("%", WHOLE, "live_cpu_percent_peak", "generator_cpu_percent_peak"),
    *declare_plain("cores", formats.decimal, "other_load_cores", "stolen_cores",
                   "throttled_cores"),
    *declare_plain("requests", WHOLE, "bystander.failures", "bystander.pings",
                   "bystander.unanswered", "whole_run.requests", "whole_run.failures",
                   *(f"fates.{each}" for each in (
                       "sent", "completed", "received_never_answered", "sent_never_received",
                       "failed_before_sending", "vanished", "completed_unseen", "app_received",
                       "app_repeated", "strangers", "upstream_received", "upstream_missing",
                       "upstream_strangers", "upstream_repeated"))),
)  # fmt: skip
FIRST: Mapping[View, tuple[str, ...]] = {
    "compare": ("ok_rps", "median_ms", "p99_ms", "mean_ms"),
    "contrast": ("ok_rps", "mean_ms", "median_ms", "p99_ms", "bystander.median_ms",
                 "rss_mib_peak", "cpu_percent_peak", "p999_ms"),
    "ratio": ("ok_rps", "median_ms", "p99_ms", "p999_ms", "bystander.median_ms", "rss_mib_peak"),
    "recorded ratio": ("ok_rps", "mean_ms", "median_ms", "p95_ms", "p99_ms", "p999_ms",
                       "bystander.median_ms", "rss_mib_peak"),
    "recorded contrast": ("ok_rps", "mean_ms", "min_ms", "median_ms", "p95_ms", "p99_ms", "p999_ms",
                          "max_ms", "success_ratio", "rss_mib_peak"),
}  # fmt: skip
"""The first metrics of a view, where they differ from the order above."""


def list_metrics(view: View, *also: View) -> tuple[Metric, ...]:
    """List the metrics of a view and of further views, in the order of the first."""
    first = FIRST.get(view, ())
    found = [each for each in METRICS if {view, *also} & set(each.views)]
    return tuple(
        sorted(found, key=lambda each: first.index(each.key) if each.key in first else len(first))
    )


def get_metric(key: str) -> Metric:
    return next(each for each in METRICS if each.key == key)


def get_value(summary: object, key: str) -> float | None:
    """Get a number by its key (`bystander.p99_ms`); None where unknown. Raises AttributeError for a
    key that no summary has."""
    value = summary
    for part in key.split("."):
        if value is None:
            return None
        value = getattr(value, part)
    return float(value) if isinstance(value, int | float) else None
