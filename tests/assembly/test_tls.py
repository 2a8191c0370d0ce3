import pytest

from pylb.assembly.tls import read_certificates
from pylb.config import Address, Options
from pylb.errors import StartError
from tests.certificates import Authority

STATIC = {"static": "127.0.0.1:80"}


def test_without_a_tls_listener_no_file_is_read():
    assert read_certificates(Options(**STATIC, tls_cert=("/missing",), tls_key=("/missing",))) is None


def test_the_configured_files_are_loaded(tmp_path):
    pair = [str(path) for path in Authority(tmp_path).sign("shop.example")]
    listen = {"listen_tls": (Address("127.0.0.1", 0),)}
    assert read_certificates(Options(**STATIC, **listen, tls_cert=pair[:1], tls_key=pair[1:])) is not None
    with pytest.raises(StartError, match=r"TLS: .*shop\.example\.key"):
        read_certificates(Options(**STATIC, **listen, tls_cert=pair[1:], tls_key=pair[1:]))
