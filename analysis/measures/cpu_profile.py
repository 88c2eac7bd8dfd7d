"""CPU per request alone and under load, by code: shares of samples, and the CPU that no sample
shows, scaled to the measured CPU per request."""

from dataclasses import dataclass, replace

from analysis.measures.cpu_attribution import (
    REST,
    CodeCpu,
    NamedCode,
    Sampling,
    SamplingPair,
    name_innermost,
    name_own_library,
)
from analysis.measures.resource_usage import measure_server_usage
from analysis.measures.window import MeasuredCell
from analysis.stats.proportions import Interval
from records.cpu_profile import SampledPhase, Stack, Stacks

GROWN = 1.15
"""Smaller growth of CPU per request is ignored: two equal measurements differ by a few percent."""
LIKE_WINDOW = 2.0
"""During sampling, CPU per request must match the window's within this factor; else the sampled
load was different."""
WATCHDOG = "(site-packages/asgi_probe/watchdog.py)"
"""The probe's thread, which samples the server with and without requests."""
FEWEST_SAMPLES = 50
MOST_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class CpuGrowth:
    """CPU per request alone and under load, in ms, by code.

    cause: the code with most of the growth; dominant: the code with most of the CPU under load;
    None where that is not clear. fault: why nothing is known, else None.
    """

    fault: str | None = None
    alone_ms: float | None = None
    load_ms: float | None = None
    alone_samples: int = 0
    load_samples: int = 0
    by_library: tuple[CodeCpu, ...] = ()
    by_function: tuple[CodeCpu, ...] = ()
    cause: NamedCode | None = None
    dominant: NamedCode | None = None

    @property
    def has_grown(self) -> bool:
        return bool(self.alone_ms and self.load_ms and self.load_ms > GROWN * self.alone_ms)


def measure_cpu_growth(cell: MeasuredCell) -> CpuGrowth | None:
    """Return None where CPU per request needed no explanation."""
    profile = cell.record.cpu_profile
    if profile is None:
        return None
    if profile.alone is None or profile.load is None:
        return CpuGrowth(fault=profile.fault)
    idle_cores = profile.alone.idle_cores  # of one worker
    all_idle_cores = idle_cores * cell.record.scenario.server.workers
    alone_ms = compute_cpu_ms(profile.alone, idle_cores)
    load_ms = compute_cpu_ms(profile.load, all_idle_cores)
    window_ms = measure_server_usage(cell).cpu_ms_per_request
    if window_ms is not None:
        window_ms -= compute_idle_ms(profile.load, all_idle_cores)
    if not window_ms or not 1 / LIKE_WINDOW < load_ms / window_ms < LIKE_WINDOW:
        return CpuGrowth(fault="CPU per request during sampling differed from the window")
    stacks = cell.tables.load_stacks
    alone = Sampling(alone_ms, complete_stacks(stacks("alone"), profile.alone, idle_cores))
    load = Sampling(window_ms, complete_stacks(stacks("load"), profile.load, all_idle_cores))
    return compare_samplings(SamplingPair(alone, load))


def compute_cpu_ms(phase: SampledPhase, idle_cores: float) -> float:
    """Compute CPU per request without the CPU of an idle server."""
    return max(0.0, 1000 * phase.cpu_s / phase.requests - compute_idle_ms(phase, idle_cores))


def compute_idle_ms(phase: SampledPhase, idle_cores: float) -> float:
    """Compute the idle server's CPU per request: more at 40 requests per second than at 500."""
    return 1000 * idle_cores * phase.lasting_s / phase.requests


def complete_stacks(stacks: Stacks, phase: SampledPhase, idle_cores: float) -> Stacks:
    """Take out the samples of an idle server, which belong to no request: its watchdog's. Add as
    many as the CPU without the GIL would have. Add none where the samples exceed the kernel's
    count: then other programs took the CPU from the holder of the GIL."""
    idle = round(idle_cores * phase.lasting_s * phase.samples_per_s)
    rest, found = round(phase.cpu_s * phase.samples_per_s) - idle, dict[Stack, int]()
    for stack, count in stacks.items():
        is_idle = any(each.endswith(WATCHDOG) for each in stack)
        taken = min(count, idle) if is_idle else 0
        idle -= taken
        if count > taken:
            found[stack] = count - taken
    rest -= sum(found.values())
    return {**found, (REST,): rest} if rest > 0 else found


def compare_samplings(pair: SamplingPair) -> CpuGrowth:
    if min(pair.alone.samples, pair.load.samples) < FEWEST_SAMPLES:
        return CpuGrowth(fault="too few samples were taken")
    found = CpuGrowth(
        alone_ms=pair.alone.cpu_ms,
        load_ms=pair.load.cpu_ms,
        alone_samples=pair.alone.samples,
        load_samples=pair.load.samples,
        by_library=pair.attribute_cpu(name_own_library)[:MOST_SHOWN],
        by_function=pair.attribute_cpu(name_innermost)[:MOST_SHOWN],
        dominant=pair.find_code(get_load_share),
    )
    return replace(found, cause=pair.find_code(get_blamed_growth)) if found.has_grown else found


def get_load_share(of: CodeCpu) -> Interval | None:
    return of.load_share


def get_blamed_growth(of: CodeCpu) -> Interval | None:
    """Return None for code that grew no more than all other code."""
    return of.growth if of.is_raised else None
