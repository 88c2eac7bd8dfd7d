"""The decision table: by kind of work, delay and how many wait at once, what to write and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """A row. `why`, `costs` and `limits` are templates, with figures from the records."""

    work: str
    delay: str
    at_once: str
    write: str
    why: str
    costs: str
    limits: str
    look_next: str


DECISIONS: tuple[Decision, ...] = (
    Decision(
        "network, with an async client",
        "any",
        "up to 40",
        "either",
        "alike: `def` {{ rps('few/sync-http-shared.delay-100ms') }}, `async def` "
        "{{ rps('few/async-http-shared.delay-100ms') }} rps (20 users, 100 ms)",
        "`def`: a thread for each",
        "users / delay",
        "one client for all",
    ),
    Decision(
        "network, with an async client",
        "1 s",
        "500",
        "`async def`",
        "`def` {{ rps('many/sync-http-shared.delay-1000ms') }}, `async def` "
        "{{ rps('many/async-http-shared.delay-1000ms') }} rps",
        "all code on the way must await",
        "users / delay",
        "the client's connections and timeouts",
    ),
    Decision(
        "network, with an async client",
        "100 ms",
        "500",
        "`async def` with aiohttp",
        "`async def` with aiohttp "
        "{{ rps('many-aiohttp/async-http-shared-aiohttp.delay-100ms') }}, with httpx2 "
        "{{ rps('many/async-http-shared.delay-100ms') }}; `def` with 40 threads "
        "{{ rps('many/sync-http-shared.delay-100ms') }} rps",
        "all code on the way must await",
        "the client's CPU: "
        "{{ ms('many-aiohttp/async-http-shared-aiohttp.delay-100ms', 'cpu_ms_per_request') }} and "
        "{{ ms('many/async-http-shared.delay-100ms', 'cpu_ms_per_request') }} ms a request; "
        "threads / delay",
        "the client library, then `--workers`",
    ),
    Decision(
        "network, with an async client",
        "10 ms",
        "500",
        "`async def` with aiohttp, else `def`",
        "`async def` with aiohttp {{ rps('many-aiohttp/async-http-shared-aiohttp.delay-10ms') }}, "
        "with httpx2 {{ rps('many/async-http-shared.delay-10ms') }}; `def` with 40 threads "
        "{{ rps('many/sync-http-shared.delay-10ms') }} rps",
        "500 calls under way at once make each dearer",
        "CPU: "
        "{{ ms('many-aiohttp/async-http-shared-aiohttp.delay-10ms', 'cpu_ms_per_request') }}, "
        "{{ ms('many/async-http-shared.delay-10ms', 'cpu_ms_per_request') }}, "
        "{{ ms('many/sync-http-shared.delay-10ms', 'cpu_ms_per_request') }} ms a request",
        "how many calls are under way; `--workers`",
    ),
    Decision(
        "network, only a blocking client",
        "any",
        "up to 40",
        "`def`",
        "{{ rps('few/sync-http-shared.delay-1000ms') }} of 20 possible rps (20 users, 1 s)",
        "a thread for each",
        "users / delay",
        "nothing yet",
    ),
    Decision(
        "network, only a blocking client",
        "1 s",
        "500",
        "`def` with a larger pool, or `run_sync`",
        "40 threads {{ rps('many/sync-http-shared.delay-1000ms') }}, 500 threads "
        "{{ rps('fair/sync-http-shared') }} rps; on the loop "
        "{{ rps('fair/async-http-sync-shared') }}",
        "{{ mib('fair/sync-http-shared') }} MiB with 500 threads, "
        "{{ mib('fair/async-http-shared') }} with one",
        "threads / delay",
        "`total_tokens`, then `--workers`",
    ),
    Decision(
        "network, only a blocking client",
        "10 ms",
        "500",
        "`def`",
        "{{ rps('many/sync-http-shared.delay-10ms') }} rps with 40 threads",
        "a thread for each",
        "CPU of one interpreter: "
        "{{ ms('many/sync-http-shared.delay-10ms', 'cpu_ms_per_request') }} ms a request",
        "`--workers`; no larger pool",
    ),
    Decision(
        "disk, some KiB in the cache",
        "< 0.1 ms",
        "any",
        "plain `open()`, in either",
        "in `async def` {{ rps('disk/async-json-sync') }}, in `def` "
        "{{ rps('disk/sync-json') }}, aiofiles {{ rps('disk/async-json') }} rps",
        "a slow disk would hold the loop",
        "CPU",
        "is the disk always fast? else `def`",
    ),
    Decision(
        "disk, many MiB",
        "some ms",
        "20",
        "`def`, `run_sync` or aiofiles",
        "somebody else waits {{ ms('disk/sync-file', 'bystander.median_ms') }} ms beside `def`, "
        "{{ ms('disk/async-file-sync', 'bystander.median_ms') }} beside `open()` on the loop",
        "a thread for each read",
        "memory bandwidth, the disk",
        "aiofiles: 6 threads on two cores",
    ),
    Decision(
        "database",
        "some ms",
        "any",
        "`async def` with an async driver; `def` with a blocking one",
        "psycopg: `def` {{ rps('database/users-sync-psycopg') }}, awaited "
        "{{ rps('database/users-async-psycopg') }} rps (10 users, 5 connections)",
        "a pool of connections",
        "connections / query time",
        "a pool: {{ rps('database/tasks-pool') }} rps; a connection a request: "
        "{{ rps('database/tasks-per-request') }}",
    ),
    Decision(
        "CPU",
        "9 ms",
        "50",
        "process pool; else `def`",
        "processes {{ rps('cpu/cpu-process') }}, `def` {{ rps('cpu/cpu-sync') }}, on the loop "
        "{{ rps('cpu/cpu-async') }} rps",
        "a hand-over; memory of each process",
        "cores",
        "`--workers`; others wait {{ ms('cpu/cpu-process', 'bystander.median_ms') }}, "
        "{{ ms('cpu/cpu-sync', 'bystander.median_ms') }}, "
        "{{ ms('cpu/cpu-async', 'bystander.median_ms') }} ms",
    ),
    Decision(
        "nothing",
        "0",
        "any",
        "`async def`",
        "`async def` {{ rps('nothing/nothing-async') }}, `def` "
        "{{ rps('nothing/nothing-sync') }} rps",
        "nothing",
        "CPU of one loop",
        "middleware, the access log",
    ),
)
