"""`study doctor`: checks whether this machine can run the study."""

import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil

from analysis.report.table import hang_text, wrap_whole
from scenarios.errors import ALL_WELL, CANNOT, UserError
from scenarios.model import Load
from stress.databases import check_nobody_available, find_embedded_programs
from stress.extras import check_extra
from stress.machine import find_free_port
from stress.servers import load_adapters
from study.machine_facts import collect_environment, detect_resources, read_go_version
from study.messages import show_activity


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. needed: nothing runs without it; otherwise `advice` says what is missing then."""

    what: str
    good: bool
    found: str
    advice: str = ""
    needed: bool = False


def check_installation(port: int) -> list[Finding]:
    offered = detect_resources()
    taken = find_problem(lambda: find_free_port(port))
    missing = find_problem(
        lambda: check_extra("database", "PostgreSQL"),
        find_embedded_programs,
        check_nobody_available,
    )
    return [
        *check_machine(),
        Finding("port", not taken, f"{port}" if taken else f"{port} is free", taken, needed=True),
        *check_toolchains(),
        describe_optional("postgresql", not missing, "embedded", missing),
        describe_optional(
            "oha", bool(shutil.which("oha")), "on the PATH", "--engine oha is not available"
        ),
        describe_optional("uvloop", offered.uvloop, "installed", "auto means asyncio"),
        describe_optional("httptools", offered.httptools, "installed", "auto means h11"),
    ]


def check_machine() -> list[Finding]:
    users, about = Load().users, collect_environment()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = (hard - 128) // 2
    enough = hard == resource.RLIM_INFINITY or most >= users
    free_mib = psutil.virtual_memory().available // 2**20
    busy = psutil.cpu_percent(interval=0.5)
    cores = psutil.cpu_count() or 1
    return [
        Finding("python", sys.version_info >= (3, 11), f"{about['python']}",
                "install 3.11 or newer", needed=True),
        Finding("system", sys.platform == "linux", f"{about['os']}",
                "made for Linux; docs/install.md lists what is missing elsewhere"),
        Finding("cores", cores >= 2, f"{cores}",
                "load generator and server share one core: expect GENERATOR_SATURATED"),
        Finding("idle", busy < 20, f"{100 - busy:.0f} % of the machine is idle",
                "other programs are running and will slow down the measurements"),
        Finding("memory", free_mib > 1024, f"{free_mib} MiB free",
                "500 users and 500 threads need 1 GiB"),
        Finding("descriptors", enough, f"hard limit {hard}",
                f"enough for --users {most}; raise it for {users} (ulimit -Hn)"),
    ]  # fmt: skip


def check_toolchains() -> list[Finding]:
    """Check Go, which also builds the fast upstream, and cargo."""
    found = {"go": read_go_version(), "cargo": "on the PATH" if shutil.which("cargo") else None}
    lost = {"go": "the Python upstream is used instead; "}
    findings = []
    for name, version in found.items():
        servers = [kind for kind, each in load_adapters().items() if each.toolchain == name]
        advice = f"{lost.get(name, '')}the scenarios of {', '.join(servers)} are left out"
        findings.append(describe_optional(name, version is not None, str(version), advice))
    return findings


def describe_optional(what: str, good: bool, found: str, advice: str) -> Finding:
    return Finding(what, good, found if good else "none", advice)


def find_problem(*checks: Callable[[], object]) -> str:
    """Return the message of the first check that fails; empty if none does."""
    try:
        for check in checks:
            check()
    except UserError as problem:
        return str(problem)
    return ""


def print_findings(port: int) -> int:
    """Print the findings and the conclusion; return CANNOT if something needed is missing."""
    with show_activity("checking this machine"):
        findings = check_installation(port)
    print(*render_findings(findings), sep="\n")
    return CANNOT if list_missing(findings) else ALL_WELL


def list_missing(findings: Sequence[Finding]) -> list[str]:
    """Return what is needed and missing."""
    return [each.what for each in findings if each.needed and not each.good]


def render_findings(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(each.what) for each in findings) + len("✓  ")
    for each in findings:
        mark = "✓" if each.good else "✗" if each.needed else "!"
        advice = "" if each.good else f": {each.advice}"
        yield from hang_text(f"{mark} {each.what}", width, f"{each.found}{advice}")
    yield ""
    if missing := list_missing(findings):
        yield from wrap_whole(f"This machine cannot run the study; see {', '.join(missing)}.")
    elif all(each.good for each in findings):
        yield "This machine can run the study."
    else:
        yield "This machine can run the study. ! marks what is missing or doubtful."
