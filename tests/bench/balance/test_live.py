"""Requests are sent at their arrival times, and an instance processes one at a time."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bench.balance.live import send
from bench.lib.machine import Cores
from bench.lib.ports import free_ports
from bench.lib.repository import module_command
from bench.lib.server import serve


@pytest.fixture
def instances(tmp_path):
    """The ports of two instances, without a pylb before them."""
    ports = free_ports(2)
    command = module_command("bench.balance.working_origin", *map(str, ports))
    with serve("instances", command, ports[-1], tmp_path, Cores.split().load) as server:
        server.wait_until_ready("/0")
        yield ports


def test_a_request_waits_only_for_earlier_ones_to_the_same_port(instances):
    behind, alone = send(instances, [[(0.0, 0.3), (0.1, 0.0)], [(0.1, 0.0)]])
    assert sorted(behind)[0] >= 0.2 - 0.005, "the first one is worked on until 0.3 s"
    assert sorted(behind)[1] >= 0.3 - 0.005
    assert alone[0] < min(behind)


def test_a_request_without_a_response_is_an_error():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with pytest.raises(ExceptionGroup) as caught:
                send([server.server_port], [[(0.0, 0.0)]])
        finally:
            server.shutdown()
            thread.join()
    assert "HTTP/1.0 501 " in str(caught.value.exceptions[0])
