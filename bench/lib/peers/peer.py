"""What the benchmark needs of a proxy: where its program is, and how to configure it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from bench.lib.packages import Source, version_of
from bench.lib.server import Command

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """The ports and files of one proxy. It forwards every path to the origins."""

    directory: Path
    """Directory for its configuration, its temporary files and its output."""
    port: int
    origins: tuple[int, ...]
    """Ports of 127.0.0.1."""
    tls_port: int = 0
    """Port of 127.0.0.1 that serves TLS; 0 for none."""
    h2c_port: int = 0
    """Port of 127.0.0.1 for HTTP/2 without TLS, for proxies that do not serve it on `port`; 0 for none."""
    certificate: Path = Path()
    """Certificate and key for TLS, in one file."""
    services: int = 1
    """Number of services, each with all origins as its backends.

    Host names select the services (`bench.lib.workload.service_host`). The first one is the default.
    """


class Peer(ABC):
    """A proxy. It runs with one worker or thread, upstream keep-alive, and no access log."""

    version_option = "--version"

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.source = source

    def version(self) -> str:
        """The version that the program prints."""
        return version_of(self.source, self.version_option)

    def h2c_port(self, site: Site) -> int:
        """Return the port that serves HTTP/2 without TLS: that of HTTP/1.1, where the preface decides."""
        return site.port

    @abstractmethod
    def command(self, site: Site) -> Command:
        """Write the configuration into `site.directory` and return the command.

        Raises:
            MissingError: the program is not installed, or cannot serve this site.
        """
