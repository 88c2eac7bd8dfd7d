"""The page of a running study, on loopback: `python -m study.live RUN_DIRECTORY PORT`.

A process of its own, so that neither runner nor server shares its interpreter. It reads the run's
files and asks nobody anything; the runner watches its CPU like that of all others.
"""

import sys
from pathlib import Path

import uvicorn

from study.live.broadcast import LiveBroadcast
from study.live.site import create_site

HOST = "127.0.0.1"
CLOSES_WITHIN_S = 1


def main(directory: str, port: str) -> None:
    uvicorn.run(
        create_site(LiveBroadcast(Path(directory))),
        host=HOST,
        port=int(port),
        log_level="warning",
        timeout_graceful_shutdown=CLOSES_WITHIN_S,  # a browser never ends its stream by itself
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
