"""A metric is declared once: every view is derived from analysis.metrics."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import cast, get_args, get_type_hints

import pytest

from analysis import metrics
from analysis.metrics import METRICS, get_value, list_metrics
from analysis.summary.cell import compute_summary
from analysis.summary.model import CellSummary
from tests.unit.samples import healthy, record, tables

CELL = compute_summary(record(), tables(healthy()))


def list_numbers(summary: type = CellSummary) -> Iterator[str]:
    """The numbers of a cell in summary.json, dotted where nested."""
    hints = get_type_hints(summary)
    for each in fields(summary):
        hint = hints[each.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if {int, float} & set(kinds):
            yield each.name
        for kind in kinds:
            if is_dataclass(kind):
                yield from (f"{each.name}.{inner}" for inner in list_numbers(cast(type, kind)))


def test_every_number_of_a_cell_is_declared_once_and_nothing_else_is() -> None:
    assert sorted(each.key for each in METRICS) == sorted(list_numbers())


def test_each_is_reached_by_its_key() -> None:
    for each in METRICS:
        get_value(CELL, each.key)
    assert get_value(CELL, "predicted.ok_rps") is None
    with pytest.raises(AttributeError):
        get_value(CELL, "p98_ms")


def test_what_a_view_begins_with_is_in_it() -> None:
    for view, first in metrics.FIRST.items():
        also = ("contrast", "ratio") if view.startswith("recorded") else ()
        assert [each.key for each in list_metrics(view, *also)][: len(first)] == list(first)


def test_a_prediction_is_a_metric_too() -> None:
    known = {each.key for each in METRICS}
    assert {each.predicted for each in METRICS if each.predicted} <= known
