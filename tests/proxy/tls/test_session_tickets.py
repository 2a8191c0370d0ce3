import os
import ssl
from pathlib import Path

import pytest

from pylb.proxy.tls import session_tickets
from tests.certificates import Authority, presented

KEYS = os.urandom(80)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


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


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("keys", "resumed"), [((KEYS, KEYS), True), ((KEYS, os.urandom(80)), False), ((b"", b""), False)]
)
def test_contexts_with_the_same_keys_resume_each_others_sessions(authority, version, keys, resumed):
    pair = authority.sign("shop.example")
    one, other = (presented([pair], ticket_keys=each).context for each in keys)
    client = ssl.create_default_context(cafile=authority.certificate)
    client.maximum_version = version
    session, reused = handshake(one, client)
    assert not reused
    assert handshake(other, client, session)[1] is resumed


@pytest.fixture
def clients(tmp_path):
    """Authorities of clients, one for each name."""
    return {name: Authority(tmp_path / name, name) for name in ("kept", "removed")}


def written(path, *authorities):
    """A file with the certificates of these authorities."""
    path.write_text("".join(Path(each.certificate).read_text() for each in authorities))
    return str(path)


def showing(authority, client_pair, version):
    """Return a client context with a certificate."""
    context = ssl.create_default_context(cafile=authority.certificate)
    context.maximum_version = version
    context.load_cert_chain(*client_pair)
    return context


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("keys", [KEYS, b""], ids=["shared", "own"])
def test_a_client_of_a_removed_authority_cannot_resume(authority, clients, tmp_path, version, keys):
    pair = authority.sign("shop.example")
    trusted = written(tmp_path / "authorities", *clients.values())
    certificates = presented([pair], tls_client_ca=trusted, ticket_keys=keys)
    kept, removed = (showing(authority, clients[name].sign("alice"), version) for name in ("kept", "removed"))
    sessions = [handshake(certificates.context, client)[0] for client in (kept, removed)]
    assert all(
        handshake(certificates.context, client, session)[1]
        for client, session in zip((kept, removed), sessions, strict=True)
    )
    written(tmp_path / "authorities", clients["kept"])
    certificates.refresh()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates.context, removed, sessions[1])
    session, reused = handshake(certificates.context, kept, sessions[0])
    assert not reused, "it is verified once more"
    assert handshake(certificates.context, kept, session)[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_another_process_with_the_same_keys_resumes_under_the_same_authorities_only(
    authority, clients, tmp_path, version
):
    pair = authority.sign("shop.example")
    both = written(tmp_path / "both", *clients.values())
    one = written(tmp_path / "one", clients["removed"])

    def server(client_ca, **rule):
        return presented([pair], tls_client_ca=client_ca, ticket_keys=KEYS, **rule).context

    client = showing(authority, clients["removed"].sign("alice"), version)
    session, _ = handshake(server(both), client)
    assert handshake(server(both), client, session)[1]
    for other in (server(one), server(None), server(both, tls_client_required=True)):
        assert not handshake(other, client, session)[1]


@pytest.mark.logs_error("certificates have changed but cannot be used")
def test_where_openssl_cannot_be_reached_changed_authorities_count_after_a_restart(
    authority, clients, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(session_tickets._ssl, "__file__", "/missing.so")
    trusted = written(tmp_path / "authorities", *clients.values())
    certificates = presented([authority.sign("shop.example")], tls_client_ca=trusted)
    before = certificates._contexts
    written(tmp_path / "authorities", clients["kept"])
    certificates.refresh()
    certificates.refresh()
    assert certificates._contexts is before
    assert f"{trusted}: with this Python a change counts after a restart" in caplog.text


def test_where_openssl_cannot_be_reached_each_has_keys_of_its_own(authority, monkeypatch, caplog):
    monkeypatch.setattr(session_tickets._ssl, "__file__", "/missing.so")
    with caplog.at_level("INFO"):
        presented([authority.sign("shop.example")], ticket_keys=KEYS)
    assert "does not let workers share session tickets" in caplog.text


def test_too_few_bytes_are_no_keys():
    assert not session_tickets.share(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), KEYS[:48])
