"""The conditions of a run: machine, versions, settings, and the command that repeats it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.metrics import get_metric, get_value
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.summary.comparison import ensure_mapping, read_scenarios
from analysis.summary.model import CellSummary
from scenarios.model import is_python_server
from scenarios.options import list_options
from scenarios.settings import HAS_USERS, Overrides

MACHINE = {
    "cpu": "processor",
    "cores": "cores",
    "memory_mib": "memory, MiB",
    "os": "operating system",
    "machine": "architecture",
    "python": "Python",
    "implementation": "implementation",
    "gil": "GIL enabled",
    "debugging": "debug variables of Python",
    "go": "Go",
    "descriptors_soft": "file descriptor limit",
    "git_revision": "revision of this project",
    "git_changed": "uncommitted changes",
}
SETTINGS = {
    "endpoint.method": "method",
    "endpoint.path": "route",
    "endpoint.style": "style",
    "url": "URL",
    "server.app": "app",
    **{each.setting.sets: each.setting.label for each in list_options(Overrides)},
    "database.kind": "database",
    "database.life": "database connection lifetime",
    "file_mib": "file, MiB",
}
OF_USERS = frozenset(
    each.setting.sets for each in list_options(Overrides) if each.setting.applies_to is HAS_USERS
)
"""Settings that an open loop does not have."""
ANY_SERVER = ("server.kind", "server.workers")
"""Settings of every server; a compiled one has no event loop to choose and no thread pool."""
MACHINE_LOAD = {
    "duration_s": "window, s, as measured (with worker kills, whole cycles)",
    "cpu_percent_peak": "server CPU, % of one core, busiest second",
    "cpu_ms_per_request": "server CPU per request, ms",
    "rss_mib_peak": "server memory, MiB, peak",
    "generator_cpu_percent": "CPU of each load process, % of one core, busiest second",
    "generator_lateness_median_ms": "load lateness, ms, median",
    "generator_lateness_p99_ms": "load lateness, ms, p99",
    "live_cpu_percent_peak": "live page CPU, % of one core, busiest second",
    "upstream_late_share": "upstream late by",
    "other_load_cores": "CPU of other programs, cores",
    "stolen_cores": "CPU steal, cores",
    "throttled_cores": "CPU throttled by a quota, cores",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    command: str
    machine: Table
    packages: Table
    settings: Table
    """A row for each setting, with its value in each scenario."""


def collect_conditions(manifest: Mapping[str, object]) -> Conditions:
    environment = ensure_mapping(manifest.get("environment"))
    known = {words: environment.get(key) for key, words in MACHINE.items()}
    return Conditions(
        command=str(manifest.get("command") or ""),
        machine=build_pairs({words: of for words, of in known.items() if of is not None}),
        packages=build_pairs(ensure_mapping(environment.get("packages"))),
        settings=build_settings_table(read_scenarios(manifest)),
    )


def build_settings_table(scenarios: Mapping[str, Mapping[str, object]]) -> Table:
    """Tabulate the result of `read_scenarios`, without settings that apply to no scenario."""
    rows = {
        words: [format_condition(get_setting(each, key)) for each in scenarios.values()]
        for key, words in SETTINGS.items()
    }
    known = {words: texts for words, texts in rows.items() if any(texts)}
    return build_text_table("Settings", scenarios, known)


def build_pairs(pairs: Mapping[str, object]) -> Table:
    return build_text_table("", [""], {name: [format_condition(of)] for name, of in pairs.items()})


def build_text_table(
    title: str, headings: Iterable[str], rows: Mapping[str, Sequence[str]]
) -> Table:
    columns = [Column(each, is_text=True) for each in ("", *headings)]
    return Table(columns, [Row(*each) for each in rows.items()], title)


def get_setting(scenario: Mapping[str, object], path: str) -> object:
    """Return None if the setting does not apply to the scenario."""
    is_open = scenario.get("load.arrival_rate") is not None
    if (path in OF_USERS and is_open) or (path == "load.arrivals" and not is_open):
        return None
    is_known = path in ANY_SERVER or is_python_server(scenario.get("server.kind"))
    return scenario.get(path) if is_known or not path.startswith("server.") else None


def format_condition(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def build_machine_load_table(cells: Mapping[str, CellSummary]) -> Table:
    """Tabulate the load of generator, upstream and the rest of the machine during each cell,
    without figures that no cell has."""
    rows = {
        words: [format_machine_load(cell, key) for cell in cells.values()]
        for key, words in MACHINE_LOAD.items()
    }
    known = {words: row for words, row in rows.items() if set(row) != {formats.UNKNOWN}}
    return build_text_table("Machine load during each cell", cells, known)


def format_machine_load(cell: CellSummary, key: str) -> str:
    if key == "generator_cpu_percent":
        return ", ".join(map(formats.whole, cell.generator_cpu_percent)) or formats.UNKNOWN
    value = get_value(cell, key)
    if key.endswith("_cores") and value is not None:
        return f"{value:.2f}"  # a tenth of a core would already be much
    return get_metric(key).format(value)
