import asyncio
import socket
import ssl

import pytest

from pylb.config.backends import Health
from pylb.discovery.probes.client import ProbeClient
from pylb.discovery.probes.result import Result
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint
from tests.certificates import Authority
from tests.environment import answers, read_request


class Server:
    """A scripted server and its endpoint."""

    def __init__(self, handler):
        self.handler = handler
        self.heads = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _serve(self, reader, writer):
        try:
            await self.handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def endpoint(self):
        return Endpoint("web", "127.0.0.1", self.server.sockets[0].getsockname()[1])


class Configured:
    """A client with the rules of one service."""

    def __init__(self, rules):
        self._client, self._rules = ProbeClient(), rules
        self.close = self._client.close

    async def probe(self, endpoint, how):
        return await self._client.probe(endpoint, how, self._rules)


def configured(timeout, tls=lambda _: None, host=None):
    return Configured(ProbeRules(Health(probe_timeout=timeout, probe_host=host), tls))


@pytest.fixture
async def probe():
    probe = configured(0.5)
    yield probe
    await probe.close()


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (204, True), (302, True), (404, False), (503, False)]
)
async def test_a_status_from_200_to_399_is_a_success(probe, status, well):
    async with Server(answers(b"", status=b"%d X" % status)) as server:
        answer = await probe.probe(server.endpoint, "/health")
        assert answer == Result(well, "" if well else f"GET /health: {status}")


@pytest.mark.parametrize("host", ["", "shop.example.com", "shop.example.com:8080"])
async def test_the_host_of_a_probe_can_be_set(host):
    heads = []

    async def picky(reader, writer):
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Server(picky) as server:
        probe = configured(5.0, host=host)
        assert (await probe.probe(server.endpoint, "/health")).well
        await probe.close()
        assert f"\r\nHost: {host or server.endpoint.authority}\r\n".encode() in heads[0]
        assert heads[0].count(b"Host:") == 1


async def test_a_probe_has_a_user_agent_and_a_separate_connection(probe):
    heads = []

    async def once(reader, writer):
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Server(once) as server:
        for _ in range(2):
            assert (await probe.probe(server.endpoint, "/up?x=1")).well
        assert [head.split(b"\r\n")[0] for head in heads] == [b"GET /up?x=1 HTTP/1.1"] * 2
        assert all(b"pylb-probe" in head for head in heads)


@pytest.mark.parametrize("how", ["/", "tcp"])
async def test_a_refused_connection_is_a_failure_with_a_reason(probe, how):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answer = await probe.probe(Endpoint("web", *unused.getsockname()), how)
    assert (answer.well, answer.unreachable) == (False, True)
    assert "refused" in answer.why


INVALID = ["a..b", "a" * 64 + ".example", "", "a b", "a\0b", "::1%no\r\nsuch", "fe80::1%none", "\ud800"]


@pytest.mark.parametrize("how", ["/", "tcp"])
@pytest.mark.parametrize("address", INVALID)
async def test_an_unresolvable_address_is_a_failure(probe, how, address):
    answer = await probe.probe(Endpoint("web", address, 9), how)
    assert not answer.well
    assert answer.why


# asyncio leaves the socket to the garbage collector when it cannot make an SSL object.
@pytest.mark.logs_error(r"unclosed <socket")
async def test_an_invalid_tls_name_is_a_failure():
    for name in (".x", "a" * 64, "a\0b", "é..x"):
        probe = configured(2.0, lambda _, name=name: (ssl.create_default_context(), name))
        async with Server(answers(b"")) as server:
            answer = await probe.probe(server.endpoint, "/")
        await probe.close()
        assert not answer.well
        assert answer.why


async def test_silence_and_invalid_http_are_failures_except_for_tcp_probes():
    async def silence(reader, writer):
        await reader.read(-1)

    async def nonsense(reader, writer):
        await read_request(reader)
        writer.write(b"SSH-2.0-x\r\n\r\n")

    probe = configured(0.1)
    async with Server(silence) as server:
        assert await probe.probe(server.endpoint, "/") == Result(well=False, why="no response within 0.1 s")
        assert (await probe.probe(server.endpoint, "tcp")).well
    async with Server(nonsense) as server:
        answer = await probe.probe(server.endpoint, "/")
        assert (answer.well, answer.unreachable) == (False, False)
        assert answer.why
    await probe.close()


async def test_tls_backends_are_probed_over_tls(tmp_path):
    authority = Authority(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(*authority.sign("web.internal"))
    server = await asyncio.start_server(answers(b""), "127.0.0.1", 0, ssl=theirs)
    endpoint = Endpoint("web", "127.0.0.1", server.sockets[0].getsockname()[1])
    ours = ssl.create_default_context(cafile=authority.certificate)
    for name, well in (("web.internal", True), ("other.internal", False)):
        probe = configured(2.0, lambda _, name=name: (ours, name))
        answer = await probe.probe(endpoint, "/")
        assert answer.well == well, answer
        await probe.close()
    server.close()
