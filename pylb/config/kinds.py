"""The types of option values: the parser of each, and the description of the expected form for errors.

A parser raises ValueError and never reports an error itself; `parse` writes the message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from math import inf
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from pylb.config.hosts import check_host
from pylb.model import authority

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """The type of an option's value.

    Args:
        metavar: the placeholder of the value in the help, `DURATION`.
        expected: completes the sentence "got 'x', expected ...".
        parse: converts a text to the value; raises ValueError if the text is invalid.
    """

    metavar: str
    expected: str
    parse: Callable[[str], T_co]


@dataclass(frozen=True, slots=True)
class Address:
    """A listening address: a TCP host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else authority(self.host, self.port)


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address that clients connect to: a host, and a port unless it is 0."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        return authority(self.host, self.port) if self.port else self.host


@dataclass(frozen=True, slots=True)
class Url:
    """The root of an HTTP API: scheme, host and port, or `unix` and the path of a socket."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path or authority(self.host, self.port)}"


def text(metavar: str, expected: str) -> Kind[str]:
    """Any non-empty text."""

    def parse(value: str) -> str:
        if not value:
            raise ValueError
        return value

    return Kind(metavar, expected, parse)


def choice(*words: str) -> Kind[str]:
    """Exactly one of the given words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError
        return value

    return Kind("|".join(words), f"one of {', '.join(words)}", parse)


def some_of(*words: str) -> Kind[frozenset[str]]:
    """Any of the given words, separated by commas, or `none`."""

    def parse(value: str) -> frozenset[str]:
        chosen = frozenset() if value == "none" else frozenset(value.split(","))
        if not chosen <= set(words):
            raise ValueError
        return chosen

    return Kind("WORD,...|none", f"some of {','.join(words)}, or none", parse)


def integer(low: int, high: int) -> Kind[int]:
    """Integers from `low` to `high`, inclusive."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return Kind("N", f"a whole number from {low} to {high}", parse)


def or_off(kind: Kind[T_co]) -> Kind[T_co | None]:
    """Also accept the word `off`, whose value is None."""

    def parse(value: str) -> T_co | None:
        return None if value == "off" else kind.parse(value)

    return Kind(f"{kind.metavar}|off", f"{kind.expected}, or off", parse)


def or_auto(kind: Kind[T_co]) -> Kind[T_co | None]:
    """Also accept the word `auto`, whose value is None."""

    def parse(value: str) -> T_co | None:
        return None if value == "auto" else kind.parse(value)

    return Kind(f"{kind.metavar}|auto", f"{kind.expected}, or auto", parse)


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)")
_LONGEST = 365 * 86400.0
"""A duration above one year is a typing error, and event loops overflow on much larger ones."""


def _seconds(value: str, shortest: float = 0.0) -> float:
    match = _DURATION.fullmatch(value)
    if not match:
        raise ValueError
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not shortest <= seconds <= _LONGEST:
        raise ValueError
    return seconds


DURATION = Kind(
    "DURATION",
    "a duration from 1ms to 8760h, such as 500ms, 2s or 1m",
    lambda value: _seconds(value, shortest=0.001),
)
"""Seconds, as a float. Zero is rejected: a time-out of 0 would fail every request."""

DURATION_OR_ZERO = Kind("DURATION", "a duration from 0 to 8760h, such as 0, 500ms, 2s or 1m", _seconds)
"""Seconds, as a float, for options that 0 disables."""

_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,12})(?:([kmg])(?:ib)?|)", re.IGNORECASE)


def _bytes(value: str) -> int:
    match = _SIZE.fullmatch(value)
    if not match or not int(match[1]):
        raise ValueError
    return int(match[1]) * _BYTES[(match[2] or "").lower()]


SIZE = Kind("SIZE", "a size above 0, such as 8192, 64k or 1MiB", _bytes)
"""Bytes; `k` is 1024, as in nginx and HAProxy."""

SIZE_OR_OFF = Kind(
    "SIZE|off", f"{SIZE.expected}, or off", lambda value: 0 if value == "off" else _bytes(value)
)
"""Bytes; `off` is 0: there is no minimum."""

SIZE_OR_UNLIMITED: Kind[float] = Kind(
    SIZE_OR_OFF.metavar, SIZE_OR_OFF.expected, lambda value: SIZE_OR_OFF.parse(value) or inf
)
"""Bytes; `off` is infinite: there is no maximum."""


def integer_or_off(high: int, *, low: int = 1) -> Kind[int]:
    """Integers from `low` to `high`; `off` is 0."""
    some = or_off(integer(low, high))
    return Kind(some.metavar, some.expected, lambda value: some.parse(value) or 0)


_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")


def _host_and_port(value: str, default_port: int | None = None) -> tuple[str, int]:
    """Split `host:port` or `[IPv6]:port`; without a default, the port is required."""
    parts = urlsplit(f"//{value}")
    host, port = parts.hostname or "", default_port if parts.port is None else parts.port
    if value.startswith("["):
        IPv6Address(host)
    elif not _HOST.fullmatch(host):
        raise ValueError
    if port is None or parts.netloc != value or "@" in value:
        raise ValueError
    return host, port


def _authority(value: str) -> str:
    _host_and_port(value, 0)
    return value


AUTHORITY = Kind("HOST", "a host such as shop.example.com, with or without a port", _authority)
"""The value of a `Host` header."""


def _address(value: str) -> Address:
    if value.startswith("unix:"):
        path = value.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError
        return Address(path=path)
    return Address(*_host_and_port(value))


ADDRESS = Kind("ADDRESS", "host:port, [IPv6]:port or unix:/path", _address)
"""A listening address; with port 0 the kernel assigns one."""


HOST = Kind("NAME", "a host name or an IP address", check_host)
"""A host without a port, as in a certificate."""


def _host_port(value: str) -> HostPort:
    if value.startswith("[") and value.endswith("]"):
        return HostPort(str(IPv6Address(value[1:-1])))
    try:
        return HostPort(check_host(value))
    except ValueError:
        host, port = _host_and_port(value)
        if not port:
            raise
        return HostPort(check_host(host), port)


HOST_PORT = Kind("HOST[:PORT]", "a host, host:port or [IPv6]:port, such as 10.0.0.1:80", _host_port)
"""A host with an optional port."""


def _network(value: str) -> str:
    if value != "unix":
        ip_network(value)
    return value


NETWORK = Kind("CIDR", "a network such as 10.0.0.0/8, an address, or unix", _network)
"""A set of addresses; `unix` is every client that connects through a Unix socket."""

_RECEIVED_BY = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+(?::[0-9]{1,5})?")
_VIA = {"on": "pylb", "off": ""}


def _via(value: str) -> str:
    if not _RECEIVED_BY.fullmatch(value):
        raise ValueError
    return _VIA.get(value, value)


VIA = Kind("on|off|NAME", "on, off, or a name without spaces such as edge or lb.example:8080", _via)
"""The `received-by` part of a `Via` header (RFC 9110 §7.6.3); empty for no header."""

TCP, GRPC = "tcp", "grpc"

_GRPC_SERVICE = re.compile(r"[A-Za-z0-9_.-]{1,127}")


def _target(value: str) -> str:
    if not re.fullmatch(r"/[!-~]*", value):
        raise ValueError
    return value


def _probe(value: str) -> str:
    if value == "off":
        return ""
    kind, colon, service = value.partition(":")
    if value == TCP or (kind == GRPC and not colon):
        return value
    return f"{GRPC}:{_grpc_service(service)}" if kind == GRPC else _target(value)


def _grpc_service(value: str) -> str:
    if not _GRPC_SERVICE.fullmatch(value):
        raise ValueError
    return value


GRPC_SERVICE = Kind("NAME", "the name of a gRPC service such as shop.Cart", _grpc_service)

PROBE = Kind(
    "PATH|tcp|grpc|grpc:NAME|off", "a path such as /health, tcp, grpc, grpc:shop.Cart, or off", _probe
)
"""How a backend is probed; empty for no probes."""

TARGET = Kind("PATH", "a path such as /health", _target)
"""The path of an HTTP request."""

_API_PORTS = {"http": 80, "https": 443}
CONSUL_SCHEMES = {"consul": ("http", 8500), "consul-tls": ("https", 8501), "consul-unix": ("unix", 0)}
"""The schemes of registrator's Consul URIs, each with its HTTP scheme and default port."""


def _consul(value: str) -> Url:
    scheme, separator, rest = value.rpartition("://")
    if not separator:
        scheme = "consul"
    scheme, port = CONSUL_SCHEMES.get(scheme, (scheme, _API_PORTS.get(scheme, 0)))
    if scheme == "unix" and rest.startswith("/"):
        return Url(scheme, path=rest)
    if scheme not in _API_PORTS:
        raise ValueError
    url = Url(scheme, *_host_and_port(rest.removesuffix("/") if separator else rest, port))
    if not url.port:
        raise ValueError
    return url


CONSUL = Kind("HOST:PORT", "host:port, http://host:port, https://host:port or unix:///path", _consul)
"""The address of Consul's API. The default port is 8500, or that of the scheme in a URL."""


def _engine(value: str) -> Url:
    scheme, separator, rest = value.partition("://")
    if not separator:
        raise ValueError
    if scheme == "unix" and rest.startswith("/"):
        return Url(scheme, path=rest)
    if scheme not in {"tcp", "http", "https"}:
        raise ValueError
    return Url(scheme, *_host_and_port(rest.removesuffix("/"), 2375))


DOCKER = Kind("URL", "unix:///path, tcp://host:port, http://host:port or https://host:port", _engine)
"""The address of a Docker engine's API; the default port is 2375."""


def _collector(value: str) -> Url:
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in _API_PORTS:
        raise ValueError
    return Url(scheme, *_host_and_port(rest.removesuffix("/"), 4318))


OTLP = Kind("URL", "http://host:port or https://host:port", _collector)
"""The address of an OTLP/HTTP collector; the default port is 4318."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def _boolean(value: str) -> bool:
    word = value.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


FLAG = Kind("", "true, false, yes, no, on, off, 1 or 0", _boolean)
"""A switch: `--x` or `--no-x` on the command line, a word in the environment."""

PATH = text("PATH", "a path")
"""A path that is opened when it is needed: the file may appear and change while pylb runs."""


def _readable(value: str) -> str:
    if not os.access(value, os.R_OK):
        raise ValueError
    return value


FILE = Kind("FILE", "the path of a readable file or directory", _readable)
"""A path that must be readable at the start."""
