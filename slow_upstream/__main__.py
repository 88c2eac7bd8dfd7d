"""`python -m slow_upstream`: serve until SIGTERM or SIGINT."""

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from slow_upstream.app import SlowUpstream
from slow_upstream.checks import SlowUpstreamError, quote_value
from slow_upstream.delays import ResponsePlanner
from slow_upstream.ledger import RequestLog, UpstreamCounters
from slow_upstream.options import Options, parse_options
from slow_upstream.serving import QuickServer, announce, listen, raise_file_limit


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = parse_options(argv)
        # Before the log, so that a second start on a taken port empties nobody's log.
        listener = listen(options.host, options.port)
        log = open_log(options.log)
    except SlowUpstreamError as problem:
        print(f"slow-upstream: {problem}", file=sys.stderr)
        return problem.exit_code
    raise_file_limit()
    serve(options, listener, UpstreamCounters(log))
    return 0


def open_log(path: str | None) -> RequestLog | None:
    if path is None:
        return None
    try:
        return RequestLog(Path(path).open("wb", buffering=0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SlowUpstreamError(f"--log: cannot write {quote_value(path, 200)}: {reason}") from None


def serve(options: Options, listener: socket.socket, counters: UpstreamCounters) -> None:
    host, port = listener.getsockname()[:2]
    ready = {
        "listening": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "port": port,
        "pid": os.getpid(),
        "implementation": "python",
    }
    planner = ResponsePlanner(options.distribution, options.seed, options.error_rate)
    app = SlowUpstream(planner, counters, options.default_ms)
    QuickServer(app, counters, lambda: announce(ready)).run(sockets=[listener])
    announce({"stats": asdict(counters.take_snapshot())})


if __name__ == "__main__":
    sys.exit(main())
