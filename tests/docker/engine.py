"""A real Docker engine of the test run's own: private in every respect, and gone without a trace at its end.

It lives in network, mount and process namespaces of its own. So it touches no bridge, no firewall rule and
no engine of the machine, and the end of one process ends every container, shim and mount with it.
"""

import ctypes
import json
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

from tests.certificates import Authority
from tests.components import docker_programs

DEADLINE = 60.0
TLS_ADDRESS = "127.0.0.1:2376"
"""Where the engine listens, on its own machine, for clients that show a certificate."""
CLIENT_FILES = ("ca.pem", "cert.pem", "key.pem")
CLONE_NEWNET = 0x40000000
INIT = Path(__file__).with_name("init.py")


class DockerEngine:
    """Containerd and dockerd, and the docker command pointed at them."""

    def __init__(self):
        docker_programs()
        self.directory = Path(tempfile.mkdtemp(prefix="pylb-docker-", dir="/tmp"))
        self.socket = self.directory / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.certificates = self.directory / "client"
        """What such a client needs, as `ca.pem`, `cert.pem` and `key.pem`."""
        self._listening = self._make_certificates()
        self._process = None
        self._namespace = None
        self._threads = ThreadPoolExecutor(1)

    def start(self, **settings):
        """Start it with these settings of `daemon.json`."""
        self._configure(settings)
        namespaces = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", *namespaces, sys.executable, str(INIT), str(self.directory)],
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()
        self._namespace = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY)

    def stop(self):
        if containers := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *containers)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._namespace)
        self._threads.shutdown()
        shutil.rmtree(self.directory)

    def restart(self, *, crash):
        """End dockerd, by KILL or in order; wait until it answers again."""
        before = self.started
        self._signal(signal.SIGUSR2 if crash else signal.SIGUSR1)
        self._wait_until_it_answers(before)

    def set_live_restore(self, enabled):
        """Choose whether containers outlive dockerd; return once dockerd has read it.

        A dockerd that ends before that leaves them running, and the next one, which does not restore them,
        stops them for good: it counts that as a stop by hand.
        """
        self._configure({"live-restore": enabled})
        self._signal(signal.SIGHUP)
        shown = ("info", "--format", "{{.LiveRestoreEnabled}}")
        self._wait_until(lambda: self.docker(*shown) == str(enabled).lower())

    @property
    def started(self):
        """Which dockerd it is: when its file with the process id was written."""
        return (self.directory / "pid").stat().st_mtime_ns

    def docker(self, *arguments, given=None):
        """What the docker command prints.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        done = self.command("docker", *arguments, given=given)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def command(self, *words, given=None):
        """A command that reads DOCKER_HOST, done: exit code and output."""
        environment = {**os.environ, "DOCKER_HOST": self.url, "DOCKER_CONFIG": str(self.directory)}
        return subprocess.run(words, input=given, capture_output=True, env=environment)

    def inside(self, *words):
        """A command as it must be given to run on the engine's machine, in its network."""
        return ["nsenter", f"--net=/proc/{self._process.pid}/ns/net", *words]

    def socket_in(self, address_info):
        """Make a socket in the engine's network, where published ports and containers can be reached."""
        family, kind, protocol, *_ = address_info
        return self._threads.submit(self._make_socket, family, kind, protocol).result()

    def _make_socket(self, family, kind, protocol):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self._namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return socket.socket(family, kind, protocol)

    def _make_certificates(self):
        """Make the client's, and the engine's own; return the settings that make it listen."""
        authority = Authority(self.directory / "server")
        chain, key = authority.sign("127.0.0.1")
        self.certificates.mkdir()
        for made, name in zip((authority.certificate, *authority.sign("client")), CLIENT_FILES, strict=True):
            shutil.move(made, self.certificates / name)
        return {
            "hosts": ["fd://", f"tcp://{TLS_ADDRESS}"],
            "tlsverify": True,
            "tlscacert": str(self.certificates / "ca.pem"),
            "tlscert": chain,
            "tlskey": key,
        }

    def _configure(self, settings):
        (self.directory / "daemon.json").write_text(json.dumps({**self._listening, **settings}))

    def _signal(self, number):
        """Send one to its first process, the only child of `unshare`."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        os.kill(int(children), number)

    def _wait_until_it_answers(self, before=None):
        self._wait_until(lambda: self._answers(before))

    def _wait_until(self, condition):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text()[-3000:])
            time.sleep(0.05)

    def _answers(self, before):
        try:
            return self.started != before and self.command("docker", "version").returncode == 0
        except FileNotFoundError:
            return False
