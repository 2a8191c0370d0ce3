"""Fixtures that give a test a real Consul agent."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lib.ports import free_ports
from tests.components import consul_binary

LEADER_DEADLINE = 30.0
"""Seconds for an agent to elect itself; about 3 are usual, more on a busy machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with a real Consul as slow: it takes 3 s to elect itself, in each process of the tests."""
    for item in items:
        if {"consul", "own_consul", "guarded_consul"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


class ConsulAgent:
    """A `consul agent -dev` of its own: one server, data in memory, gone after `kill()`.

    Methods block; a test that has a loop to keep running calls them by `asyncio.to_thread`.
    """

    def __init__(self, directory: Path, *arguments: str, token: str = "") -> None:
        self.directory = directory
        self.token = token
        """What it is asked with for its readiness."""
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = dict(
            zip(("http", "dns", "server", "serf-lan", "serf-wan"), free_ports(5), strict=True), grpc=-1
        )
        self.port = self._ports["http"]
        self.http = f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://host:port` of its API."""
        return f"http://{self.http}"

    @property
    def log(self) -> Path:
        """What it wrote to its standard output, over all its lives."""
        return self.directory / "consul.log"

    def launch(self, *more: str) -> None:
        """Start it, on the same ports as before, without waiting for a leader.

        Args:
            more: arguments for this life only.
        """
        ports = [f"-{name}-port={port}" for name, port in self._ports.items()]
        command = [str(consul_binary()), "agent", "-dev", "-client=127.0.0.1", "-bind=127.0.0.1", *ports]
        command += ["-hcl=disable_update_check = true", *self._arguments, *more]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log)

    def start(self, *more: str) -> None:
        """Start it, on the same ports as before, and wait until it has a leader. See `launch`."""
        self.launch(*more)
        self.wait_for_leader()

    def wait_for_leader(self) -> None:
        """Wait until it can answer for the catalog."""
        deadline = time.monotonic() + LEADER_DEADLINE
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(
                    f"consul did not get ready; its last words:\n{self.log.read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """Whether it has a leader, and its own node with its health check is in the catalog."""
        try:
            request = urllib.request.Request(f"{self.url}/v1/health/state/passing")
            request.add_header("X-Consul-Token", self.token)
            with urllib.request.urlopen(request, timeout=2) as answer:
                return b"serfHealth" in answer.read()
        except (OSError, urllib.error.URLError):
            return False

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as `kill -9` does; all that it knew is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to leave, and wait until it has gone."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        """`kill()`, then `start()`: an empty registry under the same address."""
        self.kill()
        self.start()


@pytest.fixture(scope="session")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulAgent]:
    """The agent that tests of one process share; each test uses service names and keys of its own."""
    agent = ConsulAgent(tmp_path_factory.mktemp("consul"))
    agent.start()
    yield agent
    agent.stop()


@pytest.fixture
def own_consul(tmp_path: Path) -> Iterator[ConsulAgent]:
    """An agent for one test alone, which may kill, start and restart it."""
    agent = ConsulAgent(tmp_path)
    agent.start()
    yield agent
    agent.stop()


class GuardedConsul(ConsulAgent):
    """An agent with ACLs, which deny what no token allows; its own `token` may do everything."""

    def __init__(self, directory: Path) -> None:
        acl = 'acl { enabled = true default_policy = "deny" tokens { master = "root" agent = "root" } }'
        super().__init__(directory, f"-hcl={acl}", token="root")
        self._policies = 0

    def put(self, path: str, content: object = None) -> Any:
        """Make a call with its own token; return the JSON document, if there is one."""
        body = json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", body, method="PUT")
        request.add_header("X-Consul-Token", self.token)
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body.strip() else None

    def policy(self, rules: str) -> str:
        """Make a policy; return its name."""
        self._policies += 1
        name = f"policy-{self._policies}"
        self.put("acl/policy", {"Name": name, "Rules": rules})
        return name

    def issue(self, rules: str) -> dict[str, str]:
        """Make a token with these rights; the result has its AccessorID and SecretID."""
        issued: dict[str, str] = self.put("acl/token", {"Policies": [{"Name": self.policy(rules)}]})
        return issued

    def restrict(self, token: dict[str, str], rules: str) -> None:
        """Replace the rights of a token."""
        self.put(f"acl/token/{token['AccessorID']}", {"Policies": [{"Name": self.policy(rules)}]})


@pytest.fixture(scope="session")
def guarded_consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedConsul]:
    """An agent with ACLs that tests of one process share; each test uses service names of its own."""
    agent = GuardedConsul(tmp_path_factory.mktemp("guarded-consul"))
    agent.start()
    yield agent
    agent.stop()
