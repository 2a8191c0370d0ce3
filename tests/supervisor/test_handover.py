import os
import socket
import subprocess
import sys

import orjson
import pytest

from pylb.config.variables import HANDOVER
from pylb.supervisor.handover import Handover


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in (HANDOVER, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_handover_there_are_no_sockets():
    assert Handover.take() == Handover({}, {}, {}, None, None)


def test_a_successor_receives_all_sockets_and_files(monkeypatch, listening):
    copies = [os.dup(listening.fileno()) for _ in range(4)]
    plain = {"127.0.0.1:80": [[socket.socket(fileno=copies[0]), socket.socket(fileno=copies[1])]]}
    admin = {"127.0.0.1:81": [[socket.socket(fileno=copies[2])]]}
    tls = {"127.0.0.1:443": [[socket.socket(fileno=copies[3])]]}
    ours, theirs = socket.socketpair()
    given = Handover(plain, tls, admin, pid_file=99, state=(97, 98))
    assert sorted(given.descriptors) == sorted([*copies, 97, 98, 99])
    for name, value in given.to_environment(theirs.detach()).items():
        monkeypatch.setenv(name, value)
    for groups in (*plain.values(), *tls.values(), *admin.values()):
        for each in groups[0]:
            each.detach()
    taken = Handover.take()
    assert HANDOVER not in os.environ
    (pair,), (alone,) = taken.plain["127.0.0.1:80"], taken.admin["127.0.0.1:81"]
    ((secret,),) = taken.tls["127.0.0.1:443"]
    assert [each.getsockname() for each in (*pair, *alone, secret)] == [listening.getsockname()] * 4
    assert taken.pid_file == 99
    assert list(taken.state) == [97, 98]
    taken.supervisor_pipe.sendall(b"x")
    assert ours.recv(1) == b"x"
    for each in (*pair, *alone, secret, ours, taken.supervisor_pipe):
        each.close()


SYSTEMD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[1]))
from pylb.supervisor.handover import Handover
given = Handover.take()
ports = lambda groups: [g[0].getsockname()[1] for g in groups.get("systemd", [])]
left = sorted(name for name in os.environ if name.startswith("LISTEN"))
print([ports(given.plain), ports(given.tls), ports(given.admin), left])
"""


@pytest.mark.parametrize("other", [0, 1])
def test_sockets_of_systemd_are_selected_by_name(other):
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    ports = [server.getsockname()[1] for server in servers]

    def place():
        kept = [os.dup(server.fileno()) for server in servers]
        for target, descriptor in enumerate(kept, 3):
            os.dup2(descriptor, target)

    ran = subprocess.run(
        [sys.executable, "-c", SYSTEMD, str(other)],
        env={**os.environ, "LISTEN_FDS": "4", "LISTEN_FDNAMES": "http:admin:http:tls"},
        preexec_fn=place,
        close_fds=False,
        capture_output=True,
        text=True,
    )
    for server in servers:
        server.close()
    expected = [[], [], [], []] if other else [[ports[0], ports[2]], [ports[3]], [ports[1]], []]
    assert ran.stdout == f"{expected}\n", ran.stderr


def test_the_handover_is_json(listening):
    packed = Handover({"a:1": [[listening]]}).to_environment(7)[HANDOVER]
    assert orjson.loads(packed) == {
        "plain": {"a:1": [[listening.fileno()]]},
        "tls": {},
        "admin": {},
        "supervisor_pipe": 7,
        "pid_file": None,
        "state": [],
    }
