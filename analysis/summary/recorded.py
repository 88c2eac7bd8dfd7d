"""Cells as summary.json holds them, written by earlier versions too."""

from types import NoneType
from typing import get_args, get_type_hints

from pydantic import TypeAdapter

from analysis.summary.model import CellSummary

_CELLS = TypeAdapter(list[CellSummary])
_UNKNOWN = {
    name: None for name, hint in get_type_hints(CellSummary).items() if NoneType in get_args(hint)
}


def parse_cells(content: object) -> list[CellSummary]:
    """A metric that was not recorded yet is None. Raises ValueError."""
    if isinstance(content, list):
        content = [_UNKNOWN | each if isinstance(each, dict) else each for each in content]
    return _CELLS.validate_python(content)
