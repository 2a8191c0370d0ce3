"""Clients with certificates: the fields for the web service, and rejected clients."""

import asyncio
import socket
import ssl

import pytest

from tests.certificates import Authority, presented
from tests.environment import HOST, Client, Environment, read_request


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("shop.example")


async def forwarded_head(authority, pair, client_pair, **settings):
    heads = []

    async def handle(reader, writer):
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Environment() as environment:
        await environment.origin(handle)
        listening = socket.create_server(("127.0.0.1", 0))
        certificates = presented([pair], tls_client_ca=authority.certificate, **settings)
        await environment.server.listen_tls(listening, certificates)
        context = ssl.create_default_context(cafile=authority.certificate)
        if client_pair:
            context.load_cert_chain(*client_pair)
        where = listening.getsockname()
        opening = asyncio.open_connection(*where, ssl=context, server_hostname="shop.example")
        client = Client(*await asyncio.wait_for(opening, 10))
        claimed = b"X-Client-Cert-Subject: CN=root\r\nX_Client-Cert-Pem: x\r\n"
        client.send(b"GET / HTTP/1.1\r\n" + HOST + claimed + b"\r\n")
        try:
            assert (await client.answer())[0] == 204
        finally:
            client.close()
    return heads[0]


async def test_a_client_certificate_is_forwarded_and_cannot_be_forged(authority, pair):
    client_pair = authority.sign("alice", subject="/O=Shop/CN=Alice")
    head = await forwarded_head(authority, pair, client_pair)
    assert b"\r\nX-Client-Cert-Subject: CN=Alice,O=Shop\r\n" in head
    assert head.count(b"X-Client-Cert-Subject") == 1
    assert b"\r\nX-Client-Cert-Serial: " in head
    assert b"\r\nX-Client-Cert-Fingerprint: " in head
    assert b"X-Client-Cert-Issuer" not in head
    assert b"X-Client-Cert" not in await forwarded_head(authority, pair, None)


async def test_the_selected_certificate_fields_are_forwarded(authority, pair):
    client_pair = authority.sign("alice", subject="/CN=alice,OU=admins")
    head = await forwarded_head(authority, pair, client_pair, tls_client_fields={"subject", "issuer", "pem"})
    fields = [line for line in head.split(b"\r\n") if line.startswith(b"X-Client-Cert-")]
    assert fields[0].startswith(b"X-Client-Cert-Pem: -----BEGIN%20CERTIFICATE-----%0A")
    assert fields[1:] == [
        rb"X-Client-Cert-Subject: CN=alice\,OU=admins",
        b"X-Client-Cert-Issuer: CN=authority",
    ]


async def test_a_client_without_a_trusted_certificate_is_rejected(authority, pair, tmp_path):
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await forwarded_head(authority, pair, None, tls_client_required=True)
    stranger = Authority(tmp_path, "stranger").sign("alice")
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await forwarded_head(authority, pair, stranger)
