"""How sure the rules are: trials, ratios and confidence intervals of their relations."""

from collections.abc import Sequence
from typing import NamedTuple

from analysis.guide.recorded import Records
from analysis.guide.relations import MetricReference, Relation, find_bound, judge_relation
from analysis.stats import formats
from analysis.stats.intervals import compute_median_interval, compute_ratio_interval


class MeasuredInterval(NamedTuple):
    """Confidence interval of a relation's ratio; `coverage` is a share of 1."""

    low: float
    high: float
    coverage: float


def compute_interval(relation: Relation, records: Records) -> MeasuredInterval | None:
    """Compute the interval over trials; None if a side has too few of them, or only a bound."""
    if find_bound(relation, records):
        return None
    left = records.list_values(relation.left.cell, relation.left.name)
    if isinstance(relation.right, MetricReference):
        right = records.list_values(relation.right.cell, relation.right.name)
        if min(len(left), len(right)) < 2:
            return None
        found = compute_ratio_interval(right, left)
        low, high, coverage, unit = found.low, found.high, found.coverage, 1.0
    else:
        median = compute_median_interval(left)
        if median is None:
            return None
        low, high, coverage, unit = median.low, median.high, median.coverage, relation.right
    if low is None or high is None or coverage is None:
        return None
    return MeasuredInterval(low / unit, high / unit, coverage)


def list_trials(relations: Sequence[Relation], records: Records) -> list[int]:
    """List the numbers of trials of the relations' scenarios."""
    keys = {key for each in relations for key in each.cells}
    return sorted({len(records.cells[key].trials) for key in keys if key in records.cells})


def describe_interval(relation: Relation, records: Records) -> str:
    found = compute_interval(relation, records)
    if found is None:
        bound = find_bound(relation, records)
        return f"none ({'a bound' if bound else describe_trials([relation], records)})"
    low, high = formats.short_ratio(found.low), formats.short_ratio(found.high)
    return f"{low} to {high} ({formats.percent(found.coverage)})"


def describe_trials(relations: Sequence[Relation], records: Records) -> str:
    counts = list_trials(relations, records) or [0]
    few, many = counts[0], counts[-1]
    return formats.count_things(many, "trial") if few == many else f"{few} to {many} trials"


def describe_confidence(relations: Sequence[Relation], records: Records) -> str:
    """Write a line of Markdown: trials, ratios with their intervals, remarks on the runs."""
    line = f"{describe_trials(relations, records)} per scenario."
    line = " ".join([line, *(describe_ratio(each, records) for each in relations)])
    keys = dict.fromkeys(key for each in relations for key in each.cells)
    known = [records.cells[key] for key in keys if key in records.cells]
    remarks = dict.fromkeys(f"`{code}`" for each in known for code in each.remarks)
    return f"{line} Remarks on these runs: {', '.join(remarks)}." if remarks else line


def describe_ratio(relation: Relation, records: Records) -> str:
    found = judge_relation(relation, records).described
    interval = ""
    if compute_interval(relation, records) is not None:
        interval = f"interval {describe_interval(relation, records)}, "
    return f"{relation.sentence}: {found} ({interval}{relation.allowed} required)."
