"""TLS on the clients' side, with real handshakes."""

import asyncio
import os
import socket
import ssl
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from pylb.errors import StartError
from pylb.proxy import server, sweep
from pylb.proxy.tls.certificates import names
from tests.certificates import Authority, presented
from tests.environment import HOST, Client, Environment, answers, read_request
from tests.until import until

pytestmark = pytest.mark.slow

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pairs(authority):
    return [authority.sign("shop.example", "127.0.0.1"), authority.sign("*.Wild.example", "api.example")]


async def serve(environment, certificates):
    """Open a TLS listener; return its port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    await environment.server.listen_tls(listening, certificates)
    return listening.getsockname()[1]


def trusting(authority, **settings):
    context = ssl.create_default_context(cafile=authority.certificate)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


async def connect(port, context, name="shop.example"):
    pending = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name, limit=1 << 20)
    return Client(*await asyncio.wait_for(pending, 10))


def common_name(client):
    return dict(part[0] for part in client.writer.get_extra_info("peercert")["subject"])["commonName"]


async def test_requests_over_tls_have_forwarding_fields(authority, pairs):
    heads = []

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with Environment() as environment:
        await environment.origin(handle)
        port = await serve(environment, presented(pairs))
        client = await connect(port, context := trusting(authority))
        for _ in range(3):
            assert (await client.send(GET + b"").answer())[2] == b"hello"
        tls = client.writer.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        client.close()
        context.set_alpn_protocols(["http/1.1", "h2"])
        client = await connect(port, context)
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        client.close()
    assert b"\r\nX-Forwarded-Proto: https\r\n" in heads[0]
    assert b"\r\nX-Forwarded-Port: 443\r\n" in heads[0]
    assert b"X-Client-Cert" not in heads[0]


async def test_a_handshake_started_before_the_drain_is_finished(authority, pairs):
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        port = await serve(environment, presented(pairs))
        accepted = socket.create_connection(("127.0.0.1", port))
        client = await connect(port, trusting(authority))  # Whoever came before has been accepted, too.
        client.close()
        await until(lambda: not environment.server.context.connections)
        draining = asyncio.ensure_future(environment.server.drain(10))  # noqa: TID251
        begun = monotonic()
        await until(lambda: monotonic() > begun + sweep.PERIOD)
        assert not draining.done(), "nobody is listed, but somebody may come"
        streams = asyncio.open_connection(
            sock=accepted, ssl=trusting(authority), server_hostname="shop.example"
        )
        client = Client(*await asyncio.wait_for(streams, 10))
        _, head, body = await client.send(GET).answer()
        assert body == b"hello"
        assert b"\r\nConnection: close\r\n" in head
        assert await draining == 0
        client.close()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example", "shop.example"),
        ("a.wild.example", "*.Wild.example"),
        ("api.example", "*.Wild.example"),
        ("127.0.0.1", "shop.example"),
    ],
)
async def test_the_certificate_is_selected_by_sni(authority, pairs, asked, shown):
    async with Environment() as environment:
        client = await connect(await serve(environment, presented(pairs)), trusting(authority), asked)
        assert common_name(client) == shown
        client.close()


@pytest.mark.parametrize("asked", ["other.example", "a.b.wild.example"])
async def test_an_unknown_name_receives_the_first_certificate(authority, pairs, asked):
    async with Environment() as environment:
        context = trusting(authority, check_hostname=False)
        client = await connect(await serve(environment, presented(pairs)), context, asked)
        assert common_name(client) == "shop.example"
        client.close()


async def test_tls_before_1_2_is_rejected(authority, pairs):
    async with Environment() as environment:
        port = await serve(environment, presented(pairs))
        context = trusting(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("DEFAULT")
        client = await connect(port, context)
        assert (
            "GCM" in client.writer.get_extra_info("cipher")[0]
            or "CHACHA" in client.writer.get_extra_info("cipher")[0]
        )
        client.close()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(port, context)


@pytest.mark.parametrize(
    ("ciphers", "accepted"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA", False),
        ("AES128-GCM-SHA256", False),
        ("DHE-RSA-AES128-GCM-SHA256", False),
    ],
)
async def test_with_tls_1_2_only_forward_secrecy_and_authenticated_encryption_are_accepted(
    authority, pairs, ciphers, accepted
):
    async with Environment() as environment:
        port = await serve(environment, presented(pairs))
        context = trusting(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        if accepted:
            client = await connect(port, context)
            assert client.writer.get_extra_info("cipher")[0] in ciphers.split(":")
            client.close()
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(port, context)


def s_client(port, *arguments):
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "shop.example", *arguments],
        input=b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        capture_output=True,
        timeout=20,
    ).stdout


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_session_is_resumed_even_after_the_certificate_has_changed(tmp_path, version):
    authority = Authority(tmp_path)
    pair = authority.sign("shop.example")
    async with Environment() as environment:
        await environment.origin(answers(b"hello", extra=b"Connection: close\r\n"))
        certificates = presented([pair])
        port = await serve(environment, certificates)
        session = str(tmp_path / "session")
        first = await asyncio.to_thread(s_client, port, version, "-ign_eof", "-sess_out", session)
        assert b"\nNew, TLS" in first
        authority.sign("shop.example")
        certificates.refresh()
        second = await asyncio.to_thread(s_client, port, version, "-ign_eof", "-sess_in", session)
        assert b"\nReused, TLS" in second


async def test_a_changed_certificate_is_loaded_without_affecting_connections(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "CERTIFICATES", 0.0)
    authority = Authority(tmp_path)
    pair = authority.sign("shop.example", subject="/CN=old")
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        port = await serve(environment, presented([pair]))
        kept = await connect(port, context := trusting(authority))
        authority.sign("shop.example", subject="/CN=new")
        shown = ""
        while shown != "new":
            client = await connect(port, context)
            assert (await client.send(GET).answer())[2] == b"hello"
            shown = common_name(client)
            client.close()
        assert (await kept.send(GET).answer())[2] == b"hello"
        kept.close()


@pytest.mark.logs_error(r"certificates have changed but cannot be used")
def test_an_invalid_change_keeps_the_previous_certificate(tmp_path, caplog):
    chain, _ = pair = Authority(tmp_path).sign("shop.example")
    certificates = presented([pair])
    before = certificates._contexts
    Path(chain).write_text("broken")
    for _ in range(4):
        certificates.refresh()
    assert certificates._contexts is before
    assert len([record for record in caplog.records if "cannot be used" in record.message]) == 1
    os.unlink(chain)
    certificates.refresh()
    assert certificates._contexts is before


def test_a_new_chain_without_its_new_key_is_not_an_error_at_first(tmp_path):
    chain, key = pair = Authority(tmp_path).sign("shop.example")
    certificates = presented([pair])
    before = certificates._contexts
    new_chain, new_key = Authority(tmp_path / "new").sign("shop.example")
    os.replace(new_chain, chain)
    certificates.refresh()
    assert certificates._contexts is before
    os.replace(new_key, key)
    certificates.refresh()
    assert certificates._contexts is not before


def test_a_directory_and_what_comes_into_it(tmp_path):
    authority = Authority(tmp_path / "signed")
    folder = tmp_path / "live"
    folder.mkdir()
    for name in ("a.example", "b.example"):
        for path, suffix in zip(authority.sign(name), (".crt", ".key"), strict=True):
            (folder / f"{name}{suffix}").symlink_to(path)
    certificates = presented([], str(folder))
    assert set(certificates._contexts) == {"", "a.example", "b.example"}
    (folder / "c.example").mkdir()
    for path, name in zip(authority.sign("c.example"), ("fullchain.pem", "privkey.pem"), strict=True):
        (folder / "c.example" / name).symlink_to(path)
    certificates.refresh()
    assert "c.example" in certificates._contexts


def test_names_of_a_certificate(pairs):
    assert [names(chain) for chain, _ in pairs] == [["shop.example"], ["*.wild.example", "api.example"]]


def test_invalid_files_are_one_line_errors(tmp_path, pairs):
    (good, key), (_, other) = pairs
    for wrong in ([(good, other)], [("/nowhere.crt", key)], [(str(tmp_path), key)]):
        with pytest.raises(StartError, match=r"^TLS: [^\n]+$"):
            presented(wrong)
    with pytest.raises(StartError, match="expected certificates"):
        presented([], str(tmp_path))


async def test_a_handshake_has_a_timeout(pairs):
    async with Environment(head_timeout=0.2) as environment:
        port = await serve(environment, presented(pairs))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_the_client_can_detect_a_truncated_body_over_tls(authority, pairs):
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")

    async with Environment() as environment:
        await environment.origin(handle)
        client = await connect(await serve(environment, presented(pairs)), trusting(authority))
        await client.send(GET).head()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(100)
        await until(lambda: environment.records)
        assert environment.records[0].termination == "SD"


async def test_a_large_response_that_closes_arrives_completely(authority, pairs):
    body = os.urandom(3_000_000)
    async with Environment() as environment:
        await environment.origin(answers(body))
        client = await connect(await serve(environment, presented(pairs)), trusting(authority))
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert (await client.answer())[2] == body
        assert await client.rest() == b""


async def test_a_tunnel_by_tls(authority, pairs):
    async def handle(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        writer.write(await reader.readexactly(4))
        await reader.read(-1)

    async with Environment() as environment:
        origin = await environment.origin(handle)
        client = await connect(await serve(environment, presented(pairs)), trusting(authority))
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\n")
        assert b" 101 " in await client.head()
        assert await client.send(b"ping").reader.readexactly(4) == b"ping"
        client.close()
        await until(lambda: origin.open == 0)
        await until(lambda: not environment.server.context.connections)


async def test_hsts_is_sent_once_and_only_over_tls(authority, pairs):
    async with Environment(context={"hsts": 300}) as environment:
        await environment.origin(answers(b"hello"))
        client = await connect(await serve(environment, presented(pairs)), trusting(authority))
        assert b"\r\nStrict-Transport-Security: max-age=300\r\n" in (await client.send(GET).answer())[1]
        assert b"Strict-Transport-Security" not in (await environment.get())[1]
        client.close()
    async with Environment(context={"hsts": 300}) as environment:
        await environment.origin(answers(b"hello", extra=b"strict-transport-security: max-age=1\r\n"))
        client = await connect(await serve(environment, presented(pairs)), trusting(authority))
        assert (await client.send(GET).answer())[1].lower().count(b"strict-transport-security") == 1
        client.close()


async def test_a_slow_reader_receives_all_of_the_last_response(authority, pairs, monkeypatch):
    """However little time it has to answer the end of TLS: that begins when it can have read everything."""
    monkeypatch.setattr(server, "TLS_GOODBYE", 0.001)
    body = os.urandom(600_000)
    reading = socket.socket()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    async with Environment() as environment:
        await environment.origin(answers(body))
        reading.connect(("127.0.0.1", await serve(environment, presented(pairs))))
        reading.setblocking(False)
        client = Client(
            *await asyncio.open_connection(
                sock=reading, ssl=trusting(authority), server_hostname="shop.example", limit=1024
            )
        )
        client.writer.transport.pause_reading()
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        await until(lambda: environment.records)
        swept = environment.server.sweep.due
        await until(lambda: environment.server.sweep.due > swept + 2 * sweep.PERIOD)
        client.writer.transport.resume_reading()
        assert (await client.answer())[2] == body
        assert await client.rest() == b""


def leave(client, how):
    """End a TLS client's connection: with TLS's own end, with TCP's end only, or with a reset."""
    if how == "close_notify":
        client.unwrap()
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("how", ["close_notify", "end", "reset"])
@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"\0\r\n\r\n", GET, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
)
@pytest.mark.parametrize("reads", [True, False])
async def test_a_client_may_disconnect_at_any_time_in_any_way(authority, pairs, sent, how, reads):
    body = os.urandom(300_000)
    context = trusting(authority)
    async with Environment() as environment:
        await environment.origin(answers(body))
        port = await serve(environment, presented(pairs))
        plain = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
        client = await asyncio.to_thread(context.wrap_socket, plain, server_hostname="shop.example")
        await until(lambda: environment.server.context.connections)
        await asyncio.to_thread(client.sendall, sent)
        if reads and b"\r\n\r\n" in sent:
            assert (await asyncio.to_thread(client.recv, 100)).startswith(b"HTTP/1.1 ")
        with suppress(OSError):
            await asyncio.to_thread(leave, client, how)
        client.close()
        await until(lambda: not environment.server.context.connections)
