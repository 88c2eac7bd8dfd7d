"""FastAPI: `async def` endpoints that compute on the loop's thread."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
import ssl
import zlib

from fastapi import FastAPI
from truth import measure

ROWS = [{"id": number, "name": f"item {number}", "price": number / 7} for number in range(100_000)]
DOCUMENT = json.dumps(ROWS)
TEXT = "".join(f"{number * 7919 % 10_007:x}" for number in range(2_000_000)).encode()
WORDS = [f"{number * 7919 % 1_000_003:x}" for number in range(300_000)]
TREE = [{"leaf": [number, str(number)]} for number in range(50_000)]
LEFT = [str(number * 7919 % 97) for number in range(1_400)]
RIGHT = [str(number * 6007 % 97) for number in range(1_400)]
HOSTILE = "a" * 21 + "b"

app = FastAPI()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/pbkdf2")
async def hash_password() -> str:
    with measure("pbkdf2"):
        return hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 450_000).hex()  # blocks: pbkdf2


@app.get("/scrypt")
async def hash_harder() -> str:
    with measure("scrypt"):
        return hashlib.scrypt(b"secret", salt=b"salt", n=2**14, r=8, p=3).hex()  # blocks: scrypt


@app.get("/zlib")
async def compress() -> int:
    with measure("zlib"):
        return len(zlib.compress(TEXT, 6))  # blocks: zlib


@app.get("/dumps")
async def dump() -> int:
    with measure("dumps"):
        return len(json.dumps(ROWS))  # blocks: dumps


@app.get("/loads")
async def load() -> int:
    with measure("loads"):
        return len(json.loads(DOCUMENT))  # blocks: loads


@app.get("/sorted")
async def sort() -> str:
    with measure("sorted"):
        return sorted(WORDS, key=lambda word: word[::-1])[0]  # blocks: sorted


@app.get("/regex")
async def match() -> bool:
    with measure("regex"):
        return re.match(r"(a+)+$", HOSTILE) is None  # blocks: regex


@app.get("/loop/{size}")
async def loop(size: int) -> int:
    total = 0
    with measure("loop"):
        for number in range(size * 1000):  # blocks: loop
            total += number * number % 7  # blocks: loop
    return total


def fibonacci(n: int) -> int:  # blocks: recursion
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)  # blocks: recursion


@app.get("/recursion")
async def recurse() -> int:
    with measure("recursion"):
        return fibonacci(29)


@app.get("/deepcopy")
async def copy_tree() -> int:
    with measure("deepcopy"):
        return len(copy.deepcopy(TREE))  # blocks: deepcopy


@app.get("/difflib")
async def compare() -> float:
    with measure("difflib"):
        return difflib.SequenceMatcher(None, LEFT, RIGHT, autojunk=False).ratio()  # blocks: difflib


@app.get("/tls")
async def make_contexts() -> int:
    """A single client per upstream does this too."""
    with measure("tls"):
        return len([ssl.create_default_context() for _ in range(3)])  # blocks: tls
