"""What each kind of value accepts, and that whatever else is typed is refused as such."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.kinds import (
    ADDRESS,
    AUTHORITY,
    CONSUL,
    DURATION,
    DURATION_OR_ZERO,
    FILE,
    FLAG,
    HOST,
    HOST_PORT,
    OTLP,
    PATH,
    SIZE,
    VIA,
    Address,
    HostPort,
    Url,
    choice,
    integer,
    or_off,
    some_of,
    text,
)
from tests.every import every

ACCEPTED = [
    (AUTHORITY, "shop.example.com", "shop.example.com"),
    (AUTHORITY, "shop.example.com:8080", "shop.example.com:8080"),
    (AUTHORITY, "[::1]:80", "[::1]:80"),
    (VIA, "on", "pylb"),
    (VIA, "off", ""),
    (VIA, "edge-1", "edge-1"),
    (VIA, "lb.example:8080", "lb.example:8080"),
    (DURATION, "2s", 2.0),
    (DURATION, "500ms", 0.5),
    (DURATION, "1m", 60.0),
    (DURATION, "1.5h", 5400.0),
    (DURATION, "75", 75.0),
    (DURATION, "8760h", 31_536_000.0),
    (DURATION_OR_ZERO, "0", 0.0),
    (SIZE, "8192", 8192),
    (SIZE, "64k", 65_536),
    (SIZE, "64K", 65_536),
    (SIZE, "32KiB", 32_768),
    (SIZE, "1MiB", 1_048_576),
    (SIZE, "2g", 2_147_483_648),
    (integer(1, 10), "1", 1),
    (integer(1, 10), "10", 10),
    (choice("a", "b"), "b", "b"),
    (some_of("a", "b"), "b,a", frozenset("ab")),
    (some_of("a", "b"), "none", frozenset()),
    (text("NAME", "a name"), "web", "web"),
    (PATH, "/not/there/yet", "/not/there/yet"),
    (FILE, __file__, __file__),
    (FLAG, "on", True),
    (FLAG, "True", True),
    (FLAG, "1", True),
    (FLAG, "no", False),
    (FLAG, "0", False),
    (ADDRESS, "0.0.0.0:8080", Address("0.0.0.0", 8080)),
    (ADDRESS, "localhost:0", Address("localhost", 0)),
    (ADDRESS, "[::]:80", Address("::", 80)),
    (ADDRESS, "[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
    (ADDRESS, "unix:/run/pylb.sock", Address(path="/run/pylb.sock")),
    (or_off(ADDRESS), "off", None),
    (or_off(ADDRESS), "a:1", Address("a", 1)),
    (OTLP, "http://collector", Url("http", "collector", 4318)),
    (OTLP, "https://collector.example:443/", Url("https", "collector.example", 443)),
    (CONSUL, "consul", Url("http", "consul", 8500)),
    (CONSUL, "consul:80", Url("http", "consul", 80)),
    (CONSUL, "[::1]:8500", Url("http", "::1", 8500)),
    (CONSUL, "http://consul", Url("http", "consul", 80)),
    (CONSUL, "https://consul.example.com/", Url("https", "consul.example.com", 443)),
    (CONSUL, "https://consul:8501", Url("https", "consul", 8501)),
    (CONSUL, "unix:///run/consul.sock", Url("unix", path="/run/consul.sock")),
    (CONSUL, "consul://consul", Url("http", "consul", 8500)),
    (CONSUL, "consul://consul:80/", Url("http", "consul", 80)),
    (CONSUL, "consul-tls://consul", Url("https", "consul", 8501)),
    (CONSUL, "consul-unix:///run/consul.sock", Url("unix", path="/run/consul.sock")),
    (HOST, "lb.example.com", "lb.example.com"),
    (HOST, "web_1", "web_1"),
    (HOST, "10.0.0.1", "10.0.0.1"),
    (HOST, "fd00::1", "fd00::1"),
    (HOST_PORT, "10.0.0.1", HostPort("10.0.0.1")),
    (HOST_PORT, "10.0.0.1:80", HostPort("10.0.0.1", 80)),
    (HOST_PORT, "lb.example.com:80", HostPort("lb.example.com", 80)),
    (HOST_PORT, "fd00::1", HostPort("fd00::1")),
    (HOST_PORT, "[fd00::1]", HostPort("fd00::1")),
    (HOST_PORT, "[fd00::1]:80", HostPort("fd00::1", 80)),
]
REJECTED = [
    (AUTHORITY, ""),
    (AUTHORITY, "a b"),
    (AUTHORITY, "a\r\nX: y"),
    (AUTHORITY, "http://a"),
    (AUTHORITY, "a/b"),
    (VIA, ""),
    (VIA, "a b"),
    (VIA, "a,b"),
    (VIA, "a\r\nX: y"),
    (VIA, "a:b"),
    (VIA, "(edge)"),
    (DURATION, "0"),
    (DURATION, "0.0001s"),
    (DURATION, "-1s"),
    (DURATION, "5 s"),
    (DURATION, "5x"),
    (DURATION, "s"),
    (DURATION, "nan"),
    (DURATION, "inf"),
    (DURATION, "1e3"),
    (DURATION, "8761h"),
    (DURATION_OR_ZERO, ""),
    (SIZE, "0"),
    (SIZE, "1kb"),
    (SIZE, "1.5k"),
    (SIZE, "ib"),
    (SIZE, "-1"),
    (integer(1, 10), "0"),
    (integer(1, 10), "11"),
    (integer(1, 10), "1.0"),
    (integer(1, 10), "٣"),
    (integer(1, 10), "9" * 10_000),
    (choice("a", "b"), "A"),
    (some_of("a", "b"), "a,"),
    (some_of("a", "b"), "none,a"),
    (text("NAME", "a name"), ""),
    (FILE, "/not/there"),
    (FLAG, "maybe"),
    (ADDRESS, "8080"),
    (ADDRESS, ":8080"),
    (ADDRESS, "host"),
    (ADDRESS, "host:"),
    (ADDRESS, "host:http"),
    (ADDRESS, "host:65536"),
    (ADDRESS, "host:-1"),
    (ADDRESS, "::1:80"),
    (ADDRESS, "[::1]"),
    (ADDRESS, "[host]:80"),
    (ADDRESS, "a b:80"),
    (ADDRESS, "user@host:80"),
    (ADDRESS, "host:80/path"),
    (ADDRESS, "unix:relative"),
    (or_off(ADDRESS), "on"),
    (OTLP, "collector:4318"),
    (OTLP, "grpc://collector:4317"),
    (OTLP, "http://collector/v1/traces"),
    (CONSUL, "nonsense:port"),
    (CONSUL, "consul:0"),
    (CONSUL, "consul/"),
    (CONSUL, "consul-unix://consul:8500"),
    *(
        (kind, text)
        for kind in (HOST, HOST_PORT)
        for text in (
            "",
            "a..b",
            "-a",
            "a-",
            "a" * 64,
            "300.1.2.3",
            "10.0.0",
            "a b",
            "http://a",
            "a:",
            "a:0",
            "a:70000",
            "[10.0.0.1]",
            "[a]:80",
            "a:80/x",
            "u@a:80",
        )
    ),
    (HOST, "10.0.0.1:80"),
    (HOST, "[fd00::1]"),
    (CONSUL, "tcp://consul:8500"),
    (CONSUL, "http://"),
    (CONSUL, "unix://run/consul.sock"),
    (CONSUL, "http://consul:8500/v1"),
    (CONSUL, "http://user:secret@consul:8500"),
    (CONSUL, "http://http://consul"),
]


@every(("kind", "typed", "value"), ACCEPTED)
def test_accepted_values(kind, typed, value):
    assert kind.parse(typed) == value


@every(("kind", "typed"), REJECTED)
def test_rejected_values(kind, typed):
    with pytest.raises(ValueError):  # noqa: PT011 - the words come from the kind, not from the error
        kind.parse(typed)


@pytest.mark.parametrize(
    "kind", [DURATION, SIZE, ADDRESS, CONSUL, FILE, FLAG, integer(0, 9), or_off(ADDRESS)]
)
@given(typed=st.text() | st.text("0123456789.:/[]%@smhkib -"))
def test_any_text_is_parsed_or_rejected(kind, typed):
    with suppress(ValueError):
        kind.parse(typed)


@given(st.ip_addresses(v=6) | st.ip_addresses(v=4), st.integers(0, 65535))
def test_an_address_is_parsed_back(ip, port):
    address = Address(str(ip), port)
    assert ADDRESS.parse(str(address)) == address


def test_urls_and_sockets_are_formatted_as_given():
    assert str(CONSUL.parse("[::1]:8500")) == "http://[::1]:8500"
    assert str(CONSUL.parse("unix:///run/consul.sock")) == "unix:///run/consul.sock"
    assert str(ADDRESS.parse("unix:/run/pylb.sock")) == "unix:/run/pylb.sock"


def test_a_directory_of_certificates_is_a_file_too(tmp_path):
    assert FILE.parse(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("text", ["10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]:80"])
def test_a_host_with_or_without_a_port_is_shown_as_it_was_given(text):
    assert str(HOST_PORT.parse(text)) == text
