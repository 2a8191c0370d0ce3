"""Instances that say which they are, and a client that asks for one service until the right one answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 10.0
"""Seconds after which a change counts as lost."""
PAUSE = 0.001
"""Seconds between two requests: who asks without a pause takes the CPU that Consul needs."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    word = b""

    def do_GET(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.word)
        self.wfile.write(head + self.word)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def origin(word: bytes) -> Iterator[int]:
    """Answer all requests on a port of all loopback addresses with a word."""
    handler = type("Handler", (_Handler,), {"word": word})
    server = ThreadingHTTPServer(("0.0.0.0", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Client:
    """Asks pylb for a service, on one connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, service: str) -> bytes:
        """What the instance that was chosen says, or the status if it is not 200."""
        self._socket.sendall(b"GET / HTTP/1.1\r\nHost: %b.example\r\n\r\n" % service.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._receive()
        status = head.split(b" ", 2)[1]
        return body if status == b"200" else status

    def until(self, service: str, word: bytes) -> float | None:
        """Seconds until an instance that says `word` has answered; None if none did."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            if self.get(service) == word:
                return time.monotonic() - began
            time.sleep(PAUSE)
        return None

    def until_not(self, service: str, word: bytes, quiet: float = 0.3) -> float | None:
        """Seconds until an instance that says `word` answered for the last time; None if it still does."""
        began = last = time.monotonic()
        while (now := time.monotonic()) - last < quiet:
            if now - began > PATIENCE:
                return None
            if self.get(service) == word:
                last = time.monotonic()
            time.sleep(PAUSE)
        return last - began

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("pylb closed the connection")
        return data
