import random
import socket
import subprocess
import sys

import pytest

from bench.lib import ports
from bench.lib.ports import free_port, free_ports


@pytest.fixture
def same_luck(monkeypatch):
    """Makes each call draw the same port numbers in the same order."""

    def begin_anew():
        monkeypatch.setattr(ports.random, "randrange", random.Random(1).randrange)

    return begin_anew


def test_a_port_is_returned_once(same_luck):
    same_luck()
    first = free_ports(5)
    same_luck()
    assert len({*first, *free_ports(5)}) == 10


def test_another_process_does_not_get_a_reserved_port(same_luck):
    same_luck()
    mine = free_ports(5)
    program = "from bench.lib import ports; import random; random.seed(1); print(*ports.free_ports(5))"
    theirs = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len({*mine, *map(int, theirs.stdout.split())}) == 10


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_not_free(same_luck, monkeypatch, kind):
    same_luck()
    monkeypatch.setattr(ports, "_reserve", lambda port: socket.socket())
    expected = free_port()
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", expected))
        same_luck()
        assert free_port() != expected
