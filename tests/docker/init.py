"""The first process of a Docker engine's own machine: it holds its socket and keeps it running.

    unshare --net --mount --pid --fork --mount-proc python tests/docker/init.py FOLDER

Does what systemd does on a Debian machine: the socket is opened here and handed to dockerd, so it stays the
same while dockerd is restarted, and what containers have mounted stays good. SIGUSR1 ends dockerd with TERM,
SIGUSR2 with KILL, and it is started again at once; SIGHUP lets it read `daemon.json` again.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FIRST = 3
"""The number of the first socket that is handed over (sd_listen_fds(3))."""
ADDRESS = "10.99.0.1"
"""The machine's own address, beside 127.0.0.1."""
PASSED_ON = {
    signal.SIGUSR1: signal.SIGTERM,
    signal.SIGUSR2: signal.SIGKILL,
    signal.SIGHUP: signal.SIGHUP,
}


def main(folder):
    disk = prepare_machine(folder)
    listen(folder / "docker.sock")
    containerd = folder / "containerd.sock"
    state = ["--root", disk / "containerd", "--state", disk / "containerd-state"]
    subprocess.Popen(["containerd", *state, "--address", containerd])
    while not containerd.exists():
        time.sleep(0.02)
    command = ["dockerd", "--containerd", containerd, "--pidfile", folder / "pid"]
    command += ["--config-file", folder / "daemon.json"]
    command += ["--data-root", disk / "data", "--exec-root", disk / "exec"]
    dockerd = None

    def pass_on(number, _):
        os.kill(dockerd, PASSED_ON[number])

    while True:
        dockerd = start([str(word) for word in command])
        for number in PASSED_ON:
            signal.signal(number, pass_on)
        while os.wait()[0] != dockerd:
            pass  # an orphan, as the first process inherits them


def prepare_machine(folder):
    """Give it a network, an empty /run (programs meet there), and a disk in memory, which is returned."""
    disk = folder / "disk"
    disk.mkdir()
    for command in (
        f"mount -t tmpfs none {disk}",
        "mount -t tmpfs none /run",
        "busybox ip link set lo up",
        f"busybox ip address add {ADDRESS}/32 dev lo",
    ):
        subprocess.run(command.split(), check=True)
    return disk


def listen(path):
    """Open the engine's socket as FIRST, at this path and at the default path."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(128)
    os.dup2(listening.detach(), FIRST)
    os.set_inheritable(FIRST, True)
    usual = Path("/var/run/docker.sock")
    usual.touch()
    subprocess.run(["mount", "--bind", path, usual], check=True)


def start(command):
    """Start a program that is given the socket, as systemd starts one; return its process id."""
    child = os.fork()
    if child == 0:
        environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        os.execvpe(command[0], command, environment)
    return child


if __name__ == "__main__":
    main(Path(sys.argv[1]))
