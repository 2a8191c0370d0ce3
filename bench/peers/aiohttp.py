"""Stock aiohttp: what Python costs without pylb's data plane."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from bench.packages import Script
from bench.peers.peer import Peer, Site
from bench.server import Command

REPOSITORY = Path(__file__).parents[2]


class StockAiohttp(Peer):
    """`bench.peers.stock_aiohttp` in a process of its own."""

    def __init__(self) -> None:
        super().__init__("aiohttp", Script("python"))

    def version(self) -> str:
        """aiohttp's, not Python's."""
        return version("aiohttp")

    def command(self, site: Site) -> Command:
        """Run the module with this interpreter, wherever the working directory is."""
        argv = [str(self.source.locate()), "-m", "bench.peers.stock_aiohttp"]
        ports = [str(port) for port in (site.port, *site.origins)]
        return Command([*argv, *ports], {"PYTHONPATH": str(REPOSITORY)})
