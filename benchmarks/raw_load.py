"""A minimal load generator: constant requests on a few connections, faster than any server here.

Only for benchmarks of a route whose response never changes; studies use Locust.
"""

import selectors
import socket
from time import perf_counter

from scenarios.units import Second

LONGEST_ANSWER = 65536


def drive(port: int, path: str, connections: int, duration_s: Second) -> int:
    """Return the responses within `duration_s`. Each connection has one request in flight."""
    head = (f"GET {path} HTTP/1.1", "host: bench", "x-request-id: 00000000000000ff")
    request = "\r\n".join((*head, "", "")).encode()
    chooser = selectors.DefaultSelector()
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    size = read_response_size(peers[0], request)
    missing = {}
    for peer in peers:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setblocking(False)
        peer.send(request)
        missing[peer] = size
        chooser.register(peer, selectors.EVENT_READ)
    by_descriptor = {peer.fileno(): peer for peer in peers}
    answered, end_s = 0, perf_counter() + duration_s
    while perf_counter() < end_s:
        for key, _ in chooser.select(timeout=0.1):
            peer = by_descriptor[key.fd]
            missing[peer] -= len(peer.recv(LONGEST_ANSWER))
            if missing[peer] == 0:  # head and body may arrive separately
                missing[peer] = size
                answered += 1
                peer.send(request)
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
