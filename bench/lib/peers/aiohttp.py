"""Stock aiohttp: the cost of Python without pylb's request path."""

from __future__ import annotations

from importlib.metadata import version

from bench.lib.packages import MissingError, Script
from bench.lib.peers.peer import Peer, Site
from bench.lib.repository import REPOSITORY
from bench.lib.server import Command


class StockAiohttp(Peer):
    """`bench.lib.peers.stock_aiohttp` in a separate process."""

    def __init__(self) -> None:
        super().__init__("aiohttp", Script("python"))

    def version(self) -> str:
        """The version of aiohttp, not of Python."""
        return version("aiohttp")

    def command(self, site: Site) -> Command:
        """Run the module with this interpreter and this checkout."""
        if site.services > 1:
            raise MissingError("it supports one service only")
        argv = [str(self.source.locate()), "-m", "bench.lib.peers.stock_aiohttp"]
        argv += [str(each) for each in (site.port, site.tls_port, site.certificate, *site.origins)]
        return Command(argv, {"PYTHONPATH": str(REPOSITORY)})
