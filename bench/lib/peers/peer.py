"""What the benchmark has to know of a proxy: where its program is, and how it is told what to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from bench.lib.packages import Source, version_of
from bench.lib.server import Command

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """What a proxy is asked to serve: every path of the origins, on one port of 127.0.0.1."""

    directory: Path
    """For its configuration, its temporary files and its output."""
    port: int
    origins: tuple[int, ...]
    """Ports of 127.0.0.1."""
    tls_port: int = 0
    """Another port of 127.0.0.1, for TLS."""
    certificate: Path = Path()
    """A certificate and its key for it, in one file."""
    services: int = 1
    """How many there are, each with all of the origins as its backends. The first one takes what is for none
    of the others, and those are found by their host names (`bench.lib.workload.service_host`)."""


class Peer(ABC):
    """A proxy. It runs with one worker or thread, upstream keep-alive, and no access log."""

    version_option = "--version"

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.source = source

    def version(self) -> str:
        """The version that the program itself reports."""
        return version_of(self.source, self.version_option)

    @abstractmethod
    def command(self, site: Site) -> Command:
        """Write the configuration into `site.directory` and say what to execute.

        Raises:
            MissingError: there is no such program, or it has nothing for what the site wants.
        """
