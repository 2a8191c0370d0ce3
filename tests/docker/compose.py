"""The repository's compose files, run on a Docker engine of the test run's own."""

import json
import re
from pathlib import Path

from tests.docker.init import ADDRESS

ROOT = Path(__file__).parents[2]
NEW, OLD = ("docker", "compose"), ("docker-compose",)
"""The commands of Compose's two generations."""
PAGE = f"http://{ADDRESS}:8080/"
"""The port that the load balancer publishes."""
ADMIN = "http://127.0.0.1:8081"
CONSUL = "http://127.0.0.1:8500"


class Stack:
    """One compose file, with one of Compose's two commands.

    Methods block; a test that has a loop to keep running calls them by `asyncio.to_thread`.
    """

    def __init__(self, engine, file="compose.yml", command=NEW):
        self.engine = engine
        self._command = [*command, "--project-name", "recipe", "--file", str(ROOT / file)]

    def compose(self, *words):
        """What the command prints.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        done = self.engine.command(*self._command, *words)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def up(self, *, web):
        """Bring all up, or change the number of instances of web; build the image if there is none."""
        self.compose("up", "--detach", "--scale", f"web={web}")

    def create_anew(self, service):
        """Remove a service's container with all that is in it, and make another one."""
        self.compose("up", "--detach", "--no-deps", "--force-recreate", service)

    def down(self):
        self.compose("down")

    def containers(self, service):
        """The short ids of a service's containers that run; an instance of web calls itself by its own."""
        return {line[:12] for line in self.compose("ps", "--quiet", service).split()}

    def container(self, service):
        """The only one."""
        (found,) = self.containers(service)
        return found

    def inspect(self, container):
        return json.loads(self.engine.docker("inspect", container))[0]


def answered_by(page):
    """The instance that has made a page of the sample web service."""
    return re.search(r"answered by (\w+) at", page)[1]
