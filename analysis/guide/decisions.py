"""The decision table: by kind of work, delay and how many wait at once, what to write and why."""

from dataclasses import dataclass

from analysis.guide.claims import MetricReference, Relation


@dataclass(frozen=True, slots=True)
class Decision:
    """A row; its texts are templates, with figures from the records. `users` ask again as soon as
    they are answered."""

    work: str
    delay: str
    users: str
    write: str
    why: str
    costs: str
    limits: str
    look_next: str


DECISIONS: tuple[Decision, ...] = (
    Decision(
        "network, with an async client",
        "100 ms and more",
        "20",
        "either",
        "alike: `def` {{ rps('few/sync-http-shared.delay-100ms') }}, `async def` "
        "{{ rps('few/async-http-shared.delay-100ms') }} rps at 100 ms",
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
        "users / delay, or the client's connections / delay: 100 unless told",
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
        "CPU a request, most of it the client's: "
        "{{ ms('many-aiohttp/async-http-shared-aiohttp.delay-100ms', 'cpu_ms_per_request') }} and "
        "{{ ms('many/async-http-shared.delay-100ms', 'cpu_ms_per_request') }} ms",
        "the client library (rule 7), then `--workers`",
    ),
    Decision(
        "network, with an async client",
        "10 ms",
        "500",
        "`async def` with aiohttp; else `def`, or bound the client's connections",
        "aiohttp {{ rps('many-aiohttp/async-http-shared-aiohttp.delay-10ms') }}; `def` with 40 "
        "threads {{ rps('many/sync-http-shared.delay-10ms') }}; httpx2 "
        "{{ rps('many/async-http-shared.delay-10ms') }}, with 40 connections "
        "{{ rps('many-bounded/async-http-shared.delay-10ms') }} rps",
        "the same",
        "CPU a request: "
        "{{ ms('many-aiohttp/async-http-shared-aiohttp.delay-10ms', 'cpu_ms_per_request') }}, "
        "{{ ms('many/sync-http-shared.delay-10ms', 'cpu_ms_per_request') }}, "
        "{{ ms('many/async-http-shared.delay-10ms', 'cpu_ms_per_request') }}, "
        "{{ ms('many-bounded/async-http-shared.delay-10ms', 'cpu_ms_per_request') }} ms",
        "`max_connections`; `--workers`",
    ),
    Decision(
        "network, only a blocking client",
        "any",
        "20",
        "`def`",
        "{{ rps('few/sync-http-shared.delay-1000ms') }} of 20 possible rps at 1 s, "
        "{{ rps('few/sync-http-shared.delay-10ms') }} at 10 ms",
        "a thread for each",
        "users / delay, then CPU",
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
        "`total_tokens` (rule 8), then `--workers`",
    ),
    Decision(
        "network, only a blocking client",
        "10 ms",
        "500",
        "`def`",
        "{{ rps('many/sync-http-shared.delay-10ms') }} rps with 40 threads",
        "a thread for each",
        "CPU a request: {{ ms('many/sync-http-shared.delay-10ms', 'cpu_ms_per_request') }} ms",
        "`--workers`; no larger pool",
    ),
    Decision(
        "disk, some KiB in the cache",
        "< 0.1 ms",
        "500",
        "plain `open()`, in either",
        "in `async def` {{ rps('disk/async-json-sync') }}, in `def` "
        "{{ rps('disk/sync-json') }}, aiofiles {{ rps('disk/async-json') }} rps",
        "`/ping`, with all CPU taken: beside `async def` "
        "{{ ms('disk/async-json-sync', 'bystander.median_ms') }}, `def` "
        "{{ ms('disk/sync-json', 'bystander.median_ms') }}, aiofiles "
        "{{ ms('disk/async-json', 'bystander.median_ms') }} ms",
        "CPU",
        "a slow disk would hold the loop: then `def`",
    ),
    Decision(
        "disk, 64 MiB in the cache",
        "20 ms of CPU",
        "20",
        "`def`, `run_sync` or aiofiles",
        "`/ping` beside `def` {{ ms('disk/sync-file', 'bystander.median_ms') }}, `run_sync` "
        "{{ ms('disk/async-file-offload', 'bystander.median_ms') }}, aiofiles "
        "{{ ms('disk/async-file', 'bystander.median_ms') }}, a read on the loop "
        "{{ ms('disk/async-file-sync', 'bystander.median_ms') }} ms",
        "a thread for each read, and the memory",
        "copying: cores",
        "aiofiles has {{ cores + 4 if cores < 28 else 32 }} threads here (rule 12)",
    ),
    Decision(
        "database",
        "1 ms",
        "10",
        "`async def` with an async driver; `def` with a blocking one",
        "psycopg: `def` {{ rps('database/users-sync-psycopg') }}, awaited "
        "{{ rps('database/users-async-psycopg') }} rps",
        "a pool of connections",
        "CPU a request: {{ ms('database/users-sync-psycopg', 'cpu_ms_per_request') }}, "
        "{{ ms('database/users-async-psycopg', 'cpu_ms_per_request') }} ms (slow queries: "
        "connections / query time)",
        "200 users, a pool of 5: {{ rps('database/tasks-pool') }} rps; a connection a request: "
        "{{ rps('database/tasks-per-request') }}, and "
        "{{ percent('database/tasks-per-request', 'failure_ratio') }} refused",
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
        "`--workers`; `/ping` beside processes "
        "{{ ms('cpu/cpu-process', 'bystander.median_ms') }}, `def` "
        "{{ ms('cpu/cpu-sync', 'bystander.median_ms') }}, the loop "
        "{{ ms('cpu/cpu-async', 'bystander.median_ms') }} ms",
    ),
    Decision(
        "nothing",
        "0",
        "20",
        "`async def`",
        "`async def` {{ rps('nothing/nothing-async') }}, `def` "
        "{{ rps('nothing/nothing-sync') }} rps",
        "nothing",
        "CPU of one loop",
        "middleware, the access log (rule 15)",
    ),
)

OTHERS = "bystander.median_ms"
RELATIONS: tuple[Relation, ...] = (
    Relation(
        "A pool of connections serves several times what a connection a request does",
        MetricReference("database/tasks-pool"),
        MetricReference("database/tasks-per-request"),
        2.0,
        "connecting is a process of PostgreSQL, of which there are 100 at the most",
    ),
    Relation(
        "The awaited driver serves more than the same driver in def",
        MetricReference("database/users-async-psycopg"),
        MetricReference("database/users-sync-psycopg"),
        1.1,
        "the way to the thread and back is about as much as the query",
    ),
    Relation(
        "A small file read on the loop is served faster than through the pool",
        MetricReference("disk/async-json-sync"),
        MetricReference("disk/sync-json"),
        1.2,
        "the hand-over costs more than reading from the cache",
    ),
    Relation(
        "Beside a large file read on the loop, others wait; beside one in a thread they do not",
        MetricReference("disk/async-file-sync", OTHERS),
        MetricReference("disk/sync-file", OTHERS),
        3.0,
        "some reads of 20 ms one after the other, against a free loop on busy cores",
    ),
)
"""Of the table's rows, beside those of the rules."""
