"""The certificate fields for backends: each name has a unique text."""

import hashlib
import re
import ssl
import subprocess
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.proxy.tls.client_certificate import FIELDS, distinguished_name, field_lines
from tests.certificates import Authority, resign

pytestmark = pytest.mark.slow

NAMES = [
    "/CN=bob/OU=admins",
    "/CN=bob,organizationalUnitName=admins",
    "/CN=bob,OU=admins",
    "/CN=bob+OU=admins",
    '/CN= "quoted"; <a> \\\\ b /O=#1',
    "/CN=#bob/O= ",
    "/CN=J\\\\u00e4ger",
    "/CN=Jäger",
    "/CN=东京/C=JP/ST=a/L=b/street=c/DC=d/UID=e/emailAddress=f@g",
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def by_openssl(chain, name):
    """A certificate's subject or issuer as OpenSSL writes it after RFC 2253, RFC 4514's predecessor."""
    command = ["openssl", "x509", "-in", chain, "-noout", f"-{name}", "-nameopt", "RFC2253"]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return written.removeprefix(f"{name}=").removesuffix("\n").replace("street=", "STREET=")


def fields_of(authority, pair, chosen=FIELDS):
    """Return the fields for a certificate that a client presents in a handshake, by name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.sign("shop.example"))
    server.load_verify_locations(authority.certificate)
    server.verify_mode = ssl.CERT_OPTIONAL
    client = ssl.create_default_context(cafile=authority.certificate)
    if pair:
        client.load_cert_chain(*pair)
    wires = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(*wires, server_side=True)
    there = client.wrap_bio(*reversed(wires), server_hostname="shop.example")
    for _ in range(4):
        for end in (there, here):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    lines = field_lines(here, chosen).decode("ascii").split("\r\n")
    assert lines.pop() == ""
    return dict(line.removeprefix("X-Client-Cert-").split(": ", 1) for line in lines)


@pytest.mark.parametrize("subject", NAMES)
def test_a_subject_is_formatted_by_rfc_4514(authority, subject):
    pair = authority.sign("alice", subject=subject)
    assert fields_of(authority, pair)["Subject"] == by_openssl(pair[0], "subject")


def test_different_subjects_have_different_texts(authority):
    subjects = [
        fields_of(authority, authority.sign("alice", subject=subject))["Subject"] for subject in NAMES
    ]
    assert len(set(subjects)) == len(NAMES)


def test_each_selected_field_is_sent(authority):
    pair = authority.sign("alice", subject="/O=Shop/CN=Alice")
    with open(pair[0]) as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    everything = fields_of(authority, pair)
    assert {name.lower() for name in everything} == set(FIELDS)
    assert everything["Subject"] == "CN=Alice,O=Shop"
    assert everything["Issuer"] == by_openssl(pair[0], "issuer")
    assert everything["Fingerprint"] == hashlib.sha256(der).hexdigest()
    assert re.fullmatch("([0-9A-F]{2})+", everything["Serial"])
    assert re.fullmatch("[!-~]+", everything["Pem"])
    assert ssl.PEM_cert_to_DER_cert(unquote_to_bytes(everything["Pem"]).decode()) == der
    for name in FIELDS:
        assert fields_of(authority, pair, {name}) == {name.capitalize(): everything[name.capitalize()]}
    assert fields_of(authority, pair, ()) == {}


def test_without_a_certificate_no_field_is_sent(authority):
    assert fields_of(authority, None) == {}


def test_names_of_an_undecodable_certificate_are_not_sent(authority, caplog):
    pair = authority.sign("alice.zzzz", subject="/CN=alice")
    resign(authority, pair[0], b"zzzz", b"\xffzzz")  # A host name in Latin-1.
    with caplog.at_level("INFO"):
        assert set(fields_of(authority, pair)) == {"Fingerprint", "Pem"}
    assert [record.levelname for record in caplog.records] == ["INFO"]


PAIRS = st.tuples(st.sampled_from(["commonName", "organizationName", "1.2.3.4"]), st.text(max_size=8))
TEXT = {"CN": "commonName", "O": "organizationName", "1.2.3.4": "1.2.3.4"}


def read(written):
    """Parse a name by RFC 4514 §3."""
    name = []
    for relative in re.findall(r"(?:\\.|[^\\,])+", written):
        pairs = []
        for pair in re.findall(r"(?:\\.|[^\\+])+", relative):
            type_, _, value = pair.partition("=")
            octets = re.sub(
                rb"\\([0-9A-F]{2})|\\(.)",
                lambda match: bytes.fromhex(match[1].decode()) if match[1] else match[2],
                value.encode(),
            )
            pairs.append((TEXT[type_], octets.decode()))
        name.append(tuple(reversed(pairs)))
    return tuple(reversed(name))


@given(st.lists(st.lists(PAIRS, min_size=1, max_size=2).map(tuple), max_size=3).map(tuple))
@example(((("commonName", "\r\nX: y\0 \x7f"),),))
@example(((("commonName", "  "), ("commonName", "#")), (("commonName", "a\\2C"),)))
def test_a_name_can_be_parsed_back_and_is_one_ascii_line(name):
    written = distinguished_name(name)
    assert re.fullmatch("[ -~]*", written)
    assert written == written.strip() or written.endswith(("\\ ", "="))
    assert read(written) == name
