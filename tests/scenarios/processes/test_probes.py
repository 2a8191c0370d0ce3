"""Probes are made by control alone, all workers go by them, and so does another control that takes over."""

import os
import signal
from collections import Counter

import pytest

from tests.environment import read_request
from tests.until import until

pytestmark = pytest.mark.slow


class Sick:
    """Answers all requests, but fails its health check on command."""

    def __init__(self):
        self.well = True
        self.asked = Counter()

    async def __call__(self, reader, writer):
        while head := await read_request(reader):
            path = head.split()[1]
            self.asked[path] += 1
            status = b"503 Sick" if path == b"/health" and not self.well else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\nweb-1" % status)


@pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL")
async def test_a_failed_backend_receives_no_requests_from_any_worker_until_it_recovers(program):
    pylb = program("--probe-http", "/health", "--probe-interval", "200ms", "--log-level", "info")
    sick = Sick()
    await pylb.origin(sick)
    await pylb.origin()
    await pylb.origin()
    await pylb.start()
    async with pylb.clients(8) as clients:
        await until(lambda: set(clients.answers) == {"web-1", "web-2", "web-3"}, 30)
        sick.well = False
        await pylb.logged("fails its probes: GET /health: 503", 2)
        await clients.more(20)  # what was under way
        clients.answers.clear()
        await clients.more(200)
        assert set(clients.answers) == {"web-2", "web-3"}

        (control,) = pylb.processes("control")
        os.kill(control.pid, signal.SIGKILL)
        sick.asked.clear()
        await until(lambda: sick.asked[b"/health"] > 3, 60)
        clients.answers.clear()
        await clients.more(200)
        assert set(clients.answers) == {"web-2", "web-3"}, "the verdict outlives who found it"

        sick.well = True
        await pylb.logged("receives requests again", 2)
        await until(lambda: clients.answers["web-1"], 30)
    assert not clients.failures
