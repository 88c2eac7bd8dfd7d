"""Settings of the specimen: environment variables, checked once at startup."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from app.systems.environment import read_choice, read_number

Library = Literal["httpx", "httpx2", "aiohttp", "pyreqwest", "urllib3", "requests", "niquests"]
Life = Literal["shared", "per-request"]
LIBRARIES: tuple[Library, ...] = get_args(Library)
LIVES: tuple[Life, ...] = ("per-request", "shared")
DOCUMENT = Path(__file__).with_name("document.json")


@dataclass(frozen=True, slots=True)
class Settings:
    upstream_url: str
    delay_ms: int
    client: Library
    client_life: Life
    client_timeout_s: float
    client_connections: int
    pool: int
    file: Path
    """The file that the /file endpoints read."""
    thread_lines: bool


def read_thread_limit(env: Mapping[str, str] = os.environ) -> int:
    """Read the size of anyio's thread pool. Raises SettingsError."""
    return read_number(env, "APP_POOL", 40, 1, 10_000)


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Read the `APP_...` variables; the first choice is the default. Raises SettingsError."""
    return Settings(
        upstream_url=env.get("APP_UPSTREAM_URL", "http://127.0.0.1:8090"),
        delay_ms=read_number(env, "APP_DELAY_MS", 1000, 0, 60_000),
        client=read_choice(env, "APP_CLIENT", LIBRARIES),
        client_life=read_choice(env, "APP_CLIENT_LIFE", LIVES),
        client_timeout_s=read_number(env, "APP_CLIENT_TIMEOUT_MS", 5000, 1, 600_000) / 1000,
        client_connections=read_number(env, "APP_CLIENT_CONNECTIONS", 100, 1, 100_000),
        pool=read_thread_limit(env),
        file=Path(env.get("APP_FILE", DOCUMENT)),
        thread_lines=read_choice(env, "APP_THREAD_LINES", ("0", "1")) == "1",
    )
