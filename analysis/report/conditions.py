"""Under which conditions a run was made: machine, versions, settings, and how to run it again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.summary.comparison import ensure_mapping
from analysis.summary.model import CellSummary
from analysis.summary.run import ensure_list
from scenarios.model import is_python_server

MACHINE = {
    "cpu": "processor",
    "cores": "cores",
    "memory_mib": "memory, MiB",
    "os": "system",
    "machine": "architecture",
    "python": "Python",
    "implementation": "implementation",
    "gil": "with the GIL",
    "go": "Go",
    "descriptors_soft": "file descriptors",
    "git_revision": "revision of this project",
    "git_changed": "with changes",
}
SETTINGS = {
    "endpoint.method": "method",
    "endpoint.path": "route",
    "endpoint.style": "style",
    "server.kind": "server",
    "url": "at",
    "server.app": "app",
    "server.workers": "workers",
    "server.loop": "loop",
    "server.http": "HTTP parser",
    "server.worker_timeout_s": "worker timeout, s",
    "server.pool": "pool, threads",
    "server.access_log": "access log",
    "client.library": "client",
    "client.life": "its life",
    "client.timeout_s": "its timeout, s",
    "client.connections": "its connections",
    "delay_s": "delay, s",
    "upstream.kind": "upstream",
    "database.kind": "database",
    "database.pool": "its pool, connections",
    "database.life": "their life",
    "file_mib": "file, MiB",
    "load.engine": "load made by",
    "load.keep_alive": "connections kept",
    "load.requests": "requests counted",
    "load.users": "users",
    "load.arrival_rate": "arrivals a second",
    "load.duration_s": "window, s",
    "load.processes": "load processes",
}
PYTHON_ONLY = (
    "server.app", "server.loop", "server.http", "server.worker_timeout_s", "server.pool",
    "server.access_log",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conditions:
    command: str
    machine: Table
    packages: Table
    settings: Table
    """A row a setting, and its value in each scenario."""


def collect_conditions(manifest: Mapping[str, object]) -> Conditions:
    environment = ensure_mapping(manifest.get("environment"))
    scenarios = [ensure_mapping(each) for each in ensure_list(manifest.get("scenarios"))]
    known = [(MACHINE[key], environment.get(key)) for key in MACHINE]
    asked = [
        (words, [format_condition(get_setting(each, key)) for each in scenarios])
        for key, words in SETTINGS.items()
    ]
    return Conditions(
        command=str(manifest.get("command") or ""),
        machine=build_pairs([each for each in known if each[1] is not None]),
        packages=build_pairs(ensure_mapping(environment.get("packages")).items()),
        settings=build_text_table(
            "Settings",
            [str(each.get("name")) for each in scenarios],
            [(words, texts) for words, texts in asked if any(texts)],
        ),
    )


def build_pairs(pairs: Iterable[tuple[str, object]]) -> Table:
    return build_text_table("", [""], [(name, [format_condition(of)]) for name, of in pairs])


def build_text_table(
    title: str, headings: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]
) -> Table:
    columns = [Column(each, is_text=True) for each in ("", *headings)]
    return Table(columns, [Row(*each) for each in rows], title)


def get_setting(scenario: Mapping[str, object], path: str) -> object:
    """None where it means nothing to the scenario: a compiled server has no loop to choose."""
    is_python = is_python_server(get_nested(scenario, "server.kind"))
    return get_nested(scenario, path) if is_python or path not in PYTHON_ONLY else None


def get_nested(entry: Mapping[str, object], path: str) -> object:
    found: object = entry
    for part in path.split("."):
        found = ensure_mapping(found).get(part)
    return found


def format_condition(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def build_machine_load_table(cells: Mapping[str, CellSummary]) -> Table:
    """What generator, upstream and everything else on the machine did during each cell."""
    loads = [dict(describe_machine_load(each)) for each in cells.values()]
    rows = [(words, [each[words] for each in loads]) for words in (loads[0] if loads else ())]
    return build_text_table("What the machine did meanwhile", list(cells), rows)


def describe_machine_load(cell: CellSummary) -> Iterator[tuple[str, str]]:
    """What generator, upstream and everything else on the machine did during a cell."""
    busiest = ", ".join(formats.whole(each) for each in cell.generator_cpu_percent)
    yield "server's CPU, % of a core, busiest second", formats.whole(cell.cpu_percent_peak)
    yield "server's CPU a request, ms", formats.milliseconds(cell.cpu_ms_per_request)
    yield "server's memory, MiB, peak", formats.whole(cell.rss_mib_peak)
    yield "load's CPU, % of a core each, busiest second", busiest or formats.UNKNOWN
    yield "its lateness, ms, median", formats.milliseconds(cell.generator_lateness_median_ms)
    yield "its lateness, ms, p99", formats.milliseconds(cell.generator_lateness_p99_ms)
    yield "live page's CPU, % of a core, busiest second", formats.whole(cell.live_cpu_percent_peak)
    yield "upstream late by", formats.percent(cell.upstream_late_share)
    yield "cores used by others", format_hundredths(cell.other_load_cores)
    yield "cores taken by the hypervisor", format_hundredths(cell.stolen_cores)


def format_hundredths(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{value:.2f}"
