"""A Prometheus of a test's own, which scrapes one pylb."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import aiohttp

from bench.lib.ports import free_ports
from tests.components import prometheus_binary

CONFIGURATION = """\
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: pylb
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """Scrapes twice a second and keeps what it finds in a directory; leave it with `with` and it ends.

    Args:
        directory: an empty one.
        target: `host:port` of what it scrapes.
        rules: a file with alerting rules.
    """

    def __init__(self, directory: Path, target: str, rules: Path) -> None:
        self._directory = directory
        self._configuration = directory / "prometheus.yml"
        self._configuration.write_text(CONFIGURATION.format(target=target, rules=rules))
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = [
            prometheus_binary(),
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    def __enter__(self) -> Prometheus:
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(self._arguments, cwd=self._directory, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    async def query(self, http: aiohttp.ClientSession, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now: series with `metric` and `value`; none while it is not up yet."""
        assert self._process.poll() is None, (self._directory / "prometheus.log").read_text()
        try:
            async with http.get(f"{self.url}/api/v1/query", params={"query": expression}) as answer:
                content = await answer.json(content_type=None) if answer.status == 200 else {}
        except aiohttp.ClientConnectionError:
            return []
        found: list[dict[str, Any]] = content.get("data", {}).get("result", [])
        return found
