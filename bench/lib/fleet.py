"""The proxies of one run, started side by side before the same origins."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from bench.lib.certificate import make_certificate
from bench.lib.machine import Cores
from bench.lib.packages import MissingError
from bench.lib.peers.peer import Peer, Site
from bench.lib.ports import free_port
from bench.lib.server import Server, StartError, serve


class Fleet:
    """The proxies that started, and for each of the others why it did not."""

    def __init__(self, directory: Path, cores: Cores, until: ExitStack, services: int = 1) -> None:
        self.servers: list[Server] = []
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self._directory = directory
        self._certificate = make_certificate(directory)
        self._cores = cores
        self._until = until
        self._services = services

    def start(self, peer: Peer, origins: Sequence[int], probe: str) -> None:
        """Start one proxy and wait until it answers the path `probe` with 200.

        A proxy that does not start is added to `missing`.
        """
        home = self._directory / peer.name
        home.mkdir()
        site = Site(
            home,
            free_port(),
            tuple(origins),
            tls_port=free_port(),
            h2c_port=free_port(),
            certificate=self._certificate,
            services=self._services,
        )
        try:
            command = peer.command(site)
            server = self._until.enter_context(serve(peer.name, command, site.port, home, self._cores.proxy))
            server.wait_until_ready(probe)
            server.tls_port, server.h2c_port = site.tls_port, peer.h2c_port(site)
            self.versions[peer.name] = peer.version()
        except (MissingError, StartError, subprocess.SubprocessError) as error:
            self.missing[peer.name] = str(error)
        else:
            self.servers.append(server)


@contextmanager
def start_fleet(
    peers: Sequence[Peer],
    origins: Sequence[int],
    probe: str,
    cores: Cores,
    console: Console,
    *,
    services: int = 1,
) -> Iterator[Fleet]:
    """Start proxies. When the context exits, stop them and remove their files."""
    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        fleet = Fleet(directory, cores, stack, services)
        for peer in peers:
            with console.status(f"starting {peer.name} (installed first if missing)"):
                fleet.start(peer, origins, probe)
        yield fleet


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """A temporary directory with mode 0755.

    nginx's workers drop root privileges and must read their files.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
