"""Reads from a cell's logs why workers died and whether a process ran out of file descriptors. The
user's app writes into them too: any length of lines takes little time, once the load has ended."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from records.cell import CellRecord
from stress.last_words import LONGEST, MOST_LOG_BYTES, read_end
from stress.servers import find_adapter

MOST_FAULTS = 5
SIGN = re.compile(r"too many open files|\bemfile\b", re.IGNORECASE)
"""The error's name, not a part of another word, such as itemfile."""


def add_logged_reasons(
    record: CellRecord, logs: Iterable[Path], lengths: Mapping[Path, int]
) -> CellRecord:
    """Return the record with the reasons. lengths: a log's bytes before the cell."""
    text = "\n".join(read_end(each, MOST_LOG_BYTES, lengths.get(each, 0)) for each in sorted(logs))
    causes = find_adapter(record.scenario.server.kind).find_death_causes(text)
    deaths = tuple(replace(each, cause=causes.get(each.pid, each.cause)) for each in record.deaths)
    return replace(record, deaths=deaths, log_faults=find_descriptor_errors(text))


def find_descriptor_errors(text: str) -> tuple[str, ...]:
    """Return the first lines about descriptors, shortened."""
    lines = (each for each in text.splitlines() if SIGN.search(each))
    return tuple(each[:LONGEST] for each in islice(lines, MOST_FAULTS))
