"""Verdicts on the instruments: load, upstream, machine, probe. Each limit has its reason."""

from analysis.verdicts.model import Evidence, Severity, Verdict

GENERATOR_CPU_LIMIT_PERCENT = 90.0
"""Of one core: a load process is single-threaded. Locust itself warns at the same figure."""
LATENESS_LIMIT_MS = 20.0
LATENESS_LIMIT_SHARE = 0.05
"""Sends this late at p99 change the load; below 20 ms it is the scheduler of a busy machine."""
UPSTREAM_LATE_LIMIT = 0.05
"""Mean lateness over the mean wait asked for: the mean is what Little's law sees."""
FULL_SHARE = 0.95
"""Of all cores: what is left is the kernel's, which belongs to no process."""
OTHER_LOAD_LIMIT_CORES = 0.15
STOLEN_LIMIT_CORES = 0.05
"""Cells of an idle machine here showed others using up to 0.03 cores and nothing stolen."""
SPOILT_CORES = 0.5
"""Beyond, the figures are of a machine that nobody knows."""
DESCRIPTORS_LIMIT = 0.95
PROBE_GONE_S = 1.0
"""The probe samples every 10 ms and flushes every 250 ms."""


def check_descriptors(evidence: Evidence) -> Verdict | None:
    limit, peak = evidence.record.descriptors_limit, evidence.instruments.descriptors_peak
    faults = evidence.instruments.descriptor_errors + len(evidence.record.log_faults)
    near = peak is not None and peak >= DESCRIPTORS_LIMIT * limit
    if not faults and not near:
        return None
    data = {"limit": limit, "peak": peak or 0, "faults": faults}
    return Verdict("DESCRIPTORS", "error" if faults else "warning", data)


def check_journals(evidence: Evidence) -> Verdict | None:
    lost = evidence.record.journals_lost
    return Verdict("JOURNAL_LOST", "warning", {"journals": len(lost)}) if lost else None


def check_load_processes(evidence: Evidence) -> Verdict | None:
    """Its users are missing from the load, and its last quarter second from the records."""
    died = evidence.instruments.load_processes_died
    return Verdict("LOAD_PROCESS_DIED", "error", {"processes": died}) if died else None


def check_probe(evidence: Evidence) -> Verdict | None:
    """It switches itself off at a fault; what it says of threads and loop then ends early."""
    silent_s = evidence.instruments.probe_silent_s
    if silent_s is None or silent_s <= PROBE_GONE_S:
        return None
    return Verdict("PROBE_STOPPED", "error", {"silent_s": silent_s})


def check_leftover_threads(evidence: Evidence) -> Verdict | None:
    left = evidence.record.threads_left
    return Verdict("THREADS_LEFT", "warning", {"threads": left}) if left else None


def check_generator(evidence: Evidence) -> Verdict | None:
    """Its CPU, or how late its requests left, measured against how long they took."""
    own = evidence.instruments
    busiest = max(own.generator_cpu_percent, default=0.0)
    late_ms = own.lateness_p99_ms or 0.0
    bearable_ms = max(LATENESS_LIMIT_MS, LATENESS_LIMIT_SHARE * (own.typical_ms or 0.0))
    if busiest <= GENERATOR_CPU_LIMIT_PERCENT and late_ms <= bearable_ms:
        return None
    processes = len(own.generator_cpu_percent)
    data = {"cpu_percent": busiest, "processes": processes}
    if own.lateness_p99_ms is not None:
        data["lateness_p99_ms"] = late_ms
    return Verdict("GENERATOR_SATURATED", "error", data)


def check_upstream(evidence: Evidence) -> Verdict | None:
    share = evidence.instruments.upstream_late_share
    if share is None or share <= UPSTREAM_LATE_LIMIT:
        return None
    return Verdict("UPSTREAM_LATE", "error", {"late_percent": 100 * share})


def check_machine_load(evidence: Evidence) -> Verdict | None:
    """Somebody else's work, or time that the hypervisor gave to other machines."""
    other = evidence.instruments.other_load_cores or 0.0
    stolen = evidence.instruments.stolen_cores or 0.0
    if other <= OTHER_LOAD_LIMIT_CORES and stolen <= STOLEN_LIMIT_CORES:
        return None
    severity: Severity = "error" if other + stolen > SPOILT_CORES else "warning"
    return Verdict("MACHINE_BUSY", severity, {"other_cores": other, "stolen_cores": stolen})


def check_cores(evidence: Evidence) -> Verdict | None:
    """Server, database and load then take each other's turns: no part is the limit by itself, and
    on more cores each would be faster."""
    used, cores = evidence.instruments.cores_used, evidence.record.cores
    if used is None or cores is None or used <= FULL_SHARE * cores:
        return None
    return Verdict("CORES_FULL", "warning", {"used": used, "cores": cores})


def check_engine(evidence: Evidence) -> Verdict | None:
    engine = evidence.record.scenario.load.engine
    return None if engine == "locust" else Verdict("OTHER_ENGINE", "info", {"engine": engine})


def check_profile(evidence: Evidence) -> Verdict | None:
    found = evidence.record.profile
    if found is None:
        return None
    if found.fault is None:
        return Verdict("PROFILED", "info")
    return Verdict("PROFILED", "warning", {"fault": found.fault})


def check_window_length(evidence: Evidence) -> Verdict | None:
    """CPU is known by the second: without a whole one in the window nobody knows what the limit
    was."""
    window_s = evidence.steadiness.window_s
    if evidence.instruments.generator_cpu_percent or not window_s or evidence.record.interrupted:
        return None
    return Verdict("TOO_SHORT", "error", {"window_s": window_s})
