"""Origins that answer with what they received: one for each service, on threads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class _Echo(ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, service: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.service = service


class _Connection(StreamRequestHandler):
    """Answers each request with its service, its target and its fields."""

    server: _Echo

    def handle(self) -> None:
        while line := self.rfile.readline():
            fields: dict[str, str] = {}
            while each := self.rfile.readline().strip().decode("latin-1"):
                name, _, value = each.partition(":")
                fields[name.lower()] = value.strip()
            target = line.decode("latin-1").split(" ")[1]
            content = {"service": self.server.service, "target": target, "fields": fields}
            body = json.dumps(content).encode()
            self.wfile.write(HEAD % (len(body), body))


@contextmanager
def echo_origins(services: Iterable[str]) -> Iterator[dict[str, int]]:
    """Serve one origin for each service while the context is open; yields their ports."""
    with ExitStack() as stack:
        ports = {}
        for service in services:
            server = stack.enter_context(_Echo(service))
            thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            ports[service] = server.server_address[1]
        yield ports
