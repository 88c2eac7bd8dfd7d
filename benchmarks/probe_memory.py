"""Memory of the probe over many requests: `python -m benchmarks.probe_memory [--requests 1000000]`.

Requests of a few routes, and paths that no route matches, reach a trivial app behind the probe,
without a network. The journal has a limit of 16 MiB. The resident memory and the number of live
objects should not grow after the first line.
"""

import argparse
import asyncio
import gc
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from time import monotonic, process_time

from asgi_probe import Probe
from asgi_probe.process_census import read_resident_bytes
from asgi_probe.routes import Message, Receive, Scope, Send

JOURNAL_BYTES = 16 << 20
ROUTES = 50
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
BODY: Message = {"type": "http.response.body", "body": b""}


async def answer(scope: Scope, _: Receive, send: Send) -> None:
    scope["state"] = {"thing": object()}
    await send(START)
    await send(BODY)


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def accept(_: Message) -> None: ...


def call(probe: Probe, number: int) -> Awaitable[None]:
    path = f"/items/{number}" if number % 10 == 0 else f"/route/{number % ROUTES}"
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    return probe(scope, receive, accept)


async def drive(probe: Probe, requests: int, folder: Path) -> None:
    print(f"{'requests':>10}{'MiB':>8}{'objects':>10}{'journal MiB':>13}{'CPU µs/request':>16}")
    step = max(1, requests // 10)
    for done in range(0, requests, step):
        began_s = process_time()
        for number in range(done, done + step):
            await call(probe, number)
            if number % 1000 == 0:  # the heartbeat is due
                await asyncio.sleep(0)
        spent_s = process_time() - began_s
        gc.collect()
        written = sum(path.stat().st_size for path in folder.iterdir())
        print(
            f"{done + step:>10,}{read_resident_bytes() / 2**20:>8.1f}{len(gc.get_objects()):>10,}"
            f"{written / 2**20:>13.1f}{1e6 * spent_s / step:>16.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of the probe over many requests.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    began_s = monotonic()
    with tempfile.TemporaryDirectory() as name:
        probe = Probe(answer, Path(name), max_journal_bytes=JOURNAL_BYTES)
        asyncio.run(drive(probe, options.requests, Path(name)))
        probe.stop()
    print(f"{monotonic() - began_s:.0f} s")


if __name__ == "__main__":
    main()
