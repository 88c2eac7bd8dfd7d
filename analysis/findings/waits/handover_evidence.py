"""Each call moved to a thread: the request's phase, the code that requested it, how long it waited
for a token and for the loop, and how long it held its thread."""

from collections.abc import Iterator

import polars as pl

from analysis.findings.code_texts import parse_code, parse_stack
from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.phases import classify_handover
from analysis.findings.places import PlaceFinder, build_finder, shorten_function
from analysis.findings.waits.blamed_loops import EXECUTORS, blame_loops
from records.rows import TEXT, Schema

ASKER = ("asker", "work", "route")
LOCATION: Schema = {
    "phase": TEXT,
    "file": TEXT,
    "line": pl.Int64(),
    "function": TEXT,
    "call": TEXT,  # what the thread runs
    "work_file": TEXT,
    "work_line": pl.Int64(),
    "work_function": TEXT,
    "is_own": pl.Boolean(),
}
PLACE = ("route", "phase", "file", "line", "function")
"""The key of a place that waits."""
WORK_PLACE = ("route", "phase", "work_file", "work_line", "work_function")
"""The key of a place that holds a thread."""


@compute_once
def locate_handovers(evidence: AuditEvidence) -> pl.DataFrame:
    """Return the rows of evidence.handovers with these columns:

    phase: of the request (phases.classify_handover). file, line, function: the user's line that
    requests the thread, or else the work; null if neither is the user's. work_...: the work, or
    else the requesting line. call: what the thread runs. is_own: the framework requests the thread
    for code of the user's. is_after: requested after the response was sent.

    wait_from_s, wait_until_s: in the queue; null if a token was free. use_from_s, use_until_s: of
    the token. used_s: how long. token_s: time in the queue while no token was free; loop_s: all
    other time before the work began. A call that has not ended lasts until its process was last
    seen.
    """
    rows = join_answers(join_last_moments(evidence.handovers, evidence), evidence)
    is_executor = pl.col("queue").str.contains(EXECUTORS)
    got_s = pl.when(is_executor).then("began_s").otherwise(pl.coalesce("granted_s", "began_s"))
    given_up_s = pl.when("failed").then(pl.coalesce("ended_s", "queued_s", "asked_s"))
    rows = rows.with_columns(got_s=got_s, until_s=pl.coalesce(given_up_s, "ended_s", "last_s"))
    rows = rows.with_columns(
        wait_from_s="queued_s",
        wait_until_s=pl.when(pl.col("queued_s").is_not_null()).then(
            pl.coalesce("got_s", "until_s")
        ),
        use_from_s="got_s",
        use_until_s=pl.when(pl.col("got_s").is_not_null()).then("until_s"),
    )
    rows = rows.with_columns(
        token_s=measure_length("wait_from_s", "wait_until_s"),
        used_s=measure_length("use_from_s", "use_until_s"),
    )
    bare_s = pl.when(pl.col("work").is_null()).then("granted_s")  # a token without a thread
    before_s = pl.coalesce("began_s", bare_s, "until_s") - pl.col("asked_s")
    rows = blame_loops(rows, evidence.stretches)
    rows = rows.with_columns(loop_s=(before_s - pl.col("token_s")).clip(lower_bound=0.0))
    located = list_locations(rows.select(ASKER).unique(), evidence)
    joined = rows.join(located, on=ASKER, how="left", nulls_equal=True, maintain_order="left")
    return locate_bare_tokens(joined.drop("got_s", "until_s", "last_s"))


def measure_length(begin: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(begin)).clip(lower_bound=0.0).fill_null(0.0)


def join_last_moments(rows: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Add last_s: when the process was last seen; if it never was, the end of the recording."""
    seen = evidence.samples.group_by("pid").agg(last_s=pl.col("at_s").max())
    joined = rows.join(seen, on="pid", how="left", maintain_order="left")
    last_s = pl.col("last_s").fill_null(evidence.record.ended_s)
    moments = ("asked_s", "queued_s", "granted_s", "began_s")
    return joined.with_columns(last_s=pl.max_horizontal(last_s, *moments))


def join_answers(rows: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """Add is_after: the request's response had been sent when it requested the thread."""
    sent = evidence.handlers.select("pid", "visit", "sent_s").drop_nulls().unique(["pid", "visit"])
    joined = rows.join(sent, on=["pid", "visit"], how="left", maintain_order="left")
    is_after = (pl.col("asked_s") >= pl.col("sent_s")).fill_null(value=False)
    return joined.with_columns(is_after=is_after).drop("sent_s")


def list_locations(texts: pl.DataFrame, evidence: AuditEvidence) -> pl.DataFrame:
    """texts: distinct rows with the columns of ASKER."""
    finder = build_finder(evidence)
    schema = {**dict.fromkeys(ASKER, TEXT), **LOCATION}
    found = [
        (asker, work, route, *locate_handover(asker, work, route, finder))
        for asker, work, route in texts.select(ASKER).iter_rows()
    ]
    return pl.DataFrame(found, schema=schema, orient="row")


def locate_handover(
    asker: str | None, work: str | None, route: str | None, finder: PlaceFinder
) -> tuple[str | int | None, ...]:
    """Return the columns of LOCATION."""
    located = finder.locate(parse_stack(asker), route)
    place = located.place
    phase = classify_handover(located.stack, place.phase, located.own is not None)
    asks: tuple[str | None, int | None, str | None] = place.file, place.line, place.function
    own = parse_code(work)
    if not work and phase == "dependency" and located.own is None:
        asks = None, None, None  # the route's own code is not the dependency
    if own is None:
        return phase, *asks, work, *asks, False
    name = shorten_function(own.name)
    if not own.file.startswith("/") or finder.is_library(own.file):
        return phase, *asks, name, *asks, False
    works = finder.shorten_file(own.file), own.first_line, name
    is_own = located.own is None
    return phase, *(works if is_own else asks), name, *works, is_own


def locate_bare_tokens(rows: pl.DataFrame) -> pl.DataFrame:
    """Locate tokens without a thread, as a dependency's limit gives them. The work that the
    framework offloads for the same request meanwhile is most often that dependency."""
    names = ("file", "line", "function")
    limit = ("queue", "route", "asker")
    works = [f"work_{name}" for name in names]
    bare = rows.filter(pl.col("work").is_null(), pl.col("file").is_null())
    inner = rows.filter("is_own").select("pid", "visit", "began_s", *works)
    within = pl.col("began_s").is_between("use_from_s", "use_until_s")
    usual = (
        bare.select("pid", "visit", "handover", *limit, "use_from_s", "use_until_s")
        .join(inner, on=["pid", "visit"])
        .filter(within)
        .sort("began_s")
        .unique(["pid", "handover"], keep="first", maintain_order=True)
        .group_by(*limit, *works)
        .len()
        .sort("len", *works, descending=[True, False, False, False])
        .unique(limit, keep="first", maintain_order=True)
        .select(*limit, *(pl.col(f"work_{name}").alias(f"inner_{name}") for name in names))
    )
    joined = rows.join(usual, on=limit, how="left", nulls_equal=True, maintain_order="left")
    is_bare = pl.col("work").is_null() & pl.col("file").is_null()
    return joined.with_columns(
        pl.when(is_bare).then(f"inner_{name}").otherwise(column).alias(column)
        for name in names
        for column in (name, f"work_{name}")
    ).drop(f"inner_{name}" for name in names)


@compute_once
def locate_thread_stacks(evidence: AuditEvidence) -> pl.DataFrame:
    """Return the samples of threads that run offloaded calls: pid, handover, and the user's
    innermost line. Leave out samples without one."""
    finder = build_finder(evidence)
    samples = evidence.thread_stacks.select("pid", "handover", "stack", "route").drop_nulls(
        ["handover", "stack"]
    )
    texts = samples.select("stack", "route").unique()
    schema = {"stack": TEXT, "route": TEXT, "file": TEXT, "line": pl.Int64(), "function": TEXT}
    found = list(locate_lines(texts, finder))
    lines = pl.DataFrame(found, schema=schema, orient="row")
    return samples.join(lines, on=["stack", "route"], how="inner", nulls_equal=True).drop("stack")


def locate_lines(
    texts: pl.DataFrame, finder: PlaceFinder
) -> Iterator[tuple[str, str | None, str | None, int | None, str | None]]:
    for stack, route in texts.iter_rows():
        located = finder.locate(parse_stack(stack), route, in_thread=True)
        if located.own is not None:
            place = located.place
            yield stack, route, place.file, place.line, place.function
