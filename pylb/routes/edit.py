"""Compiled changes to the fields of a head, as a function from bytes to bytes.

The fields that a backend receives mostly repeat (`http1.head_cache`), so each edit keeps its last result. No
value can end a line: `actions` has checked them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pylb.http1 import grammar
from pylb.http1.parser import Response
from pylb.http1.writer import with_lines
from pylb.routes.actions import TO_BACKEND, FieldAction, Verb

_SEPARATOR = rb"[!#$%&'*+\-.^_`|~]"
"""What CGI programs may read as `-`: a client must not set `X_User` where a route sets `X-User`."""

_HOST = re.compile(rb"\n[Hh][Oo][Ss][Tt]:[^\n]*+")


def _pattern(actions: Sequence[FieldAction]) -> re.Pattern[bytes] | None:
    """Return a pattern of the lines that the actions remove or replace; None if there are none."""
    names = sorted({action.name.lower() for action in actions if action.verb is not Verb.ADD})
    spelled = (_SEPARATOR.join(re.escape(part) for part in name.encode().split(b"-")) for name in names)
    return grammar.without(*spelled) if names else None


def _lines(actions: Sequence[FieldAction]) -> bytes:
    """Return the lines that the actions add, each after a line feed and without its own."""
    added: dict[str, list[bytes]] = {}
    for action in actions:
        line = b"\n%b: %b\r" % (action.name.encode(), action.value.encode())
        name = action.name.lower()
        if action.verb is Verb.ADD:
            added.setdefault(name, []).append(line)
        else:
            added[name] = [line] if action.verb is Verb.SET else []
    return b"".join(line for lines in added.values() for line in lines)


class RequestEdit:
    """Changes the lines that a backend receives.

    Args:
        actions: changes to fields, in order.
        host: the host that the backend receives; `dst` for its own address, empty for the client's.
        prefix: the value of X-Forwarded-Prefix; empty to leave the field as it is.
    """

    __slots__ = ("_added", "_authority", "_block", "_edited", "_host", "_remove", "_to_backend")

    def __init__(self, actions: Sequence[FieldAction], host: str = "", prefix: str = "") -> None:
        if prefix:
            actions = (*actions, FieldAction(Verb.SET, "X-Forwarded-Prefix", prefix))
        self._remove = _pattern(actions)
        self._added = _lines(actions)
        self._to_backend = host == TO_BACKEND
        self._host = b"" if self._to_backend else host.encode()
        self._block = self._authority = self._edited = b""

    def __call__(self, block: bytes, authority: bytes) -> bytes:
        """Return the changed lines.

        Args:
            block: what stands between target and request id, see `writer.forwarded_headers`.
            authority: the backend's own `host:port`.
        """
        if block == self._block and (authority == self._authority or not self._to_backend):
            return self._edited
        self._block, self._authority = block, authority
        if self._remove is not None:
            block = self._remove.sub(b"", block)
        host = authority if self._to_backend else self._host
        if host:
            version, _, rest = _HOST.sub(b"", block, 1).partition(b"\n")
            block = b"%b\nHost: %b\r\n%b" % (version, host, rest)  # First (RFC 9110 section 7.2).
        lines, _, request_id = block.rpartition(b"\n")
        self._edited = b"%b%b\n%b" % (lines, self._added, request_id)
        return self._edited


class ResponseEdit:
    """Changes the fields of a backend's response.

    Args:
        actions: changes to fields, in order.
    """

    __slots__ = ("_added", "_edited", "_remove", "_response")

    def __init__(self, actions: Sequence[FieldAction]) -> None:
        self._remove = _pattern(actions)
        self._added = _lines(actions)
        self._response: Response | None = None
        self._edited: Response

    def __call__(self, response: Response) -> Response:
        """Return the changed response; the argument is shared and stays as it is."""
        if response is self._response:
            return self._edited
        lines = response.lines
        if self._remove is not None:
            lines = self._remove.sub(b"", lines)
        edited = with_lines(response, self._added + lines)
        self._response, self._edited = response, edited
        return edited
