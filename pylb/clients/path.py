"""Builds the path of an API call from segments, so that no name in it can select another call."""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_QUOTED = 80
"""Characters of a rejected segment that an error message quotes."""

_DOT_SEGMENTS = frozenset({".", ".."})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def encoded_path(*segments: str) -> str:
    """Encode and join segments: `/v1/agent/check/update/a%2Fb` for `v1`, `agent`, `check`, `update`, `a/b`.

    Raises:
        ValueError: see `check_segment`.
    """
    return "".join(f"/{quote(check_segment(segment), safe=':')}" for segment in segments)


def encoded_text(path: str) -> str:
    """Encode a joined path, in which slashes separate segments.

    Raises:
        ValueError: the path has a dot segment or a control character.
    """
    if not _DOT_SEGMENTS.isdisjoint(path.split("/")) or _CONTROL.search(path):
        raise ValueError(f"{path[:MAX_QUOTED]!r} cannot be a path")
    return quote(path, safe="/:")


def check_segment(segment: str) -> str:
    """Return `segment` if every server and proxy treats it as one segment.

    Percent-encoding does not suffice: servers decode a path before they remove dot segments (RFC 3986 section
    5.2.4), and Go's router redirects a path with an empty segment to another path.

    Raises:
        ValueError: the segment is empty, has an empty part or a dot segment between its slashes, or contains
            a control character.
    """
    parts = segment.split("/")
    if not all(parts) or not _DOT_SEGMENTS.isdisjoint(parts) or _CONTROL.search(segment):
        raise ValueError(f"{segment[:MAX_QUOTED]!r} cannot be part of a path")
    return segment
