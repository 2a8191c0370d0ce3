"""pylb with its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from bench.lib.packages import Checkout, Script, Source
from bench.lib.peers.peer import Peer, Site
from bench.lib.server import Command
from bench.lib.workload import service_host


class Pylb(Peer):
    """pylb with static backends.

    Args:
        name: its name in tables.
        workers: the number of workers.
        routes: the services and routes, as `--service` has them.
        source: where the command `pylb` is; by default beside the interpreter that runs the benchmark.
    """

    def __init__(
        self,
        name: str = "pylb",
        workers: int = 1,
        source: Source | None = None,
        routes: Sequence[str] = ("web",),
    ) -> None:
        super().__init__(name, source or Script("pylb"))
        self._workers = workers
        self._routes = routes

    def version(self) -> str:
        """The installed package's, or the commit of another checkout."""
        return self.source.commit() if isinstance(self.source, Checkout) else version("pylb")

    def command(self, site: Site) -> Command:
        """Configure the services with the same static backends.

        The admin API is off, because its default port is fixed and two pylbs would conflict.
        """
        origins = ",".join(f"127.0.0.1:{port}" for port in site.origins)
        listen = f"127.0.0.1:{site.port}"
        options = ["--static", origins, "--listen", listen, "--admin", "off"]
        for route in self._routes:
            options += ["--service", route]
        for number in range(2, site.services + 1):
            options += ["--service", f"web-{number}={service_host(number)}"]
        options += ["--workers", str(self._workers)]
        if site.tls_port:
            pair = str(site.certificate)
            options += ["--listen-tls", f"127.0.0.1:{site.tls_port}", "--tls-cert", pair, "--tls-key", pair]
        return Command([str(self.source.locate()), *options])
