"""The rules that people get wrong: what is claimed, what was measured, what to do.

`measured` is a template; every figure in it comes from the records. Each rule has relations that
must hold, in the records and wherever `study guide --check` measures again.
"""

from dataclasses import dataclass

from analysis.guide.claims import MetricReference, Relation


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    claim: str
    measured: str
    do: str
    relations: tuple[Relation, ...]


OTHERS = "bystander.median_ms"
NOISE = "two runs of the same thing differ by some percent here, and up to a fifth where cores are "
NOISE += "shared"
CLEAR = "theory says much more; half of it is still beyond any noise"

RULES: tuple[Rule, ...] = (
    Rule(
        name="small-pool",
        claim="A `def` endpoint is not slow: its pool is small",
        measured=(
            "500 users and an upstream that takes 1 s: with a thread for each user, `def` serves "
            "{{ rps('fair/sync-http-shared') }} rps and `async def` "
            "{{ rps('fair/async-http-shared') }}; no more than 500 are possible. With the 40 "
            "threads that each worker has unless it is told otherwise, `def` serves "
            "{{ rps('many/sync-http-shared.delay-1000ms') }}: 40 threads, 1 s each. With fewer "
            "users than threads they are alike: 20 users get "
            "{{ rps('few/sync-http-shared.delay-1000ms') }} and "
            "{{ rps('few/async-http-shared.delay-1000ms') }} rps at 1 s, "
            "{{ rps('few/sync-http-shared.delay-100ms') }} and "
            "{{ rps('few/async-http-shared.delay-100ms') }} at 100 ms. At 10 ms the way to the "
            "thread begins to show: {{ rps('few/sync-http-shared.delay-10ms') }} and "
            "{{ rps('few/async-http-shared.delay-10ms') }}."
        ),
        do=(
            "Two sums for each worker. What waits at once, requests a second × seconds of waiting "
            "(Little's law), against the pool of 40; and requests a second × seconds of CPU, "
            "against 1. If only the first is too much, raise the pool (rule 8) or write "
            "`async def`; if the second is, neither helps."
        ),
        relations=(
            Relation(
                "With a thread for each user, def is as fast as async def",
                MetricReference("fair/sync-http-shared"),
                MetricReference("fair/async-http-shared"),
                0.75,
                f"both have the ceiling users / delay; {NOISE}, and hundreds of threads cost CPU",
                1.25,
            ),
            Relation(
                "With 40 threads and more users, def is much slower than async def",
                MetricReference("many/async-http-shared.delay-1000ms"),
                MetricReference("many/sync-http-shared.delay-1000ms"),
                2.0,
                "users / 40 by theory, 5 times or more; " + CLEAR,
            ),
            Relation(
                "With fewer users than threads, def is as fast as async def",
                MetricReference("few/sync-http-shared.delay-1000ms"),
                MetricReference("few/async-http-shared.delay-1000ms"),
                0.85,
                f"both have the ceiling users / delay, at 20 rps; {NOISE}",
                1.15,
            ),
        ),
    ),
    Rule(
        name="one-blocks-all",
        claim="One blocking call in an `async def` holds up every other route",
        measured=(
            "500 users on an `async def` around a blocking call of 1 s get "
            "{{ rps('fair/async-http-sync-shared') }} rps. Somebody else asks for `/ping`, which "
            "does nothing: of {{ whole('fair/async-http-sync-shared', 'bystander.pings') }} "
            "requests {{ whole('fair/async-http-sync-shared', 'bystander.unanswered') }} had no "
            "answer when the test ended. Beside the endpoint that awaits, it takes "
            "{{ ms('fair/async-http-shared', 'bystander.median_ms') }} ms."
        ),
        do=(
            "In an `async def`, everything that waits is awaited. What can't be awaited goes into "
            "a `def`, or to a thread (rule 10). `study probe MODULE:ATTR` names the line that "
            "blocks in your own app."
        ),
        relations=(
            Relation(
                "An async def that blocks serves a small part of what one that awaits does",
                MetricReference("fair/async-http-shared"),
                MetricReference("fair/async-http-sync-shared"),
                15.0,
                "1 / delay against users / delay: 100 times in --check, 500 in the recorded run",
            ),
            Relation(
                "Beside an async def that blocks, everybody waits",
                MetricReference("fair/async-http-sync-shared", OTHERS),
                MetricReference("fair/async-http-shared", OTHERS),
                10.0,
                "at least a delay against some milliseconds",
            ),
        ),
    ),
    Rule(
        name="one-in-a-hundred",
        claim="One request in a hundred is enough",
        measured=(
            "200 users on a route that awaits get {{ rps('rare/rare-awaits') }} rps. When every "
            "hundredth request goes to a route that blocks for 200 ms, all of them together get "
            "{{ rps('rare/rare-blocks') }}, and `/ping` takes "
            "{{ ms('rare/rare-blocks', 'bystander.median_ms') }} ms instead of "
            "{{ ms('rare/rare-awaits', 'bystander.median_ms') }}. With the same call in a `def`: "
            "{{ rps('rare/rare-sync') }} rps, "
            "{{ ms('rare/rare-sync', 'bystander.median_ms') }} ms."
        ),
        do=(
            "Look for the rare routes too: the report, the export, the admin page. What matters is "
            "seconds of blocking × how often: at one second of blocking in a second, the loop is "
            "full."
        ),
        relations=(
            Relation(
                "One request in a hundred that blocks takes a third of the throughput or more",
                MetricReference("rare/rare-awaits"),
                MetricReference("rare/rare-blocks"),
                1.5,
                "2 ms of the loop for each request: 500 of 1,000 rps are left by theory",
            ),
            Relation(
                "The same call in a def costs the others nothing",
                MetricReference("rare/rare-sync"),
                MetricReference("rare/rare-awaits"),
                0.85,
                NOISE,
                1.15,
            ),
        ),
    ),
    Rule(
        name="depends",
        claim="A `def` dependency takes a thread, also before an `async def`",
        measured=(
            "While 100 users keep the 40 threads busy for half a second each, an `async def` route "
            "with a trivial `def` dependency takes "
            "{{ ms('full-pool/depends-sync', 'bystander.median_ms') }} ms; with the same "
            "dependency as `async def`: "
            "{{ ms('full-pool/depends-async', 'bystander.median_ms') }} ms."
        ),
        do="Write trivial dependencies (settings, headers, a user from the token) as `async def`.",
        relations=(
            Relation(
                "Beside a full pool, a def dependency makes an async def route wait",
                MetricReference("full-pool/depends-sync", OTHERS),
                MetricReference("full-pool/depends-async", OTHERS),
                10.0,
                "750 ms of queue by theory against some milliseconds",
            ),
        ),
    ),
    Rule(
        name="health",
        claim="A `def /health` waits with everybody else",
        measured=(
            "Beside the same full pool `def /health` takes "
            "{{ ms('full-pool/health-sync', 'bystander.median_ms') }} ms "
            "(by theory, (100 - 40) × 0.5 s / 40 = 750), `async def /health` "
            "{{ ms('full-pool/health-async', 'bystander.median_ms') }}. An orchestrator whose "
            "timeout is shorter than the queue kills the instance, and its traffic then lengthens "
            "the queues of the others."
        ),
        do=(
            "Write `/health` as `async def` that awaits nothing. Let it report the pool "
            "(`current_default_thread_limiter().statistics()`): `tasks_waiting` is the queue."
        ),
        relations=(
            Relation(
                "Beside a full pool, def /health waits and async def /health does not",
                MetricReference("full-pool/health-sync", OTHERS),
                MetricReference("full-pool/health-async", OTHERS),
                10.0,
                "750 ms of queue by theory against some milliseconds",
            ),
        ),
    ),
    Rule(
        name="client-life",
        claim="A client for each request costs more than the choice of style",
        measured=(
            "100 users, an upstream of 100 ms. `async def` with one httpx2 client for all: "
            "{{ rps('clients/call-async-httpx2') }} rps; with a client for each request: "
            "{{ rps('clients/call-async-httpx2-each') }}. `def`, with 100 threads: "
            "{{ rps('clients/call-def-httpx2') }} and "
            "{{ rps('clients/call-def-httpx2-each') }}. It is the TLS context, made anew for each "
            "client, also for plain HTTP: "
            "{{ ms('clients/call-async-httpx2-each', 'cpu_ms_per_request') }} ms of CPU a request "
            "instead of {{ ms('clients/call-async-httpx2', 'cpu_ms_per_request') }}."
        ),
        do=(
            "One client for the app, opened in its lifespan, with limits that fit: httpx, httpx2 "
            "and aiohttp have 100 connections unless told otherwise, and httpx gives up waiting "
            "for one after 5 s. Where that can't be: one "
            "TLS context, given to each client as `verify=` (exercise 5 of the workshop)."
        ),
        relations=(
            Relation(
                "On Linux, a client for each request takes several times the CPU of a shared one",
                MetricReference("clients/call-async-httpx2-each", "cpu_ms_per_request"),
                MetricReference("clients/call-async-httpx2", "cpu_ms_per_request"),
                3.0,
                "15 to 20 ms against less than one; elsewhere certificates are not loaded so early",
            ),
            Relation(
                "With the same client, def and async def are much nearer to each other",
                MetricReference("clients/call-def-httpx2"),
                MetricReference("clients/call-async-httpx2"),
                0.5,
                "threads cost CPU and the cores are shared; the life of the client costs ten times",
                1.25,
            ),
        ),
    ),
    Rule(
        name="which-library",
        claim="The client library decides, once its pool is large",
        measured=(
            "The same 100 users, one client for all, `async def`: aiohttp "
            "{{ rps('clients/call-async-aiohttp') }} rps, httpx2 "
            "{{ rps('clients/call-async-httpx2') }}, httpx {{ rps('clients/call-async-httpx') }}; "
            "with httpx even `def` is faster, {{ rps('clients/call-def-httpx') }}. httpx's pool "
            "goes through its connections, each time a request comes or goes (encode/httpx #3215). "
            "httpx2 bears more, and not all: 500 users and 100 ms take "
            "{{ ms('many/async-http-shared.delay-100ms', 'cpu_ms_per_request') }} ms of CPU a "
            "request and end at {{ rps('many/async-http-shared.delay-100ms') }} rps, where aiohttp "
            "takes {{ ms('many-aiohttp/async-http-shared-aiohttp.delay-100ms', "
            "'cpu_ms_per_request') }} and serves "
            "{{ rps('many-aiohttp/async-http-shared-aiohttp.delay-100ms') }}. With httpx2's "
            "connections bounded at 40, calls of 10 ms get "
            "{{ rps('many-bounded/async-http-shared.delay-10ms') }} rps instead of "
            "{{ rps('many/async-http-shared.delay-10ms') }}."
        ),
        do=(
            "aiohttp for hundreds of short calls at once, httpx2 up to a hundred. Do not let the "
            "pool grow to as many connections as there are users where calls are short: bound it "
            "(`max_connections`) at calls a second × seconds of a call and half as much again; who "
            "finds none free waits, and with httpx fails after its pool timeout. aiohttp has no "
            "blocking form."
        ),
        relations=(
            Relation(
                "With many calls under way, shared httpx takes more CPU than shared httpx2",
                MetricReference("clients/call-async-httpx", "cpu_ms_per_request"),
                MetricReference("clients/call-async-httpx2", "cpu_ms_per_request"),
                1.3,
                "the cost grows with the connections, of which --check has half as many",
            ),
            Relation(
                "With hundreds of short calls, aiohttp takes less CPU than httpx2",
                MetricReference("many/async-http-shared.delay-10ms", "cpu_ms_per_request"),
                MetricReference(
                    "many-aiohttp/async-http-shared-aiohttp.delay-10ms", "cpu_ms_per_request"
                ),
                1.5,
                "the cost grows with the connections to go through, of which --check has fewer",
            ),
            Relation(
                "With its connections bounded, httpx2 takes less CPU for short calls",
                MetricReference("many/async-http-shared.delay-10ms", "cpu_ms_per_request"),
                MetricReference("many-bounded/async-http-shared.delay-10ms", "cpu_ms_per_request"),
                1.2,
                "40 connections to go through instead of hundreds; some of it is the call itself",
            ),
            Relation(
                "aiohttp and httpx2 do not differ where the upstream is what takes long",
                MetricReference("clients/call-async-aiohttp"),
                MetricReference("clients/call-async-httpx2"),
                0.8,
                NOISE,
                1.3,
            ),
        ),
    ),
    Rule(
        name="raise-the-pool",
        claim="A larger pool pays until the interpreter is full",
        measured=(
            "500 users, 200 ms, `def`: 10 threads {{ rps('pool/sync-http-shared.pool-10') }} rps, "
            "40 threads {{ rps('pool/sync-http-shared.pool-40') }}, 100 threads "
            "{{ rps('pool/sync-http-shared.pool-100') }}, 250 threads "
            "{{ rps('pool/sync-http-shared.pool-250') }}, 500 threads "
            "{{ rps('pool/sync-http-shared.pool-500') }}. In the beginning it is threads / delay. "
            "In the end a request's CPU is all there is, and it grows with what is under way, "
            "threads and the client's connections: "
            "{{ ms('pool/sync-http-shared.pool-100', 'cpu_ms_per_request') }} ms with 100, "
            "{{ ms('pool/sync-http-shared.pool-500', 'cpu_ms_per_request') }} with 500. 500 "
            "threads took {{ mib('pool/sync-http-shared.pool-500') }} MiB, 10 "
            "{{ mib('pool/sync-http-shared.pool-10') }}."
        ),
        do=(
            "`current_default_thread_limiter().total_tokens = n` in the lifespan, n = requests a "
            "second × seconds of waiting and some more. Where it stops paying on your machine: "
            "`study sweep SCENARIO --pool 10,40,100,500`. Then more workers, or `async def`."
        ),
        relations=(
            Relation(
                "Below the ceiling, throughput grows with the pool",
                MetricReference("pool/sync-http-shared.pool-40"),
                MetricReference("pool/sync-http-shared.pool-10"),
                2.0,
                "4 times by theory, where a core does 800 such requests a second",
            ),
            Relation(
                "At the ceiling, five times the threads bring less than twice the throughput",
                MetricReference("pool/sync-http-shared.pool-500"),
                MetricReference("pool/sync-http-shared.pool-100"),
                0.0,
                "100 threads are 500 rps in the recorded run and 2,000 in --check: near to what "
                "one interpreter does",
                2.0,
            ),
        ),
    ),
    Rule(
        name="gunicorn-timeout",
        claim="gunicorn's timeout kills what blocks",
        measured=(
            "Its heartbeat runs on the loop. An `async def` that blocks, 500 users, asyncio's "
            "loop, the default of 30 s: "
            "{{ percent('classic/async-http-sync', 'failure_ratio') }} of the answers are "
            "failures, since each kill resets all connections; "
            "{{ whole('classic/async-http-sync', 'worker_restarts') }} workers were killed in all. "
            "Without the kills (gunicorn's `--timeout 0`, rule 2) nobody is served any faster: "
            "{{ rps('fair/async-http-sync-shared') }} rps."
        ),
        do=(
            "Read `WORKER TIMEOUT` in the log as: the loop was silent for so long. A longer "
            "timeout cures nothing; the blocking call must go (rule 10)."
        ),
        relations=(
            Relation(
                "gunicorn kills a worker whose loop is blocked for longer than its timeout",
                MetricReference("classic/async-http-sync", "worker_restarts"),
                1.0,
                2.0,
                "the window spans three kills",
            ),
            Relation(
                "With the kills, most answers are failures",
                MetricReference("classic/async-http-sync", "failure_ratio"),
                1.0,
                0.5,
                "one good answer for each delay, all users fail at each kill: 94 % by theory at "
                "1 s, two thirds at the settings of --check",
            ),
        ),
    ),
    Rule(
        name="offload",
        claim="Handing the call to a thread repairs it",
        measured=(
            "The same blocking call behind `await run_sync(call)`, with 500 threads: "
            "{{ rps('fair/async-http-offload') }} rps instead of "
            "{{ rps('fair/async-http-sync-shared') }}; as a `def`, with as many: "
            "{{ rps('fair/sync-http-shared') }}. `/ping` takes "
            "{{ ms('fair/async-http-offload', 'bystander.median_ms') }} ms."
        ),
        do=(
            "`await anyio.to_thread.run_sync(call)`, or write `def` in the first place: it is the "
            "same pool, and has 40 threads unless you raise it (rule 8). `asyncio.to_thread` is "
            "another pool (rule 12)."
        ),
        relations=(
            Relation(
                "Offloaded, a blocking call is as fast as in a def",
                MetricReference("fair/async-http-offload"),
                MetricReference("fair/sync-http-shared"),
                0.75,
                NOISE,
                1.25,
            ),
            Relation(
                "Offloaded, it serves many times what it does on the loop",
                MetricReference("fair/async-http-offload"),
                MetricReference("fair/async-http-sync-shared"),
                20.0,
                "users / delay against 1 / delay, 100 times or more by theory",
            ),
        ),
    ),
    Rule(
        name="survivors",
        claim="A median is of those who were answered",
        measured=(
            "The blocked loop of rule 2 (uvloop, which takes one waiting connection a round, and "
            "so serves a few users again and again) shows a median of "
            "{{ ms('fair/async-http-sync-shared', 'median_ms') }} ms, with 500 users and one "
            "answer a second. {{ whole('fair/async-http-sync-shared', 'unfinished') }} requests "
            "had no answer when the test ended; counted with their age, the median is at least "
            "{{ ms('fair/async-http-sync-shared', 'median_lower_bound_ms') }} ms."
        ),
        do=(
            "Throughput × (mean response time + pause) is how many users are being served "
            "(Little's law). Where it is fewer than there are, the others starve, "
            "and are in no quantile. Many load programs drop what is unfinished; this one counts "
            "it."
        ),
        relations=(
            Relation(
                "Where users starve, throughput x response time is far fewer users than there are",
                MetricReference("fair/async-http-sync-shared", "users_seen"),
                MetricReference("fair/async-http-sync-shared", "users"),
                0.0,
                "a few of 500 in the recorded run; of 100 in a short test of --check more, since "
                "some wait through all of it and are counted",
                0.9,
            ),
        ),
    ),
    Rule(
        name="second-pool",
        claim="There is a second pool, and it is smaller",
        measured=(
            "`asyncio.to_thread`, aiofiles and asyncio's name lookup use asyncio's default "
            "executor: min(32, cores + 4) threads, {{ cores + 4 if cores < 28 else 32 }} on "
            "{{ cores }} cores. 50 users on "
            "`asyncio.to_thread` for 200 ms: {{ rps('executor/executor-ping') }} rps. Beside them "
            "a small file through aiofiles takes "
            "{{ ms('executor/executor-file', 'bystander.median_ms') }} ms (open, read and close: a "
            "turn each), looking up `localhost` "
            "{{ ms('executor/executor-dns', 'bystander.median_ms') }} ms, `/ping` "
            "{{ ms('executor/executor-ping', 'bystander.median_ms') }} ms. anyio's limiter shows "
            "nothing of it."
        ),
        do=(
            "One pool that you can see: `anyio.to_thread.run_sync`. Or size the other: "
            "`loop.set_default_executor(ThreadPoolExecutor(n))`. uvloop looks names up on libuv's "
            "own threads, of which there are few too."
        ),
        relations=(
            Relation(
                "Beside a full executor, aiofiles waits although the loop is free",
                MetricReference("executor/executor-file", OTHERS),
                MetricReference("executor/executor-ping", OTHERS),
                10.0,
                "three turns of more than a second each, by theory, against some milliseconds; "
                "fewer on a machine with many cores",
            ),
            Relation(
                "Beside a full executor, looking up a name waits",
                MetricReference("executor/executor-dns", OTHERS),
                MetricReference("executor/executor-ping", OTHERS),
                10.0,
                "a turn of more than a second, by theory, against some milliseconds",
            ),
        ),
    ),
    Rule(
        name="background",
        claim="A background task works in the same place as everything else",
        measured=(
            "50 users who pause, and a task of 200 ms after each answer. As `async def` that "
            "awaits: {{ rps('background/background-async') }} rps, and a `def` route beside it "
            "takes {{ ms('background/background-async', 'bystander.median_ms') }} ms. As `def`: "
            "{{ rps('background/background-sync') }} rps, answers in "
            "{{ ms('background/background-sync', 'median_ms') }} ms, and the route beside it takes "
            "{{ ms('background/background-sync', 'bystander.median_ms') }} ms, longer and longer: "
            "more tasks begin than 40 threads can work off, and no answer is late because of it. "
            "As `async def` that blocks: {{ rps('background/background-blocks') }} rps."
        ),
        do=(
            "Tasks that outlive their answer have no back-pressure: count them, bound them, or "
            "give them to a queue outside of the web process."
        ),
        relations=(
            Relation(
                "Beside def background tasks, a def route waits",
                MetricReference("background/background-sync", OTHERS),
                MetricReference("background/background-async", OTHERS),
                10.0,
                "the queue grows by 50 tasks a second: hundreds of milliseconds after some seconds",
            ),
            Relation(
                "A background task that blocks stops the loop like any other",
                MetricReference("background/background-async"),
                MetricReference("background/background-blocks"),
                10.0,
                "5 rps against 250 by theory",
            ),
        ),
    ),
    Rule(
        name="cpu",
        claim="Work for the CPU belongs in neither",
        measured=(
            "Some 9 ms of pure Python, 50 users. On the loop: {{ rps('cpu/cpu-async') }} rps, and "
            "`/ping` takes {{ ms('cpu/cpu-async', 'bystander.median_ms') }} ms. In `def`: "
            "{{ rps('cpu/cpu-sync') }} rps, for there is one interpreter; but it switches between "
            "threads, and `/ping` takes {{ ms('cpu/cpu-sync', 'bystander.median_ms') }} ms. In a "
            "pool of processes: {{ rps('cpu/cpu-process') }} rps on {{ cores }} cores, and "
            "{{ ms('cpu/cpu-process', 'bystander.median_ms') }} ms."
        ),
        do=(
            "A process pool, or workers of their own. Where that is too much, `def`: as slow, but "
            "the others get a turn."
        ),
        relations=(
            Relation(
                "CPU work in def is no faster than on the loop",
                MetricReference("cpu/cpu-sync"),
                MetricReference("cpu/cpu-async"),
                0.6,
                "one interpreter either way; handing over and fighting for the GIL cost something",
                1.5,
            ),
            Relation(
                "A process pool does more CPU work than one interpreter, with two cores or more",
                MetricReference("cpu/cpu-process"),
                MetricReference("cpu/cpu-sync"),
                1.3,
                "twice on two idle cores; the load takes a part of them",
            ),
            Relation(
                "CPU work on the loop makes everybody wait, in def much less",
                MetricReference("cpu/cpu-async", OTHERS),
                MetricReference("cpu/cpu-sync", OTHERS),
                3.0,
                "a round of 50 requests, some times over, against some turns of 5 ms",
            ),
        ),
    ),
    Rule(
        name="small-costs",
        claim="Where nothing waits, small things decide",
        measured=(
            "An answer that needs nothing: `async def` {{ rps('nothing/nothing-async') }} rps, "
            "`def` {{ rps('nothing/nothing-sync') }}. Below five middlewares that do nothing: "
            "{{ rps('layers/layers-pure') }} rps in plain ASGI, {{ rps('layers/layers-base') }} "
            "with `BaseHTTPMiddleware`, {{ rps('layers/layers-none') }} without the five. 100 "
            "pieces from an `async def` generator: {{ rps('stream/stream-async') }} rps, from a "
            "`def` generator {{ rps('stream/stream-sync') }}: each piece is fetched by a thread. "
            "An access log on a terminal that takes 64 KiB a second: "
            "{{ rps('terminal/ping-log-terminal') }} rps instead of "
            "{{ rps('terminal/ping-uvicorn') }}, with the loop standing still."
        ),
        do=(
            "`async def` for what answers at once, plain ASGI for middleware, `async def` "
            "generators where the pieces are there or are awaited (one that blocks or computes "
            "holds the loop), and a log that goes to a file or a pipe that somebody reads."
        ),
        relations=(
            Relation(
                "Where nothing waits, async def is faster than def",
                MetricReference("nothing/nothing-async"),
                MetricReference("nothing/nothing-sync"),
                1.3,
                "a hand-over to a thread and back is about as much work as the request: twice",
            ),
            Relation(
                "Five BaseHTTPMiddleware take half of the throughput or more",
                MetricReference("layers/layers-none"),
                MetricReference("layers/layers-base"),
                2.0,
                "5 × 80 µs on top of some 100 µs: 5 times by theory",
            ),
            Relation(
                "Five plain ASGI middlewares cost next to nothing",
                MetricReference("layers/layers-pure"),
                MetricReference("layers/layers-none"),
                0.8,
                NOISE,
                1.2,
            ),
            Relation(
                "A stream from a def generator is slower than from an async def one",
                MetricReference("stream/stream-async"),
                MetricReference("stream/stream-sync"),
                1.5,
                "a hundred hand-overs of some 40 µs on top of an answer of a millisecond or two",
            ),
            Relation(
                "A terminal that is too slow takes most of the throughput",
                MetricReference("terminal/ping-uvicorn"),
                MetricReference("terminal/ping-log-terminal"),
                3.0,
                "a thousand lines a second against ten thousand requests",
            ),
        ),
    ),
)
