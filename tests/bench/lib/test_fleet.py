"""Proxies with the configurations of the benchmarks."""

import http.client
import ssl
from contextlib import closing

import pytest
from rich.console import Console

from bench.lib.fleet import start_fleet, temporary_directory
from bench.lib.machine import Cores
from bench.lib.origin import serve_origin
from bench.lib.packages import MissingError
from bench.lib.peers.aiohttp import StockAiohttp
from bench.lib.peers.catalog import PEERS
from bench.lib.peers.peer import Site
from bench.lib.ports import free_ports
from bench.lib.workload import WORKLOADS, service_host

CONSOLE = Console(quiet=True)
MEASURED = [PEERS[name] for name in ("pylb", "nginx", "haproxy")]


def get(connection, number):
    connection.request("GET", WORKLOADS["small"].path, headers={"Host": service_host(number)})
    return connection.getresponse().read().decode()


@pytest.mark.slow
def test_each_proxy_serves_all_services_over_http_and_tls():
    cores, ports = Cores.split(), free_ports(2)
    with (
        temporary_directory() as directory,
        serve_origin(directory, cores.load, ports),
        start_fleet(MEASURED, ports, WORKLOADS["small"].path, cores, CONSOLE, services=3) as fleet,
    ):
        assert fleet.missing == {}
        for server in fleet.servers:
            clear = http.client.HTTPConnection("127.0.0.1", server.port)
            secure = http.client.HTTPSConnection(
                "127.0.0.1", server.tls_port, context=ssl._create_unverified_context()
            )
            with closing(clear), closing(secure):
                answers = {
                    get(connection, number) for connection in (clear, secure) for number in range(1, 5)
                }
            assert answers == {"A small answer, as an API or a health page sends."}


def test_a_proxy_that_supports_one_service_only_is_an_error_for_two(tmp_path):
    with pytest.raises(MissingError, match="one service only"):
        StockAiohttp().command(Site(tmp_path, 1, (2,), services=2))
