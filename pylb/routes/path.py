"""The normal form of a path. Routes are compared with it, and backends receive it.

A path that is matched in one form and forwarded in another passes the rules that were written for it
(Traefik issue 11746, GHSA-vrch-868g-9jx5). The rules are those of RFC 3986 section 6.2.2, and of Traefik's
`sanitizePath`: unreserved characters are not escaped, dot segments are removed, slashes are merged. Other
escapes stay as they are, so `%2F` separates no segments here. Since it does in some servers, a path in which
it would make a dot segment is refused (docs/adr/hidden-dot-segments.md).
"""

from __future__ import annotations

import re

_SUSPECT = re.compile(rb"//|/\.\.?(?:[/;]|\Z)|[%\\]")
"""What a path in normal form has none of, except for `%` and the backslash."""

_HIDDEN = re.compile(rb"(?:/|\\|%2[Ff]|%5[Cc])\.\.?(?:;|\\|%2[Ff]|%5[Cc])|(?:\\|%2[Ff]|%5[Cc])\.\.?(?:/|\Z)")
"""A dot segment for servers that separate segments at an escaped slash or at a backslash, or that remove
parameters of segments (`/..;x/`)."""

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_UNRESERVED = re.compile(rb"%(2[DEde]|3[0-9]|[46][1-9A-Fa-f]|5[0-9Aa]|7[0-9Aa]|5[Ff]|7[Ee])")
"""An escape of an unreserved character: ALPHA, DIGIT, `-`, `.`, `_`, `~`."""


def normalise(path: bytes) -> bytes:
    """Return the normal form of a path, or of `*`.

    Args:
        path: as in a request target, without the query.

    Raises:
        ValueError: a `%` is not followed by two hexadecimal digits (nginx: 400), or a dot segment is hidden.
            Servers read such a path in different ways.
    """
    if _SUSPECT.search(path) is None:
        return path
    if b"%" in path:
        if _BROKEN.search(path) is not None:
            raise ValueError("a path with % that two hexadecimal digits do not follow")
        path = _UNRESERVED.sub(lambda match: bytes([int(match[1], 16)]), path)
    if b"." in path and _HIDDEN.search(path) is not None:
        raise ValueError("a path with a dot segment beside an escaped slash, a backslash or a semicolon")
    return _without_dots(path)


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    last = b""
    for last in path.split(b"/")[1:]:
        if last == b"..":
            del kept[-1:]
        elif last not in (b"", b"."):
            kept.append(last)
    slash = b"/" if kept and last in (b"", b".", b"..") else b""
    return b"/" + b"/".join(kept) + slash
