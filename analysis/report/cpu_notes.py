"""Notes about CPU per request that grew under load, and about the code that uses it."""

from analysis.measures.cpu_attribution import NamedCode
from analysis.measures.cpu_profile import CpuGrowth
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_grown_cpu

NO_CAUSE = "; the cause is unknown: no function or library clearly stands out"
"""Not shown in a terminal."""


def write_growth_note(cell: CellSummary) -> str | None:
    """Return None if CPU per request is as predicted and no explanation was requested."""
    found, theory = cell.cpu_growth, cell.predicted
    if found is not None and found.fault is None:
        return describe_growth(found)
    why = "" if found is None else f"; the cause is unknown: {found.fault}"
    if theory is not None and has_grown_cpu(cell):
        load = formats.milliseconds(cell.cpu_ms_per_request)
        alone = formats.milliseconds(theory.cpu_ms)
        known = ""
        if theory.cpu_loaded_ms != theory.cpu_ms:
            known = f", {formats.milliseconds(theory.cpu_loaded_ms)} ms predicted"
        return f"CPU per request was {load} ms under load{known}, {alone} ms alone{why}"
    return None if found is None else f"CPU per request is not explained: {found.fault}"


def describe_growth(found: CpuGrowth) -> str:
    alone, load = format_cpu(found.alone_ms), format_cpu(found.load_ms)
    if not found.has_grown:
        whose = f"; {describe_share(found.dominant, 'it')}" if found.dominant else ""
        return f"CPU per request hardly grew: {alone} ms alone, {load} ms under load{whose}"
    grown = f"CPU per request grew from {alone} ms alone to {load} ms under load"
    if found.cause is not None:
        return f"{grown}; {describe_share(found.cause, 'the growth')}"
    if not any(each.is_raised for each in found.by_library):
        return f"{grown}; the cause is unknown: all code grew alike, as on a slower machine"
    return f"{grown}{NO_CAUSE}"


def describe_share(code: NamedCode, whole: str) -> str:
    low, share, high = (f"{100 * min(1.0, each):.0f}" for each in code.share)
    return f"{share} % (interval: {low} to {high} %) of {whole} is {describe_code(code)}"


def describe_code(code: NamedCode) -> str:
    """Format as `Pool.walk (httpx/pool.py)`, with the file's path inside its package."""
    if code.function is None:
        return code.library
    return f"{code.function.replace(' (site-packages/', ' (')} and what it calls"


def format_cpu(cpu_ms: float | None) -> str:
    """Format with two decimals below 10 ms: an endpoint alone takes tenths of a millisecond."""
    return (
        formats.UNKNOWN if cpu_ms is None else f"{cpu_ms:.2f}" if cpu_ms < 10 else f"{cpu_ms:.0f}"
    )
