"""What requests are hashed on: reads the key of a request for a keyed policy (`policy/balance/hash.py`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from pylb.http1.grammar import fields
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request

ReadKey = Callable[[ClientInfo, Request], bytes | None]
"""Returns the key of a request; None if it has none."""

MAX_LINES, LONGEST_LINES = 256, 4096
"""Requests whose field lines are kept with their key, and bytes of the longest: 1 MiB at most."""

PREFIX = 64
"""Bits of an IPv6 address that identify a client: hosts change the others (RFC 8981)."""


def key_reader(hash_on: str) -> ReadKey:
    """Return the function that reads what requests are hashed on.

    Args:
        hash_on: a value of `--hash-on`.
    """
    kind, _, name = hash_on.partition(":")
    return _READERS[kind](name.encode())


def _client(_: bytes) -> ReadKey:
    return lambda client, request: _network(client.identify(request).client)


@lru_cache(maxsize=8192)
def _network(address: str) -> bytes | None:
    """Return the part of an address that identifies a client; None for a peer on a Unix socket."""
    if not address:
        return None
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        return (int(ip) >> (128 - PREFIX)).to_bytes(8)
    return ip.packed


def _header(name: bytes) -> ReadKey:
    pattern = fields(re.escape(name.lower()))

    def find(lines: bytes) -> bytes | None:
        found = pattern.search(lines)
        return found[2].strip(b" \t") or None if found else None

    return _in_lines(find)


def _cookie(name: bytes) -> ReadKey:
    pattern = re.compile(rb'\n(?i:cookie):(?:[^\r\n]*?;)??[\t ]*%b="?([^;"\r\n]+)' % re.escape(name))

    def find(lines: bytes) -> bytes | None:
        found = pattern.search(lines)
        return found[1].strip(b" \t") or None if found else None

    return _in_lines(find)


def _in_lines(find: Callable[[bytes], bytes | None]) -> ReadKey:
    """Return a reader that searches equal field lines once: those of a client mostly repeat."""
    find_once = lru_cache(MAX_LINES)(find)

    def read(_: ClientInfo, request: Request) -> bytes | None:
        lines = request.lines
        return find_once(lines) if len(lines) <= LONGEST_LINES else find(lines)

    return read


def _query(name: bytes) -> ReadKey:
    pattern = re.compile(rb"[?&]%b=([^&#]+)" % re.escape(name))

    def read(_: ClientInfo, request: Request) -> bytes | None:
        found = pattern.search(request.target)
        return found[1] if found else None

    return read


def _path(_: bytes) -> ReadKey:
    return lambda _, request: request.target.partition(b"?")[0]


def _target(_: bytes) -> ReadKey:
    return lambda _, request: request.target


_READERS: dict[str, Callable[[bytes], ReadKey]] = {
    "client": _client,
    "header": _header,
    "cookie": _cookie,
    "query": _query,
    "path": _path,
    "target": _target,
}
