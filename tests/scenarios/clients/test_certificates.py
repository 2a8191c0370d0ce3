"""Certificates that are renewed while clients come and go: a directory, as a renewal job leaves it."""

import asyncio
import itertools
import re
import socket
import ssl
from collections import Counter

import pytest

from pylb.proxy import server
from tests.certificates import Authority, presented
from tests.environment import Client, Environment, answers

pytestmark = pytest.mark.slow

NAMES = ("a.example", "b.example", "c.example")
RENEWALS = 12


def renew(authority, name, number, folder):
    """A new certificate for a name, with a number of its own in its subject."""
    authority.sign(name, subject=f"/CN={name}/OU=renewal {number}", folder=folder)


def renewal(transport):
    """The number in the certificate that was shown."""
    subject = dict(part[0] for part in transport.get_extra_info("peercert")["subject"])
    return subject["commonName"], int(subject["organizationalUnitName"].removeprefix("renewal "))


async def come_and_go(port, context, seen, over):
    """A client that makes a new connection for each two requests, of the next name each time."""
    for name in itertools.cycle(NAMES):
        if over.is_set():
            return
        opening = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        client = Client(*await asyncio.wait_for(opening, 10))
        shown, number = renewal(client.writer)
        assert shown == name
        seen[number] += 1
        for _ in range(2):
            client.send(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % name.encode())
            assert (await client.answer())[0] == 200
        client.close()
        await client.writer.wait_closed()


async def keep_alive(port, context, over):
    """A client that keeps its connection for all its requests."""
    opening = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAMES[0])
    client = Client(*await opening)
    while not over.is_set():
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        assert (await client.answer())[0] == 200
    client.close()


async def s_client(port, name, *arguments):
    """What OpenSSL's client says of a connection."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-ign_eof", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    output, _ = await asyncio.wait_for(process.communicate(request.encode()), 20)
    return output.decode()


async def test_no_request_fails_while_certificates_are_renewed_under_load(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "CERTIFICATES", 0.0)
    authority = Authority(tmp_path / "authority")
    live = tmp_path / "live"
    live.mkdir()
    for name in NAMES:
        renew(authority, name, 0, live)
    context = ssl.create_default_context(cafile=authority.certificate)
    seen, over = Counter(), asyncio.Event()
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        listening = socket.create_server(("127.0.0.1", 0))
        await environment.server.listen_tls(listening, presented([], str(live)))
        port = listening.getsockname()[1]
        clients = asyncio.gather(
            *(come_and_go(port, context, seen, over) for _ in range(4)),
            *(keep_alive(port, context, over) for _ in range(4)),
        )
        session = str(tmp_path / "session")
        assert "\nNew, TLS" in await s_client(port, "b.example", "-sess_out", session)
        for number in range(1, RENEWALS + 1):
            for name in NAMES:
                await asyncio.to_thread(renew, authority, name, number, live)
            while not seen[number] and not clients.done():
                await asyncio.sleep(0.01)
        for name in NAMES:
            output = await s_client(port, name)
            assert re.search(rf"subject=CN = {name}, OU = renewal {RENEWALS}\n", output)
            assert "\nHTTP/1.1 200 OK" in output
        assert "\nReused, TLS" in await s_client(port, "b.example", "-sess_in", session)
        over.set()
        await clients
        assert set(seen) == set(range(RENEWALS + 1))
        assert {(record.status, record.termination) for record in environment.records} == {(200, "--")}
