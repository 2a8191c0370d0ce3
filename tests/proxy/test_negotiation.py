"""The choice of a protocol by ALPN, with real handshakes."""

import asyncio
import ssl

import pytest

from pylb.proxy.negotiation import Negotiation
from tests.certificates import Authority


class Named(asyncio.Protocol):
    """Writes its name, and what it receives, and closes."""

    def __init__(self, name):
        self.name = name

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.name)

    def data_received(self, data):
        self.transport.write(data)
        self.transport.close()


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """The TLS contexts of a server that offers both protocols, and of its clients."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*authority.sign("shop.example"))
    server.set_alpn_protocols(["h2", "http/1.1"])
    return server, authority.certificate


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], b"two"), (["http/1.1", "h2"], b"two"), (["http/1.1"], b"one"), ([], b"one")],
)
async def test_the_protocol_is_the_negotiated_one(contexts, offered, chosen):
    server_context, certificate = contexts
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Negotiation({"h2": lambda: Named(b"two")}, lambda: Named(b"one")),
        "127.0.0.1",
        0,
        ssl=server_context,
    )
    context = ssl.create_default_context(cafile=certificate)
    if offered:
        context.set_alpn_protocols(offered)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="shop.example"
    )
    writer.write(b"!")
    assert await asyncio.wait_for(reader.read(-1), 5) == chosen + b"!"
    writer.close()
    server.close()
