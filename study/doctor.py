"""`study doctor`: can this machine run the study?"""

import resource
import shutil
import sys
from dataclasses import dataclass

import psutil

from scenarios.model import Load
from scenarios.problems import Problem
from stress.databases import can_be_nobody, embedded_programs
from stress.machine import free_port
from study.environment import available, environment


@dataclass(frozen=True, slots=True)
class Finding:
    """needed: without it nothing can run; otherwise the advice tells what is lost."""

    what: str
    good: bool
    found: str
    advice: str = ""
    needed: bool = False


def examine(port: int) -> list[Finding]:
    users = Load().users
    about = environment()
    offered = available()
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
                "made for Linux; elsewhere memory and orphan control are coarser"),
        Finding("cores", cores >= 2, f"{cores}",
                "the generator and the server share one core: expect GENERATOR_SATURATED"),
        Finding("idle", busy < 20, f"{100 - busy:.0f} % of the machine is idle",
                "something else is running; the figures will tell of it too"),
        Finding("memory", free_mib > 1024, f"{free_mib} MiB free",
                "1 GiB is needed for 500 users and 500 threads"),
        Finding("descriptors", enough, f"hard limit {hard}",
                f"enough for --users {most}; raise it for {users} (ulimit -Hn)"),
        port_finding(port),
        Finding("go", offered.go, f"{about['go'] or 'none'}",
                "the Python upstream is used instead; the scenarios of gin are left out"),
        Finding("cargo", shutil.which("cargo") is not None, found_or_none("cargo"),
                "the scenarios of axum are left out"),
        postgresql_finding(),
        *(Finding(engine, shutil.which(engine) is not None, found_or_none(engine),
                  f"--engine {engine} can't be used") for engine in ("oha", "wrk")),
        Finding("uvloop", offered.uvloop, "installed" if offered.uvloop else "none",
                "auto means asyncio"),
        Finding("httptools", offered.httptools, "installed" if offered.httptools else "none",
                "auto means h11"),
    ]  # fmt: skip


def found_or_none(program: str) -> str:
    return "on the PATH" if shutil.which(program) else "none"


def postgresql_finding() -> Finding:
    try:
        embedded_programs()
        can_be_nobody()
    except Problem as problem:
        return Finding("postgresql", good=False, found="none", advice=str(problem))
    return Finding("postgresql", good=True, found="embedded")


def port_finding(port: int) -> Finding:
    try:
        free_port(port)
    except Problem as problem:
        return Finding("port", good=False, found=f"{port}", advice=str(problem), needed=True)
    return Finding("port", good=True, found=f"{port} is free")


def doctor(port: int) -> int:
    """Prints a line for each finding; 3 if something needed is missing."""
    findings = examine(port)
    for finding in findings:
        mark = "✓" if finding.good else "✗" if finding.needed else "!"
        advice = "" if finding.good else f" – {finding.advice}"
        print(f"{mark} {finding.what:<12} {finding.found}{advice}")
    return 3 if any(each.needed and not each.good for each in findings) else 0
