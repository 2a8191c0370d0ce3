"""Compiled hosts and paths: functions that compare those of a request with those of a match."""

from __future__ import annotations

import re
from collections.abc import Callable

from pylb.routes.match import ANY_HOST, Host, Labels, Match, PathKind


def host_name(host: bytes) -> bytes:
    """Return the host of a request as routes write it: in lower case, without port and final dot."""
    host = host.lower()
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1]
    return host.partition(b":")[0].removesuffix(b".")


def compile_path(match: Match) -> Callable[[bytes], bool]:
    """Return a test of a path that begins with the literal characters of the match."""
    literal = match.literal.encode()
    size = len(literal)
    if match.kind is PathKind.EXACT:
        return lambda path: len(path) == size
    if match.kind is PathKind.PREFIX or not size:
        return lambda _path: True
    if match.kind is PathKind.SEGMENTS:
        return lambda path: path[size : size + 1] in b"/"  # Also at the end: the empty string is in each.
    glob = compile_glob(match.path)
    return lambda path: glob.fullmatch(path) is not None


def compile_glob(text: str) -> re.Pattern[bytes]:
    """Return a pattern of a glob. Each `*` takes as little as possible and is never tried again: the cost is
    linear in the length of the path for each `*` (as in `fnmatch`).
    """  # noqa: D205
    first, *others = (
        b"".join(b"." if char == "?" else re.escape(char.encode()) for char in part)
        for part in re.split(r"\*+", text)
    )
    if not others:
        return re.compile(first, re.DOTALL)
    last = others.pop()
    between = b"".join(b"(?>.*?%b)" % part for part in others)
    return re.compile(b"%b%b.*%b" % (first, between, last), re.DOTALL)


def compile_host(host: Host) -> Callable[[bytes], bool]:
    """Return a test of the host of a request, as `host_name` returns it."""
    if host == ANY_HOST:
        return lambda _name: True
    text = host.name.encode()
    if host.labels is Labels.NONE:
        return lambda name: name == text
    if host.labels is Labels.GLOB:
        glob = compile_glob(host.name)
        return lambda name: glob.fullmatch(name) is not None
    if host.labels is Labels.ONE:
        return lambda name: name.partition(b".")[2] == text
    return lambda name: name.endswith(b"." + text)
