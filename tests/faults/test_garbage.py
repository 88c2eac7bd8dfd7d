"""Bytes of a stranger at a port of ours: the run goes on as if they had not come."""

import socket
from collections.abc import Mapping
from pathlib import Path

import msgpack
import psutil
import pytest
import zmq

from tests.faults.table import FaultRow, select
from tests.process.support import Running, cells, running, wait_for

pytestmark = pytest.mark.timeout(120)
STRANGER = "stranger"
MESSAGES: Mapping[str, bytes] = {
    "empty message": b"",
    "no msgpack": b"\xc1\xff\x00garbage",
    "a number": msgpack.dumps(7),
    "a short tuple": msgpack.dumps(("stats",)),
    "a deep list": b"\x91" * 2000 + b"\x00",
    "stats of a stranger": msgpack.dumps(("stats", {}, STRANGER)),
    "stop of a stranger": msgpack.dumps(("client_stopped", None, STRANGER)),
    "heartbeat of a stranger": msgpack.dumps(("heartbeat", None, STRANGER)),
    "quit of a stranger": msgpack.dumps(("quit", None, STRANGER)),
    "exception of a stranger": msgpack.dumps(("exception", {"msg": "x"}, STRANGER)),
    "ready with a number": msgpack.dumps(("client_ready", 5, STRANGER)),
    "ready in another's name": msgpack.dumps(("client_ready", -1, "other")),
    "hello without versions": msgpack.dumps(("avt_hello", None, STRANGER)),
    "leaving without rows": msgpack.dumps(("avt_leaving", None, STRANGER)),
    "clock of a stranger": msgpack.dumps(("avt_clock", {"sent_s": "x"}, STRANGER)),
}


@pytest.mark.parametrize("row", select("garbage"))
def test_garbage(row: FaultRow, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (
        "run", "async-sleep", "--users", "20", "--delay", "50ms", "--duration", "4s",
        "--spawn-rate", "50", "--no-predict", "--no-report", "--load-processes", "2", "--port", "0",
        "--out", str(out),
    )  # fmt: skip
    with running(out, *words) as run:
        run.wait_for_phase(row.phase)
        send(row.fault, find_master_port(run))
        row.check(run.finish(), run.text())
    (cell,) = cells(out)
    assert cell["interrupted"] is None
    assert cell["failures"] == 0


def send(fault: str, port: int) -> None:
    if fault == "bytes without a protocol":
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(bytes(range(256)) * 64)
        return
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.IDENTITY, STRANGER.encode())
        peer.connect(f"tcp://127.0.0.1:{port}")
        for _ in range(3):
            peer.send(MESSAGES[fault])
        peer.close(linger=2000)


def find_master_port(run: Running) -> int:
    """The one that a load process listens on."""
    ports: list[int] = []

    def listens() -> bool:
        ports[:] = [
            found.laddr.port
            for each in run.family()
            if "locust" in " ".join(each.cmdline())
            for found in each.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN
        ]
        return bool(ports)

    wait_for(listens, "the master's port")
    return ports[0]
