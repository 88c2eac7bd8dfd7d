"""Settings of the specimen, from the environment, checked once at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

Library = Literal["httpx", "httpx2", "aiohttp"]
Life = Literal["shared", "per-request"]
DOCUMENT = Path(__file__).with_name("document.json")
LIBRARIES: tuple[Library, ...] = ("httpx", "httpx2", "aiohttp")
LIVES: tuple[Life, ...] = ("per-request", "shared")
Choice = TypeVar("Choice", bound=str)


class SettingsError(Exception):
    """A setting that cannot be used; the message names key, value and what would do."""


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
    """What the /file endpoints read."""
    thread_lines: bool


def read_number(env: Mapping[str, str], key: str, default: int, lowest: int, highest: int) -> int:
    """Raises SettingsError."""
    value = env.get(key, str(default))
    if not value.isdecimal() or not lowest <= int(value) <= highest:
        raise SettingsError(f"{key}={value!r}: give a whole number from {lowest} to {highest}")
    return int(value)


def read_choice(env: Mapping[str, str], key: str, choices: tuple[Choice, ...]) -> Choice:
    """The first is the default. Raises SettingsError."""
    value = env.get(key, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    raise SettingsError(f"{key}={value!r}: give one of {', '.join(choices)}")


def read_thread_limit(env: Mapping[str, str] = os.environ) -> int:
    """Of anyio's pool. Raises SettingsError."""
    return read_number(env, "APP_POOL", 40, 1, 10_000)


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads the `APP_...` variables. Raises SettingsError."""
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
