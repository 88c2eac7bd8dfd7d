"""The words for each verdict: what it means, and what to do about it."""

from collections.abc import Mapping

from analysis.verdicts.model import Code, Data, Verdict


def read_number(data: Data, key: str) -> float:
    value = data.get(key, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def write_message(verdict: Verdict) -> str:
    """One sentence, with the verdict's numbers in it."""
    data = verdict.data
    n = {key: read_number(data, key) for key in data}
    match verdict.code:
        case "INTERRUPTED":
            return f"cut short: {data['reason']}; the figures are of what came before"
        case "WORKER_DEATHS":
            return f"{n['deaths']:.0f} worker death(s): {data['causes']}"
        case "UNFINISHED":
            oldest = f", the oldest for {n['oldest_s']:.0f} s" if "oldest_s" in n else ""
            if verdict.severity == "info":
                return (
                    f"{n['unfinished']:.0f} requests were still in the queue when the drain "
                    "ended, none for longer than the slowest that was answered"
                )
            return (
                f"{n['unfinished']:.0f} requests were not answered{oldest}, longer than any that "
                f"was; the median is of the {n['completed']:.0f} that were answered"
            )
        case "COUNTS_DISAGREE":
            numbers = ", ".join(f"{key} {value:.0f}" for key, value in n.items())
            return f"generator, app and upstream do not tell the same story: {numbers}"
        case "GENERATOR_SATURATED":
            late = (
                f"; 1 % of the requests left {n['lateness_p99_ms']:.0f} ms late or more"
                if "lateness_p99_ms" in n
                else ""
            )
            return (
                f"of {n['processes']:.0f} load process(es) the busiest used "
                f"{n['cpu_percent']:.0f} % of its core{late}"
            )
        case "OVERLOADED" if data["cause"] == "failures":
            return (
                f"{n['offered_rps']:.1f} requests a second were offered and "
                f"{n['sustained_rps']:.1f} served: {n['failed_rps']:.1f} failed, and how quickly "
                "a request fails is no latency"
            )
        case "OVERLOADED":
            return (
                f"{n['offered_rps']:.1f} requests a second were offered and "
                f"{n['sustained_rps']:.1f} served; what waits grew by {n['growth_per_s']:.1f} a "
                "second: the latencies only say how long the test was"
            )
        case "LITTLE_MISMATCH":
            return describe_little_mismatch(n)
        case "MACHINE_BUSY":
            return (
                f"others kept {n['other_cores']:.2f} cores of this machine busy meanwhile, and "
                f"{n['stolen_cores']:.2f} were taken from it"
            )
        case "CORES_FULL":
            return (
                f"all together used {n['used']:.2f} of {n['cores']:.0f} cores: server, database "
                "and load took each other's turns"
            )
        case "OTHER_ENGINE":
            return f"{data['engine']} made the load: {ENGINE_LACKS[str(data['engine'])]}"
        case "TOO_SHORT":
            return (
                f"the window lasted {n['window_s']:.2f} s: too short to see whether the load "
                "itself was the limit"
            )
        case "PROFILED":
            fault = data.get("fault")
            made = "its flame graph is profile.svg, in the cell's folder"
            return f"no flame graph: {fault}" if fault else f"py-spy looked on: {made}"
        case "LOAD_PROCESS_DIED":
            return f"{n['processes']:.0f} load process(es) died in the window, with their users"
        case "UPSTREAM_LATE":
            return f"the upstream waited {n['late_percent']:.1f} % longer than it was asked to"
        case "NOT_STEADY":
            return describe_unsteadiness(data, n)
        case "DESCRIPTORS":
            return (
                f"file descriptors: {n['faults']:.0f} failure(s), "
                f"{n['peak']:.0f} of {n['limit']:.0f} in use at the peak"
            )
        case "PROBE_STOPPED":
            return f"the probe of a worker fell silent {n['silent_s']:.0f} s before the end"
        case "THREADS_LEFT":
            return f"the held-up server still had {n['threads']:.0f} threads from earlier runs"
        case "JOURNAL_LOST":
            return f"{n['journals']:.0f} worker(s) died before they wrote anything down"


def describe_little_mismatch(n: Mapping[str, float]) -> str:
    law = (
        f"throughput × (response + think) accounts for {n['users_seen']:.0f} of "
        f"{n['users']:.0f} users ({abs(n['gap_percent']):.0f} % off)"
    )
    if n["gap_percent"] > 0 and n["unanswered"]:
        return f"{law}; {n['unanswered']:.0f} got no answer in the whole window"
    return f"{law}: the window is no steady state, or too short against a response"


def describe_unsteadiness(data: Data, n: Mapping[str, float]) -> str:
    longer = f"run about {max(1.0, n['longer_s']):.0f} s longer"
    if data["cause"] == "warm-up":
        return (
            f"{n['unwarmed']:.0f} users were not served once within {n['warm_up_limit_s']:.0f} s "
            f"of warm-up; the window opened on a queue that still grew: {longer}"
        )
    if data["cause"] == "late":
        return f"the responses came to their level only after a fifth of the window: {longer}"
    return f"the {data['cause']} drifted by {n['percent']:+.0f} % over the window: {longer}"


ENGINE_LACKS = {
    "oha": "its requests carry no id, so nothing follows them through the app",
}
ADVICE: dict[Code, str] = {
    "INTERRUPTED": "run it again; do not compare these figures",
    "WORKER_DEATHS": "each death resets all open connections; --worker-timeout 0 ends the killing",
    "UNFINISHED": "read the line `with the unanswered`, which counts them with their age",
    "COUNTS_DISAGREE": "do not use this cell; see the fates in summary.json and the logs in raw/",
    "OVERLOADED": "offer less than is served; `study capacity` finds how much that is",
    "LITTLE_MISMATCH": "read the line of the unanswered, and mistrust the survivors' latencies",
    "MACHINE_BUSY": "end what else runs here, or take the figures as those of a smaller machine",
    "CORES_FULL": "on more cores it would be faster; read ratios, not rates",
    "OTHER_ENGINE": "what it does not tell is left empty; --engine locust tells all",
    "TOO_SHORT": "count more --requests, or give a --duration instead",
    "PROFILED": "the server was stopped for each look: measure again without --profile",
    "GENERATOR_SATURATED": "the rps may be the generator's; --load-processes 2, --engine oha "
    "or fewer users",
    "LOAD_PROCESS_DIED": "the load was not what was asked for; run it again",
    "UPSTREAM_LATE": "the latency is partly the upstream's; try --upstream go or fewer users",
    "NOT_STEADY": "use a longer --duration, or take the figures as what a growing queue looks like",
    "DESCRIPTORS": "raise the limit (ulimit -n) or use fewer users",
    "PROBE_STOPPED": "threads, pool and loop are told for a part only; server.log says why",
    "THREADS_LEFT": "threads live counts them too; `study run` without --served starts fresh",
    "JOURNAL_LOST": "their requests are missing from handlers and threads",
}


def get_advice(verdict: Verdict) -> str:
    return ADVICE[verdict.code]
