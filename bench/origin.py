"""The origin that all proxies forward to: nginx with one worker, on the cores of the load."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.packages import AptPackage
from bench.ports import free_port
from bench.server import Command, Server, serve
from bench.template import render
from bench.workload import FILES, SMALL_ANSWER

NGINX = AptPackage("nginx", "nginx")


@contextmanager
def serve_origin(directory: Path, cores: Sequence[int]) -> Iterator[Server]:
    """Run the origin of `workload.WORKLOADS` for as long as the context lasts.

    Raises:
        MissingError: there is no nginx.
    """
    files = directory / "files"
    files.mkdir()
    for name, size in FILES.items():
        (files / name).write_bytes(bytes(size))
    port = free_port()
    template = Path(__file__).with_suffix(".conf")
    config = render(template, directory, port=port, small=SMALL_ANSWER, user=getpass.getuser())
    command = Command([str(NGINX.locate()), "-p", str(directory), "-c", str(config)])
    with serve("origin", command, port, directory, cores) as origin:
        origin.wait_until_it_answers("/small")
        yield origin
