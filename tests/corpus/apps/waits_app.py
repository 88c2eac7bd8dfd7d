"""FastAPI: `async def` endpoints that make waiting calls, from many libraries."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import importlib
import logging
import logging.handlers
import os
import queue
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import requests
import urllib3
from fastapi import FastAPI
from truth import measure
from upstream import start_upstream

WAIT_S = 0.12
FOLDER = Path(tempfile.mkdtemp(prefix="corpus-"))
PORT = start_upstream()
URL = f"http://127.0.0.1:{PORT}/"
CLIENT = httpx.Client(trust_env=False)
POOL = urllib3.PoolManager()
EXECUTOR = concurrent.futures.ThreadPoolExecutor(4)

DATABASE = FOLDER / "busy.sqlite"
LOCKING = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
LOCKING.execute("CREATE TABLE items (id INTEGER)")
LOCKING.execute("BEGIN EXCLUSIVE")

FIFO = FOLDER / "fifo"
os.mkfifo(FIFO)

LOCK_FILE = FOLDER / "lock"
LOCK_FILE.touch()

AUDIT_LOG = logging.getLogger("corpus.audit")
AUDIT_LOG.propagate = False
AUDIT_LOG.addHandler(logging.handlers.HTTPHandler(f"127.0.0.1:{PORT}", "/"))


@contextlib.asynccontextmanager
async def remove_files(_: FastAPI) -> AsyncIterator[None]:
    yield
    shutil.rmtree(FOLDER)


app = FastAPI(lifespan=remove_files)


def call_later(action: Callable[[], object]) -> None:
    """In a thread, after WAIT_S."""
    timer = threading.Timer(WAIT_S, action)
    timer.daemon = True
    timer.start()


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/sleep/{number}")
async def sleep(number: int) -> int:
    with measure("sleep"):
        time.sleep(WAIT_S)  # blocks: sleep
    return number


@app.get("/short")
async def short() -> str:
    with measure("short"):
        time.sleep(0.05)  # blocks: short
    return "ok"


@app.get("/requests")
async def get_with_requests() -> str:
    with measure("requests"):
        return requests.get(URL, timeout=5).text  # blocks: requests


@app.get("/urllib3")
async def get_with_urllib3() -> str:
    with measure("urllib3"):
        return POOL.request("GET", URL).data.decode()  # blocks: urllib3


@app.get("/httpx")
async def get_with_httpx() -> str:
    with measure("httpx"):
        return CLIENT.get(URL).text  # blocks: httpx


@app.get("/subprocess")
async def run_program() -> int:
    with measure("subprocess"):
        return subprocess.run(["sleep", str(WAIT_S)], check=True).returncode  # blocks: subprocess


@app.get("/sqlite")
async def write_row() -> str:
    connection = sqlite3.connect(DATABASE, timeout=WAIT_S)
    try:
        with measure("sqlite"):
            connection.execute("INSERT INTO items VALUES (1)")  # blocks: sqlite
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.close()
    return "written"


@app.get("/fifo")
async def read_fifo() -> str:
    call_later(lambda: FIFO.write_text("ready"))
    with measure("fifo"):
        return FIFO.read_text()  # blocks: fifo


@app.get("/socket")
async def receive() -> int:
    ours, theirs = socket.socketpair()
    call_later(lambda: theirs.send(b"x"))
    with ours, measure("socket"):
        received = ours.recv(1)  # blocks: socket
    theirs.close()
    return len(received)


@app.get("/lock")
async def take_lock() -> str:
    lock = threading.Lock()
    lock.acquire()
    call_later(lock.release)
    with measure("lock"):
        lock.acquire()  # blocks: lock
    return "locked"


@app.get("/event")
async def wait_for_event() -> bool:
    with measure("event"):
        return threading.Event().wait(WAIT_S)  # blocks: event


@app.get("/queue")
async def take_from_queue() -> str:
    answers: queue.Queue[str] = queue.Queue()
    call_later(lambda: answers.put("done"))
    with measure("queue"):
        return answers.get()  # blocks: queue


@app.get("/future")
async def wait_for_result() -> str:
    future = EXECUTOR.submit(time.sleep, WAIT_S)
    with measure("future"):
        future.result()  # blocks: future
    return "done"


@app.get("/join")
async def join_thread() -> str:
    thread = threading.Thread(target=time.sleep, args=(WAIT_S,))
    thread.start()
    with measure("join"):
        thread.join()  # blocks: join
    return "joined"


@app.get("/datagram")
async def ask_resolver() -> int:
    """Like a resolver in pure Python."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        address = ours.getsockname()
        call_later(lambda: EXECUTOR.submit(answer_datagram, address))
        with measure("datagram"):
            return len(ours.recvfrom(512)[0])  # blocks: datagram


def answer_datagram(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.sendto(b"answer", address)


@app.get("/flock")
async def lock_file() -> str:
    with LOCK_FILE.open() as theirs, LOCK_FILE.open() as ours:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        call_later(theirs.close)
        with measure("flock"):
            fcntl.flock(ours, fcntl.LOCK_EX)  # blocks: flock
    return "locked"


@app.get("/log")
async def log_over_http() -> str:
    with measure("log"):
        AUDIT_LOG.warning("an entry")  # blocks: log
    return "logged"


class Session:
    """Closes itself when nothing refers to it any more."""

    def __del__(self) -> None:
        with measure("finalizer"):
            time.sleep(WAIT_S)  # blocks: finalizer


@app.get("/finalizer")
async def drop_session() -> str:
    session = Session()
    del session
    return "dropped"


@app.get("/import")
async def import_late() -> int:
    return int(importlib.import_module("late_module").ANSWER)
