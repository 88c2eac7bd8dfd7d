"""Blocking calls and their awaitable versions, as data.

From the documentation of asyncio, of anyio 4 and of httpx 0.28. Arguments that are not listed mean
something else there, or do not exist.
"""

from collections.abc import Mapping
from typing import NamedTuple

ASKS = frozenset({"params", "headers", "cookies", "timeout", "auth"})
SENDS = ASKS | {"data", "json", "files"}
OF_REQUESTS = SENDS - {"params", "data"}
"""httpx sends a parameter without a value, drops the query of the URL, and takes no open file."""
RUNS = frozenset({"check", "input", "cwd", "env", "stdin", "stdout", "stderr"})


class Twin(NamedTuple):
    """awaited: its full name; without a dot, an object that the app must have. keywords: with the
    same meaning; any other rules the twin out. defaults: what to pass if the keyword is missing,
    because the twin's default differs. suffix: after the awaited call. like: attributes of a
    response that the twin's has, too; empty if it is the same object. note: what the app needs."""

    awaited: str
    keywords: frozenset[str] = frozenset()
    defaults: tuple[tuple[str, str], ...] = ()
    suffix: str = ""
    like: frozenset[str] = frozenset()
    note: str = ""


CLIENT = "client"
REQUESTS_NOTE = (
    "`client` is one httpx.AsyncClient(follow_redirects=True), created at startup and shared; it "
    "keeps the cookies of all responses."
)
HTTPX_NOTE = (
    "`client` is one httpx.AsyncClient, created at startup and shared; it keeps the cookies of all "
    "responses."
)
LIKE_REQUESTS = frozenset(
    {"status_code", "text", "content", "json", "headers", "raise_for_status", "elapsed", "encoding"}
)
LIKE_HTTPX = LIKE_REQUESTS | {
    "url", "cookies", "history", "http_version", "reason_phrase", "is_success", "is_error",
    "is_redirect", "is_client_error", "is_server_error", "has_redirect_location", "next_request",
}  # fmt: skip
"""Without close(), which fails for a response of an asynchronous client."""
WAITS = (("timeout", "None"),)
"""requests waits without a limit, and httpx for 5 s."""
QUIET = (("check", "False"), ("stdout", "None"), ("stderr", "None"))

TWINS: Mapping[str, Twin] = {
    "time.sleep": Twin("asyncio.sleep"),
    "subprocess.run": Twin("anyio.run_process", RUNS, QUIET),
    "subprocess.check_output": Twin(
        "anyio.run_process", RUNS - {"check", "stdout"}, (("stderr", "None"),), ".stdout"
    ),
    **{
        f"requests.{verb}": Twin(
            f"{CLIENT}.{verb}", ASKS & OF_REQUESTS, WAITS, "", LIKE_REQUESTS, REQUESTS_NOTE
        )
        for verb in ("get", "options", "delete")
    },
    "requests.head": Twin(
        f"{CLIENT}.head",
        ASKS & OF_REQUESTS,
        (*WAITS, ("follow_redirects", "False")),
        "",
        LIKE_REQUESTS,
        REQUESTS_NOTE,
    ),
    **{
        f"requests.{verb}": Twin(
            f"{CLIENT}.{verb}", OF_REQUESTS, WAITS, "", LIKE_REQUESTS, REQUESTS_NOTE
        )
        for verb in ("post", "put", "patch")
    },
    **{
        f"httpx.{verb}": Twin(f"{CLIENT}.{verb}", ASKS, like=LIKE_HTTPX, note=HTTPX_NOTE)
        for verb in ("get", "head", "options", "delete")
    },
    **{
        f"httpx.{verb}": Twin(
            f"{CLIENT}.{verb}", SENDS | {"content"}, like=LIKE_HTTPX, note=HTTPX_NOTE
        )
        for verb in ("post", "put", "patch")
    },
}
"""By the full name of the call."""

ASYNC_LIBRARIES: Mapping[str, str] = {
    "requests": "httpx.AsyncClient",
    "urllib3": "httpx.AsyncClient",
    "urllib": "httpx.AsyncClient",
    "http": "httpx.AsyncClient",
    "httpx": "httpx.AsyncClient",
    "sqlite3": "aiosqlite",
    "psycopg": "psycopg.AsyncConnection",
    "psycopg2": "psycopg.AsyncConnection",
    "pymysql": "aiomysql",
    "sqlalchemy": "sqlalchemy.ext.asyncio",
    "pymongo": "pymongo.AsyncMongoClient",
    "redis": "redis.asyncio",
    "botocore": "aiobotocore",
    "boto3": "aiobotocore",
    "smtplib": "aiosmtplib",
    "paramiko": "asyncssh",
    "elasticsearch": "elasticsearch.AsyncElasticsearch",
    "openai": "openai.AsyncOpenAI",
    "grpc": "grpc.aio",
    "kafka": "aiokafka",
}
"""By the package of the blocking call: the library to await instead."""
