r"""The grammar of heads as regular expressions (RFC 9110 §5, RFC 9112 §2-5).

One strict pattern validates a whole head in one pass, in C. It accepts no optional white space where the RFC
has none, no bare CR or LF, and no folding, so the lines of a matching head can be forwarded unchanged.

The same pass finds the fields that a proxy must interpret. Most heads have only `Host`, a framing field and
`Connection`, each once and in its simplest form; the pattern captures these. Any other special line begins
the group `special`, and the parser then examines the fields one by one.

Matching takes time linear in the length of the head: single characters repeat possessively (`++`, `*+`), and
no two alternatives for a line begin alike, so backtracking over a line fails at its first byte.
The patterns avoid two constructs with defects in some versions of Python since 3.11:

- A possessive repeat of a group. Before 3.11.5 (Debian 12 has 3.11.2) it can continue inside the text that
  its last, failed repetition consumed (CPython gh-106052), and so match text that the pattern does not match.
- A captured group inside a repeated group. The engine can report a wrong start of the captured group.
"""

from __future__ import annotations

import re
from string import ascii_letters

_TOKEN_MARKS = rb"!#$%&'*+\-.^_`|~0-9"
_TOKEN_CHAR = rb"[%bA-Za-z]" % _TOKEN_MARKS
TOKEN = _TOKEN_CHAR + rb"++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_TARGET_CHAR = rb"[!\"$-~\x80-\xff]"
"""Visible characters except `#`, because clients never send fragments. RFC 3986 allows fewer, but browsers
send `|` and curl sends raw UTF-8. Backends accept these, and none of them can be mistaken for framing."""

_NAME_CHAR = rb"0-9A-Za-z\-._~!$&'()*+;="
HOST = re.compile(
    rb"(?:\[(?:[0-9A-Fa-f:.]++|[Vv][0-9A-Fa-f]++\.[%b:]++)\]|(?:[%b]++|%%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
    % (_NAME_CHAR, _NAME_CHAR)
)
"""`uri-host [ ":" port ]` of RFC 3986 §3.2.2, IPvFuture included. The name must not be empty (RFC 9110
§4.2.1) or contain a comma: no real name has one, and backends parse X-Forwarded-Host as a list."""

_SIMPLE_HOST = rb"[0-9A-Za-z\-._]++(?::[0-9]{1,5}|)"
_LENGTH = rb"0|[1-9][0-9]{0,17}"
LENGTH = re.compile(_LENGTH)
"""Content-Length: below 10^18, which fits in 63 bits. A leading zero is rejected because some parsers take
it for octal (`strtol` with base 0)."""

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*+)([^?]*+)(.*)", re.DOTALL)
"""Absolute-form of a request target: authority, path, query with its question mark."""

_SEPARATOR = rb"[!#$%&'*+\-.^_`|~]"
"""Characters that CGI, WSGI and similar interfaces may replace by `_`, so that two fields become one
variable."""

FORWARDED = (
    rb"x%bforwarded%b%b" % (_SEPARATOR, _SEPARATOR, TOKEN),
    rb"x%breal%bip" % (_SEPARATOR, _SEPARATOR),
    rb"forwarded",
    rb"x%bclient%bcert%b%b" % (_SEPARATOR, _SEPARATOR, _SEPARATOR, TOKEN),
)
"""Fields that describe a client to a backend, in every spelling (Traefik also strips underscores)."""

FORGED = (
    rb"x-forwarded-(?:for|proto|host|port)",
    rb"x-real-ip",
    rb"x(?!-forwarded-)%bforwarded%b%b" % (_SEPARATOR, _SEPARATOR, TOKEN),
    rb"x(?!-real-ip)%breal%bip" % (_SEPARATOR, _SEPARATOR),
    rb"x(?!-client-cert-)%bclient%bcert%b%b" % (_SEPARATOR, _SEPARATOR, _SEPARATOR, TOKEN),
)
"""The fields of `FORWARDED` that are removed even from requests of a trusted peer: those that pylb writes
itself, and unusual spellings."""

REQUEST_ID = rb"x%brequest%bid" % (_SEPARATOR, _SEPARATOR)

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
"""Hop-by-hop fields, whether or not `Connection` names them (RFC 9110 §7.6.1)."""

LOOKALIKES = (rb"content(?!-)%blength" % _SEPARATOR, rb"transfer(?!-)%bencoding" % _SEPARATOR)
"""Fields that a CGI-like backend may mistake for framing. Only attackers send them."""

_CONNECTION_AUTH = rb"authorization(?=:[\t ]*+(?:nego|ntlm|kerberos|credssp))"
"""`Authorization` with a scheme that authenticates a connection instead of a request. The prefix `nego`
covers all variants of Negotiate, as in HAProxy. The field is special because of its value, so the pattern has
a separate alternative for it; fields with the same initial, such as `Accept`, are compared with this name
only."""

_REQUEST_SPECIAL = (
    *HOP_BY_HOP,
    *FORWARDED,
    *LOOKALIKES,
    REQUEST_ID,
    rb"content-length",
    rb"expect",
    rb"host",
    rb"proxy",
)
_RESPONSE_SPECIAL = (*HOP_BY_HOP, rb"content-length")


def _initials(names: tuple[bytes, ...]) -> bytes:
    """Return the initials of all names, in lower and upper case."""
    return b"".join(sorted({name[:1] + name[:1].upper() for name in names}))


def _any_case(*names: bytes) -> bytes:
    """Return alternatives for the names. They are grouped by initial to save comparisons."""
    rests: dict[bytes, list[bytes]] = {}
    for name in names:
        rests.setdefault(name[:1], []).append(name[1:])
    return b"|".join(
        rb"[%b%b](?i:%b)" % (initial, initial.upper(), b"|".join(rest))
        for initial, rest in sorted(rests.items())
    )


def _head(
    start: bytes, special: tuple[bytes, ...], first: bytes = b"", by_value: bytes = b""
) -> re.Pattern[bytes]:
    """Return the pattern of a head: a start line, field lines, and the empty line.

    Args:
        start: pattern of the start line.
        special: names of the fields that a proxy must interpret.
        first: pattern of a special line in its simplest form that the pattern captures: `Host`.
        by_value: a name with a lookahead at its value that is special too. No other special name may have the
            same initial.

    Groups after those of `start`:
        lines: the lines up to `Connection`, preceded by the line feed that ends the start line.
        early: the framing (a length or `chunked`) if it comes before `first`; only with `first`.
        (unnamed): the group of `first`.
        framing: the framing if it comes elsewhere among `lines`.
        close: set if `Connection` is `close` and not `keep-alive`.
        more: the lines after `Connection`.
        late: the framing if it is among `more`.
        special: all lines from the first other special line on.
    """
    initials = _initials(special)
    apart = _initials((by_value,)) if by_value else b""
    others = bytes(letter for letter in ascii_letters.encode() if letter not in initials + apart)
    names = _any_case(*special)
    # start CRLF  ordinary* [early ordinary*] [first ordinary*] [framing ordinary*]
    #             [connection ordinary* [late ordinary*]] [special any*] CRLF
    # Ordinary lines have none of the special names; the initial decides for most of them.
    harmless = (
        rb"[%b](?!(?i:%b):)%b*+:%b\r\n|" % (apart, by_value[1:], _TOKEN_CHAR, VALUE) if by_value else b""
    )
    ordinary = rb"(?:[%b%b]%b*+:%b\r\n|%b(?!(?:%b):)[%b]%b*+:%b\r\n)*" % (
        _TOKEN_MARKS, others, _TOKEN_CHAR, VALUE, harmless, names, initials, _TOKEN_CHAR, VALUE,
    )  # fmt: skip
    if by_value:
        names = _any_case(*special, by_value)
    length, coding = _any_case(b"content-length"), _any_case(b"transfer-encoding")
    early, framing, late = (
        rb"(?:%b: (?=[0-9])|%b: (?=c))(?P<%b>%b|chunked)\r\n%b" % (length, coding, group, _LENGTH, ordinary)
        for group in (b"early", b"framing", b"late")
    )
    if first:
        first = rb"(?:%b|)(?:%b%b|)" % (early, first, ordinary)
        framing = rb"(?(early)(?!))" + framing
        late = rb"(?(early)(?!))" + late
    return re.compile(
        rb"%b\r(?P<lines>\n%b%b(?:%b|))" % (start, ordinary, first, framing)
        + rb"(?:%b: (?i:keep-alive|(?P<close>close))\r\n(?P<more>%b(?:(?(framing)(?!))(?:%b)|))|)"
        % (_any_case(b"connection"), ordinary, late)
        + rb"(?:\r\n|(?P<special>(?:%b):%b\r\n(?:%b:%b\r\n)*)\r\n)" % (names, VALUE, TOKEN, VALUE)
    )


REQUEST = _head(
    rb"(%b) (%b++) HTTP/1\.([01])" % (TOKEN, _TARGET_CHAR),
    _REQUEST_SPECIAL,
    rb"%b: (%b)\r\n" % (_any_case(b"host"), _SIMPLE_HOST),
    _CONNECTION_AUTH,
)
"""Groups: method, target, minor version, lines, early, host, framing, close, more, late, special.

Browsers and curl send `Host` first, as RFC 9110 §7.2 recommends; axios and OkHttp send the length before it.
"""

ORIGIN_FORM = re.compile(rb"/%b*+" % _TARGET_CHAR)
"""A target that consists of path and query."""

REQUEST_LINE = re.compile(rb"(?!CONNECT |TRACE )(%b) (/%b*+) HTTP/1\.1\r" % (TOKEN, _TARGET_CHAR))
"""The request line of most requests, up to its line feed. Groups: method, target."""

RESPONSE = _head(rb"(HTTP/1\.([01]) ([1-5][0-9][0-9])(?: %b|))" % VALUE, _RESPONSE_SPECIAL)
"""Groups: status line, minor version, status, lines, framing, close, more, late, special."""


def _partial(*pieces: bytes) -> bytes:
    """Return a pattern that matches any prefix of this sequence of pieces."""
    pattern = b""
    for piece in reversed(pieces):
        pattern = rb"(?:%b%b|)" % (piece, pattern)
    return pattern


_STATUS = (b"H", b"T", b"T", b"P", b"/", b"1", rb"\.", b"[01]", b" ", b"[1-5]", b"[0-9]", b"[0-9]")
STATUS_LINE = re.compile(rb"%b(?: %b|)" % (b"".join(_STATUS), VALUE))
STATUS_LINE_PARTIAL = re.compile(_partial(*_STATUS, rb"(?: %b|)" % VALUE))
"""Any prefix of a status line."""

BEGINNING = re.compile(_TOKEN_CHAR)
"""The first byte of a request. A TLS record or a PROXY preamble of version 2 does not match."""

TRAILERS = re.compile(rb"((?:%b:%b\r\n)*)\r\n" % (TOKEN, VALUE))
"""The trailer section of a chunked body: field lines and the empty line."""

TRAILERS_PARTIAL = re.compile(rb"(?:%b:%b\r\n)*(?:\r|%b(?::%b\r?|)|)" % (TOKEN, VALUE, TOKEN, VALUE))
"""Any prefix of a trailer section."""


def fields(*names: bytes) -> re.Pattern[bytes]:
    """Return a pattern that finds the lines of these fields in any case. Groups: name, value."""
    return re.compile(rb"\n(?=[%b])((?:%b)):[\t ]*+([^\r]*+)" % (_initials(names), _any_case(*names)))


def without(*names: bytes) -> re.Pattern[bytes]:
    """Return a pattern that matches whole lines of these fields, for removal by `sub(b"", lines)`."""
    return re.compile(rb"\n(?=[%b])(?:%b):[^\n]*+" % (_initials(names), _any_case(*names)))


REQUEST_FIELDS = fields(
    _CONNECTION_AUTH,
    rb"connection",
    rb"content-length",
    rb"expect",
    rb"forwarded",
    rb"host",
    rb"te",
    rb"trailer",
    rb"transfer-encoding",
    rb"upgrade",
    rb"x-forwarded-(?:for|proto|host|port)",
    rb"x-real-ip",
    rb"x-request-id",
)
RESPONSE_FIELDS = fields(rb"connection", rb"content-length", rb"trailer", rb"transfer-encoding", rb"upgrade")
LOOKALIKE = fields(*LOOKALIKES)
DATE = fields(rb"date")
