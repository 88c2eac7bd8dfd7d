"""The workshop: six exercises, each a prediction, a run, an explanation, and an edit of the app."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Scenario, Style
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides


@dataclass(frozen=True, slots=True)
class PredictedMetric:
    """What is to be predicted: a figure by its name in summary.json, and in words with its unit."""

    figure: str
    words: str


@dataclass(frozen=True, slots=True)
class CodeEdit:
    """A change to one file of the app. `hunks`: what stands there once, and what replaces it.
    `changed` tells theory of it; `then`: what should happen."""

    file: str
    hunks: tuple[tuple[str, str], ...]
    changed: Callable[[Scenario], Scenario]
    then: str
    instead: str = ""
    """What would do as well, as it stands in the file."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """`asked` comes first among what is `shown`. `look`: where, in report.html. After the edit the
    asked figure is at least `times` as large as before, or, where that is below 1, at most so."""

    number: int
    title: str
    minutes: int
    question: str
    scenario: str
    overrides: Overrides
    asked: PredictedMetric
    shown: tuple[PredictedMetric, ...]
    look: str
    why: str
    edit: CodeEdit
    times: float
    because: str
    """Why `times` is no nearer to what theory says."""


RPS = PredictedMetric("ok_rps", "good answers a second")
MEAN = PredictedMetric("mean_ms", "mean response, ms")
PING = PredictedMetric("bystander.median_ms", "/ping takes, ms")
HEALTH = PredictedMetric("bystander.median_ms", "/sync/health takes, ms")
CPU = PredictedMetric("cpu_ms_per_request", "CPU a request, ms")
THREADS = PredictedMetric("threads_active_mean", "threads at work")
SHORT = Overrides(duration_s=5.0)


def make_style_change(style: Style) -> Callable[[Scenario], Scenario]:
    return lambda scenario: replace(scenario, endpoint=replace(scenario.endpoint, style=style))


def move_bystander_to_loop(scenario: Scenario) -> Scenario:
    return replace(scenario, bystander=replace(scenario.bystander, needs=None))


def move_rare_to_thread(scenario: Scenario) -> Scenario:
    assert scenario.rare is not None
    return replace(scenario, rare=replace(scenario.rare, style="def"))


def keep_scenario(scenario: Scenario) -> Scenario:
    """What theory is told is the CPU of a request, and that is measured anew."""
    return scenario


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        number=1,
        title="Forty at a time",
        minutes=10,
        question="100 users ask a `def` endpoint, again and again. The upstream takes 500 ms, the "
        "pool has 40 threads. How many good answers a second will there be?",
        scenario="sync-http-shared",
        overrides=replace(SHORT, users=100, spawn_rate=100.0, delay_s=0.5, pool=40),
        asked=RPS,
        shown=(RPS, MEAN, THREADS),
        look="*Who was where*: 40 threads, blue without a gap: none is ever free. *Through time*, "
        "the pool: 40 borrowed, 60 waiting.",
        why="40 threads, each busy for 500 ms: 40 / 0.5 = 80 a second, whatever the users do. By "
        "Little's law 100 users at 80 a second wait 100 / 80 = 1.25 s each, of which 0.75 s "
        "are the queue before the pool.",
        edit=CodeEdit(
            file="app/endpoints.py",
            hunks=(
                (
                    "    def sync_http() -> Response:\n"
                    "        return PlainTextResponse(upstream.fetch())\n",
                    "    async def sync_http() -> Response:\n"
                    "        return PlainTextResponse(await upstream.fetch_async())\n",
                ),
            ),
            changed=make_style_change("async def"),
            then="The pool is out of the way: 100 users, 500 ms each, are 200 a second, on one "
            "thread.",
        ),
        times=1.6,
        because="80 and 200 a second by theory: 2.5 times; a busy machine loses some of it",
    ),
    Exercise(
        number=2,
        title="A call that cannot be awaited",
        minutes=10,
        question="20 users ask an `async def` endpoint that calls a blocking client: 200 ms in "
        "which the loop does nothing else. How many good answers a second will there be?",
        scenario="async-http-sync-shared",
        overrides=replace(SHORT, users=20, spawn_rate=20.0, delay_s=0.2, loop="asyncio"),
        asked=RPS,
        shown=(RPS, MEAN, PING),
        look="*Through time*, the last beat: the loop is silent for seconds. Under the table: "
        "which line of the app held it.",
        why="The loop serves one after the other: 1 / 0.2 = 5 a second, for any number of users, "
        "and 20 / 5 = 4 s each. Whoever asks for `/ping`, which needs nothing, stands in the "
        "same line, and a newcomer twice: to be accepted, and to be read. An `await` before the "
        "call would not help: `fetch` is no coroutine. Hand it to a thread, as below, or use a "
        "client that can be awaited (`await upstream.fetch_async()`).",
        edit=CodeEdit(
            file="app/endpoints.py",
            hunks=(
                (
                    "    async def async_http_sync() -> Response:\n"
                    "        return PlainTextResponse(upstream.fetch())\n",
                    "    async def async_http_sync() -> Response:\n"
                    "        return PlainTextResponse(await run_sync(upstream.fetch))\n",
                ),
            ),
            changed=make_style_change("async def that offloads"),
            then="All 20 wait at the same time, each on a thread of the pool: 20 / 0.2 = 100 a "
            "second, and `/ping` answers at once.",
            instead="async def async_http_sync() -> Response: "
            "return PlainTextResponse(await upstream.fetch_async())",
        ),
        times=5.0,
        because="5 and 100 a second by theory: 20 times",
    ),
    Exercise(
        number=3,
        title="Is the service alive?",
        minutes=10,
        question="100 users keep the 40 threads of the pool busy for half a second each. An "
        "orchestrator asks for `/sync/health`, a `def` that does nothing. How long does it take, "
        "in milliseconds?",
        scenario="health-sync",
        overrides=replace(SHORT, spawn_rate=100.0),
        asked=HEALTH,
        shown=(HEALTH, RPS, MEAN),
        look="*Through time*, the pool: 40 borrowed and 60 waiting, all the time. The health check "
        "is the 61st.",
        why="A `def` takes a thread, however little it does. 60 are in the line before it, and 80 "
        "leave it in a second: 60 / 80 = 0.75 s. A `def` dependency of an `async def` endpoint "
        "stands in the same line.",
        edit=CodeEdit(
            file="app/hidden_waits.py",
            hunks=(
                (
                    "    def sync_health() -> Response:\n",
                    "    async def sync_health() -> Response:\n",
                ),
            ),
            changed=move_bystander_to_loop,
            then="It runs on the loop, which has nothing to do: some milliseconds. The 100 users "
            "wait as before.",
        ),
        times=0.2,
        because="750 ms and some milliseconds by theory",
    ),
    Exercise(
        number=4,
        title="One in a hundred",
        minutes=10,
        question="200 users ask an `async def` that awaits for 200 ms: 1,000 a second. Now one "
        "request in a hundred goes to a route that blocks for those 200 ms. How many good answers "
        "a second are left?",
        scenario="rare-blocks",
        overrides=replace(SHORT, spawn_rate=200.0),
        asked=RPS,
        shown=(RPS, MEAN, PING),
        look="*Through time*, the last beat: the loop is silent for 200 ms again and again. Under "
        "the table: which line of the app held it.",
        why="A hundred requests need the loop for 200 ms: 2 ms each. One loop then serves "
        "1 / 0.002 = 500 a second at the most, and everybody's requests wait for the few that "
        "block: `/ping` meets one block of 200 ms, or two.",
        edit=CodeEdit(
            file="app/endpoints.py",
            hunks=(
                (
                    "    async def async_sleep_sync() -> Response:\n",
                    "    def async_sleep_sync() -> Response:\n",
                ),
            ),
            changed=move_rare_to_thread,
            then="Ten such requests a second, 200 ms each, keep two threads busy. The loop is "
            "free: nearly 1,000 a second.",
        ),
        times=1.4,
        because="500 and 1,000 a second by theory; a busy machine loses some of it",
    ),
    Exercise(
        number=5,
        title="The price of a client",
        minutes=10,
        question="50 users, an upstream of 100 ms, an `async def` that awaits as it should: 500 a "
        "second are possible. But each request makes an HTTP client of its own, which takes some "
        "20 ms of CPU. How many good answers a second will there be?",
        scenario="call-async-httpx2-each",
        overrides=replace(SHORT, users=50, spawn_rate=50.0),
        asked=RPS,
        shown=(RPS, MEAN, CPU),
        look="Under the table: what held the loop. *Prediction and measurement*: the knee is at a "
        "few users; all beyond it only wait longer.",
        why="Each client builds a TLS context, also for plain HTTP: 15 to 25 ms of CPU, on the "
        "loop. 1 / 0.02 is 50 a second: divide 1 by the CPU a request of your own run. No `await` "
        "helps against work.",
        edit=CodeEdit(
            file="app/clients.py",
            hunks=(
                (
                    "Awaiting = httpx.AsyncClient | httpx2.AsyncClient | aiohttp.ClientSession\n",
                    "Awaiting = httpx.AsyncClient | httpx2.AsyncClient | aiohttp.ClientSession\n"
                    "CONTEXT = httpx2.create_ssl_context()\n",
                ),
                (
                    "httpx2.AsyncClient(timeout=timeout_s, limits=limits)",
                    "httpx2.AsyncClient(timeout=timeout_s, limits=limits, verify=CONTEXT)",
                ),
            ),
            changed=keep_scenario,
            then="Still a client for each request, but one TLS context for all: several times the "
            "throughput. One client for all would keep its connections too.",
        ),
        times=2.0,
        because="18 ms of CPU and two or three: six times and more by theory",
    ),
    Exercise(
        number=6,
        title="Work for the CPU",
        minutes=10,
        question="50 users ask an `async def` that computes for some 9 ms, and awaits nothing. How "
        "long does somebody else wait for `/ping`, in milliseconds?",
        scenario="cpu-async",
        overrides=SHORT,
        asked=PING,
        shown=(PING, RPS, MEAN),
        look="*Who was where*: never more than one red bar at a time.",
        why="The loop computes for one request after the other. `/ping` waits for whole rounds of "
        "50 x 9 ms = 0.45 s, several of them: to be accepted, and to be read.",
        edit=CodeEdit(
            file="app/systems/contrast.py",
            hunks=(
                (
                    "    async def async_cpu(n: Steps) -> CpuResponse:\n",
                    "    def async_cpu(n: Steps) -> CpuResponse:\n",
                ),
            ),
            changed=make_style_change("def"),
            then="No faster, since there is one interpreter. But up to 40 threads now take turns "
            "of 5 ms, so that the loop's own turn comes after 0.2 s at the most: `/ping` takes "
            "0.1 to 0.3 s instead of seconds.",
        ),
        times=0.4,
        because="seconds and some tens of milliseconds; a busy machine changes threads more slowly",
    ),
)


def find_exercise(number: int) -> Exercise:
    """Raises UserError."""
    for each in EXERCISES:
        if each.number == number:
            return each
    raise UserError(f"exercise {number}: there are {len(EXERCISES)}; `study workshop` lists them")


def build_exercise_scenario(which: Exercise, edited: bool) -> Scenario:
    """What it runs; after the edit under a name of its own."""
    (scenario,) = apply_overrides(select_scenarios((which.scenario,)), which.overrides)
    if not edited:
        return scenario
    changed = which.edit.changed(scenario)
    return replace(changed, name=f"{changed.name}.edited", subject="", contender="")
