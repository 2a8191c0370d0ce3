"""The origin of the hot path measurements: nginx with one worker, on the cores of the load."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.lib.packages import AptPackage
from bench.lib.ports import free_port
from bench.lib.server import Command, Server, serve
from bench.lib.template import render
from bench.lib.workload import FILES, SMALL_ANSWER

NGINX = AptPackage("nginx", "nginx")


@contextmanager
def serve_origin(directory: Path, cores: Sequence[int], ports: Sequence[int] = ()) -> Iterator[Server]:
    """Run the origin that answers all `workload.WORKLOADS` while the context is open.

    Args:
        directory: receives its files.
        cores: its CPU cores.
        ports: ports of 127.0.0.1, each of which acts as one origin; by default one free port.

    Raises:
        MissingError: nginx is not installed.
    """
    files = directory / "files"
    files.mkdir()
    for name, size in FILES.items():
        (files / name).write_bytes(bytes(size))
    ports = ports or [free_port()]
    template = Path(__file__).with_suffix(".conf")
    listen = "\n        ".join(f"listen 127.0.0.1:{port} backlog=4096;" for port in ports)
    config = render(template, directory, listen=listen, small=SMALL_ANSWER, user=getpass.getuser())
    command = Command([str(NGINX.locate()), "-p", str(directory), "-c", str(config)])
    with serve("origin", command, ports[0], directory, cores) as origin:
        origin.wait_until_ready("/small")
        yield origin
