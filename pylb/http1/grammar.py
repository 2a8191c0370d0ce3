"""The grammar of heads as regular expressions (RFC 9110 §5, RFC 9112 §2-5).

One strict pattern decides over a whole head at once, in C. It has no optional white space where the RFC has
none, no bare CR or LF, no folding; so the lines of a head that matched can be passed on as they stand. Only
fields with a meaning for a proxy are then looked at one by one; `FIELDS` finds them, and nothing else.

Possessive quantifiers (`++`, `*+`) keep every match linear: no input can make the patterns backtrack.
"""

from __future__ import annotations

import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
LINES = rb"(\n(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*+)"
"""All field lines, with the line feed that ends the start line in front, so that each begins with one."""

REQUEST = re.compile(rb"(" + TOKEN + rb") ([!\"$-~\x80-\xff]++) HTTP/1\.([01])\r" + LINES + rb"\r\n")
"""method, target (no `#`: fragments are never sent), minor version, field lines."""

RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: (" + VALUE + rb"))?\r" + LINES + rb"\r\n")
"""minor version, status, reason, field lines."""

TRAILERS = re.compile(rb"(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*+\r\n")

HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]++\]|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})++)(?::[0-9]{0,5}+)?"
)
"""`uri-host [ ":" port ]` of RFC 3986 §3.2.2, without IPvFuture."""

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*+)([/?].*+)?", re.DOTALL)
"""Absolute-form of a request target: authority, path and query."""


def fields(*names: bytes) -> re.Pattern[bytes]:
    """A pattern that finds the lines of these fields, case-insensitively: (name, value) per match.

    The names may be patterns themselves. The class of first letters in front is a shortcut: most lines of most
    heads fail there, after one comparison.
    """
    first = b"".join(sorted({n[:1].lower() + n[:1].upper() for n in names}))
    return re.compile(rb"\n(?=[" + first + rb"])((?i:" + b"|".join(names) + rb")):[\t ]*+([^\r]*+)")


FORWARDED = (rb"x[-_]forwarded[-_][\w-]++", rb"x[-_]real[-_]ip", rb"forwarded")
"""What tells a backend where a client is; underscores too: CGI and WSGI make no difference (traefik strips both)."""

HOP_BY_HOP = (
    rb"connection",
    rb"keep-alive",
    rb"proxy-authenticate",
    rb"proxy-authorization",
    rb"proxy-connection",
    rb"te",
    rb"trailer",
    rb"transfer-encoding",
    rb"upgrade",
)
"""Fields that end at the next hop, whether `Connection` names them or not (RFC 9110 §7.6.1)."""

REQUEST_FIELDS = fields(
    rb"host", rb"content-length", rb"expect", rb"x[-_]request[-_]id", rb"proxy", *FORWARDED, *HOP_BY_HOP
)
RESPONSE_FIELDS = fields(rb"content-length", *HOP_BY_HOP)


def without(*names: bytes) -> re.Pattern[bytes]:
    """A pattern that matches whole lines of these fields, for removal by `sub(b"", lines)`."""
    first = b"".join(sorted({n[:1].lower() + n[:1].upper() for n in names}))
    return re.compile(rb"\n(?=[" + first + rb"])(?i:" + b"|".join(names) + rb"):[^\n]*+")
