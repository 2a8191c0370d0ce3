import os
import ssl

import pytest

from pylb.proxy import tickets
from pylb.proxy.tls import Certificates
from tests.certificates import Authority

KEYS = os.urandom(80)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def handshake(server, client, session=None):
    """A connection between two contexts, in memory; the session that the client could resume it with."""
    wires = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(*wires, server_side=True)
    there = client.wrap_bio(*reversed(wires), server_hostname="shop.example", session=session)
    for _ in range(4):
        for end in (there, here):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    here.write(b"ticket")  # With TLS 1.3 the client gets its ticket with the first data.
    assert there.read(6) == b"ticket"
    return there.session, there.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("keys", "resumed"), [((KEYS, KEYS), True), ((KEYS, os.urandom(80)), False), ((b"", b""), False)]
)
def test_who_has_the_same_keys_resumes_the_sessions_of_the_other(authority, version, keys, resumed):
    pair = authority.sign("shop.example")
    one, other = (Certificates([pair], ticket_keys=each).context for each in keys)
    client = ssl.create_default_context(cafile=authority.certificate)
    client.maximum_version = version
    session, reused = handshake(one, client)
    assert not reused
    assert handshake(other, client, session)[1] is resumed


def test_where_openssl_cannot_be_reached_each_has_keys_of_its_own(authority, monkeypatch, caplog):
    monkeypatch.setattr(tickets._ssl, "__file__", "/missing.so")
    with caplog.at_level("INFO"):
        Certificates([authority.sign("shop.example")], ticket_keys=KEYS)
    assert "does not let workers share session tickets" in caplog.text


def test_too_few_bytes_are_no_keys():
    assert not tickets.share(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), KEYS[:48])
