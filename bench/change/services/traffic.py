"""Instances that identify themselves, and a client that waits until a service's responses change."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TIMEOUT = 10.0
"""Seconds after which a change counts as lost."""
PAUSE = 0.001
"""Seconds between two requests. Without a pause, the client would take CPU time from Consul."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    word = b""

    def do_GET(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.word)
        self.wfile.write(head + self.word)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def origin(word: bytes) -> Iterator[int]:
    """Answer all requests on a port of all addresses with a word."""
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
    """Sends requests for services to pylb over one connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, service: str) -> bytes:
        """Return the body of a response, or its status if it is not 200."""
        self._socket.sendall(b"GET / HTTP/1.1\r\nHost: %b.example\r\n\r\n" % service.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._receive()
        if b"connection: close" in head.lower():
            self.close()
            self._connect()
        status = head.split(b" ", 2)[1]
        return body if status == b"200" else status

    def until(self, service: str, word: bytes) -> float | None:
        """Return the seconds until the first response `word`; None after `TIMEOUT`."""
        began = time.monotonic()
        while time.monotonic() - began < TIMEOUT:
            if self.get(service) == word:
                return time.monotonic() - began
            time.sleep(PAUSE)
        return None

    def until_not(self, service: str, word: bytes, quiet: float = 0.3) -> float | None:
        """Return the seconds until the last response `word`; None if there is one after `TIMEOUT`."""
        began = last = time.monotonic()
        while (now := time.monotonic()) - last < quiet:
            if now - began > TIMEOUT:
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
