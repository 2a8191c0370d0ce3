"""The capacity of a second worker, and equal connections for both sides."""

import socket
import subprocess
import sys
from pathlib import Path

from bench.hotpath.workers import ALONE, APART, TOGETHER, evaluate
from bench.lib.sample import Sample
from bench.lib.shared_port import listening

ANSWERING = """
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()), "LISTEN_PID names another process"
given = socket.socket(fileno=3)
given.listen()
while True:
    client, _ = given.accept()
    client.sendall(str(os.getpid()).encode())
    client.close()
"""


def test_copies_of_a_program_share_a_port_and_a_session():
    sockets = [socket.socket()]
    sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sockets[0].bind(("127.0.0.1", 0))
    where = sockets[0].getsockname()
    sockets.append(socket.socket())
    sockets[1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sockets[1].bind(where)
    descriptors = [each.fileno() for each in sockets]
    argv = [
        "-m",
        "bench.lib.socket_activation",
        ",".join(map(str, descriptors)),
        sys.executable,
        "-c",
        ANSWERING,
    ]
    process = subprocess.Popen([sys.executable, *argv], pass_fds=descriptors, cwd=Path(__file__).parents[3])
    try:
        while listening(where[1]) < 2:
            assert process.poll() is None
        answered = set()
        while len(answered) < 2:
            with socket.create_connection(where) as client:
                answered.add(int(client.recv(100)))
        sessions = {int(Path(f"/proc/{pid}/stat").read_text().split()[5]) for pid in answered}
        assert len(sessions) == 1
    finally:
        process.terminate()
        assert process.wait() == 0
        for each in sockets:
            each.close()
    assert listening(where[1]) == 0, "it took all copies with it"


def samples(together):
    for number, (name, cpu) in enumerate([(APART, 30), (TOGETHER, together), (ALONE, 25)]):
        yield Sample("small", name, 1, cpu / 2, cpu / 2, 1000, 1, 2, 50, 3000 + number, 0)


def test_the_capacity_of_two_workers_is_evaluated():
    verdict = evaluate(list(samples(together=32)))
    assert verdict.holds
    assert [figure for _, figure, _ in verdict.rows[-2:]] == ["1.56 ×", "1.88 ×"]
    assert not evaluate(list(samples(together=34))).holds, "1.76 ×"
