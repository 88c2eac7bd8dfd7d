"""A minimal load generator: constant requests on a few connections, faster than any server here, or
at a given rate.

Only for benchmarks of a route whose response never changes; studies use Locust.
"""

import selectors
import socket
from collections import deque
from math import inf
from time import perf_counter

from scenarios.units import Second

LONGEST_ANSWER = 65536


def drive(port: int, path: str, connections: int, duration_s: Second, rate: float = inf) -> int:
    """Return the responses within `duration_s`. Each connection has at most one request in flight.
    rate: requests per second over all connections; infinite: each response is followed at once."""
    head = (f"GET {path} HTTP/1.1", "host: bench", "x-request-id: 00000000000000ff")
    request = "\r\n".join((*head, "", "")).encode()
    chooser = selectors.DefaultSelector()
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    size = read_response_size(peers[0], request)
    missing = dict.fromkeys(peers, size)
    for peer in peers:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setblocking(False)
        chooser.register(peer, selectors.EVENT_READ)
    by_descriptor = {peer.fileno(): peer for peer in peers}
    idle, answered, next_s = deque(peers), 0, perf_counter()
    end_s = next_s + duration_s
    while (now_s := perf_counter()) < end_s:
        while idle and now_s >= next_s:
            idle.popleft().send(request)
            next_s += 1 / rate
        wait_s = min(0.1, next_s - now_s) if idle else 0.1
        for key, _ in chooser.select(timeout=max(0.0, wait_s)):
            peer = by_descriptor[key.fd]
            missing[peer] -= len(peer.recv(LONGEST_ANSWER))
            if missing[peer] == 0:  # head and body may arrive separately
                missing[peer] = size
                answered += 1
                idle.append(peer)
    for peer in peers:
        peer.close()
    return answered


def read_response_size(peer: socket.socket, request: bytes) -> int:
    """Return the bytes of a response that has a content-length."""
    peer.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += peer.recv(LONGEST_ANSWER)
    head, _, _ = answer.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(answer) < len(head) + 4 + length:
        answer += peer.recv(LONGEST_ANSWER)
    return len(answer)
