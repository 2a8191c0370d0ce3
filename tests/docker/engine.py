"""A real Docker engine of the test run's own: private in every respect, and gone without a trace at its end.

It lives in network, mount and process namespaces of its own. So it touches no bridge, no firewall rule and
no engine of the machine, and the end of one process ends every container, shim and mount with it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.components import consul_binary, docker_programs

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
CLONE_NEWNET = 0x40000000
LIBRARIES = (Path("/usr"), Path("/lib"), Path("/lib64"))
START = """
busybox ip link set lo up
containerd --root $0/c-root --state $0/c-state --address $0/c.sock >$0/c.log 2>&1 &
until [ -S $0/c.sock ]; do sleep 0.02; done
exec dockerd --bridge=none --data-root $0/root --exec-root $0/exec --pidfile $0/pid \
    --host unix://$0/docker.sock --containerd $0/c.sock
"""


class DockerEngine:
    """Containerd and dockerd, and the docker command pointed at them."""

    def __init__(self):
        docker_programs()
        self.directory = Path(tempfile.mkdtemp(prefix="pylb-docker-", dir="/tmp"))
        self.socket = self.directory / "docker.sock"
        self._process = None
        self._namespace = None
        self._threads = ThreadPoolExecutor(1)

    def start(self):
        namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (self.directory / "d.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", *namespaces, "busybox", "sh", "-c", START, str(self.directory)],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "d.log").read_text()[-3000:])
            time.sleep(0.05)
        self._namespace = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY)

    def stop(self):
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *containers)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._namespace)
        self._threads.shutdown()
        shutil.rmtree(self.directory)

    def docker(self, *arguments):
        """What the docker command prints.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        done = self.command(*arguments)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def command(self, *arguments):
        """The docker command, done: exit code and output."""
        command = ["docker", "--host", f"unix://{self.socket}", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def socket_in(self, address_info):
        """Make a socket in the engine's network, where published ports and containers can be reached."""
        family, kind, protocol, *_ = address_info
        return self._threads.submit(self._make_socket, family, kind, protocol).result()

    def _make_socket(self, family, kind, protocol):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return socket.socket(family, kind, protocol)

    def _answers(self):
        try:
            self.docker("version")
        except RuntimeError:
            return False
        return True

    def import_image(self):
        """Make the image `small`: busybox, and nothing else."""
        root = self.directory / "small"
        for folder in ("bin", "tmp"):
            (root / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
        for name in ("sh", "hostname", "httpd", "sleep"):
            (root / "bin" / name).symlink_to("busybox")
        tar = subprocess.run(["tar", "-C", root, "-c", "."], check=True, capture_output=True).stdout
        command = ["docker", "--host", f"unix://{self.socket}", "import", "--change", "ENV PATH=/bin", "-"]
        subprocess.run([*command, "small"], input=tar, check=True, capture_output=True)

    def run(self, name, *arguments, command, image="small"):
        """Start a container on the network `recipe`; return its id."""
        options = ["--detach", "--name", name, "--hostname", name, "--network", "recipe", *arguments]
        return self.docker("run", *options, image, *command)

    def run_consul(self):
        command = ["consul", "agent", "-dev", "-client", "0.0.0.0", "-hcl", "disable_update_check = true"]
        mounts = (*mounted(*LIBRARIES), f"--volume={consul_binary()}:/bin/consul:ro")
        self.run("consul", *mounts, command=command)

    def run_pylb(self, name, *command, arguments=()):
        """Run this repository's pylb with this machine's Python, in a container."""
        mounts = mounted(*LIBRARIES, Path(sys.prefix), Path(sys.base_prefix), ROOT)
        mounts.append(f"--volume={self.socket}:/var/run/docker.sock")
        env = ["--env", f"PYTHONPATH={ROOT}", "--env", "PYTHONDONTWRITEBYTECODE=1"]
        self.run(name, *mounts, *env, *arguments, command=[sys.executable, "-m", "pylb", *command])

    def run_web(self, name, *labels, script="exec httpd -f -p 8000 -h /tmp"):
        """Start one instance of the web service: a page with its name."""
        options = [word for label in ("SERVICE_NAME=web", *labels) for word in ("--label", label)]
        script = f"hostname > /tmp/index.html; {script}"
        self.run(name, "--expose", "8000", *options, command=["sh", "-c", script])


def mounted(*folders):
    """The options that show a container these folders of the machine, under the same names."""
    return [f"--volume={folder}:{folder}:ro" for folder in sorted(set(folders)) if folder.exists()]
