"""A real Consul holds what an instance says of TLS, and requests reach it so."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest

from pylb.balancer import Balancer
from pylb.config import Options, Url
from pylb.runtime.lifecycle import ProcessState
from tests.certificates import Authority
from tests.environment import answers
from tests.until import until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def backend(authority):
    """The port of a web service with TLS for the name `backend.example` only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("backend.example"))
    server = await asyncio.start_server(answers(b"hello"), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


@asynccontextmanager
async def balanced(consul, service, **options):
    """A pylb that balances a service; what answers requests to it."""
    listening = socket.create_server(("127.0.0.1", 0))
    balancer = Balancer(Options(consul=Url("http", "127.0.0.1", consul.port), service=(service,), **options))
    serving = asyncio.get_running_loop().create_task(balancer.serve([listening], admin=()))
    await balancer.lifecycle.wait(ProcessState.SERVING)
    yield balancer, f"http://127.0.0.1:{listening.getsockname()[1]}/"
    balancer.stop()
    await serving


@pytest.mark.parametrize(
    ("service", "definition"),
    [
        ("tls-meta", {"Meta": {"lb_tls": "true", "lb_tls_name": "backend.example"}}),
        ("tls-tags", {"Tags": ["lb_tls", "lb_tls_name=backend.example"]}),
    ],
)
async def test_tls_settings_of_an_instance_apply(consul, authority, backend, service, definition):
    body = {"ID": f"{service}-1", "Name": service, "Address": "127.0.0.1", "Port": backend, **definition}
    async with (
        balanced(consul, service, upstream_tls_ca=authority.certificate) as (balancer, url),
        aiohttp.ClientSession() as client,
    ):
        async with client.put(f"{consul.url}/v1/agent/service/register", json=body) as answer:
            assert answer.status == 200, await answer.text()
        await until(lambda: balancer.worker.pools[service].eligible)
        async with client.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, b"hello")


async def test_an_invalid_setting_excludes_only_its_instance(consul, authority, backend):
    common = {"Name": "tls-odd", "Address": "127.0.0.1", "Port": backend}
    good = {"ID": "good", **common, "Meta": {"lb_tls": "true", "lb_tls_name": "backend.example"}}
    odd = {"ID": "odd", **common, "Port": 9, "Meta": {"lb_tls": "true", "lb_tls_name": "a..b"}}
    async with (
        balanced(consul, "tls-odd", upstream_tls_ca=authority.certificate) as (balancer, url),
        aiohttp.ClientSession() as client,
    ):
        for body in (odd, good):
            async with client.put(f"{consul.url}/v1/agent/service/register", json=body) as answer:
                assert answer.status == 200, await answer.text()
        pool = balancer.worker.pools["tls-odd"]
        await until(lambda: pool.eligible and pool.applied.excluded)
        (excluded,) = pool.applied.excluded
        assert excluded.reason == "invalid: lb_tls_name: expected a host name or an IP address, got 'a..b'"
        for _ in range(5):
            async with client.get(url) as answer:
                assert answer.status == 200
