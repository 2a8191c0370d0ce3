r"""The grammar of heads as regular expressions (RFC 9110 §5, RFC 9112 §2-5).

One strict pattern decides over a whole head at once, in C. It has no optional white space where the RFC has
none, no bare CR or LF, no folding; so the lines of a head that matched can be passed on as they stand.

The same pass tells what is in a head for a proxy. Most have nothing special but `Host`, a way of framing and
`Connection`, each once and written plainly; those are captured on the way. The first line that is
special in another way begins the group `special`; then the parser looks at the fields one by one.

Matching is linear in the length of the head: single characters repeat possessively (`++`, `*+`), whole lines
repeat such that no two alternatives begin alike, so backtracking over a line fails at its first byte.
Two constructs are avoided because they are wrong in some Python from 3.11 on:

- a possessive repeat of a group: before 3.11.5 (Debian 12 has 3.11.2) it may go on in the middle of what its
  last, failed round consumed (CPython gh-106052), and so match what the pattern does not;
- a captured group inside a repeated one: the engine can lose track of where it began.
"""

from __future__ import annotations

import re
from string import ascii_letters

_TOKEN_MARKS = rb"!#$%&'*+\-.^_`|~0-9"
_TOKEN_CHAR = rb"[%bA-Za-z]" % _TOKEN_MARKS
TOKEN = _TOKEN_CHAR + rb"++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_TARGET_CHAR = rb"[!\"$-~\x80-\xff]"
"""Visible characters and not `#`, since fragments are never sent. It is more than RFC 3986 allows: browsers
send `|`, curl raw UTF-8; backends cope with them, and nothing in them can be mistaken for framing."""

_NAME_CHAR = rb"0-9A-Za-z\-._~!$&'()*+;="
HOST = re.compile(
    rb"(?:\[(?:[0-9A-Fa-f:.]++|[Vv][0-9A-Fa-f]++\.[%b:]++)\]|(?:[%b]++|%%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
    % (_NAME_CHAR, _NAME_CHAR)
)
"""`uri-host [ ":" port ]` of RFC 3986 §3.2.2, IPvFuture included. No empty name (RFC 9110 §4.2.1), and no
comma: no name has one, and X-Forwarded-Host, which repeats it, is read as a list."""

_USUAL_HOST = rb"[0-9A-Za-z\-._]++(?::[0-9]{1,5}|)"
_LENGTH = rb"0|[1-9][0-9]{0,17}"
LENGTH = re.compile(_LENGTH)
"""Content-Length: below 10^18, so that it fits in 63 bits everywhere. A leading zero means octal to some
(`strtol` with base 0), so it is as ambiguous as `0x`."""

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*+)([^?]*+)(.*)", re.DOTALL)
"""Absolute-form of a request target: authority, path, query with its question mark."""

_SEPARATOR = rb"[!#$%&'*+\-.^_`|~]"
"""What CGI, WSGI and their like may all turn into `_`, so that two fields become one variable."""

FORWARDED = (
    rb"x%bforwarded%b%b" % (_SEPARATOR, _SEPARATOR, TOKEN),
    rb"x%breal%bip" % (_SEPARATOR, _SEPARATOR),
    rb"forwarded",
    rb"x%bclient%bcert%b%b" % (_SEPARATOR, _SEPARATOR, _SEPARATOR, TOKEN),
)
"""What tells a backend who and where a client is, in every spelling (traefik strips underscores too)."""

FORGED = (
    rb"x-forwarded-(?:for|proto|host|port)",
    rb"x-real-ip",
    rb"x(?!-forwarded-)%bforwarded%b%b" % (_SEPARATOR, _SEPARATOR, TOKEN),
    rb"x(?!-real-ip)%breal%bip" % (_SEPARATOR, _SEPARATOR),
    rb"x(?!-client-cert-)%bclient%bcert%b%b" % (_SEPARATOR, _SEPARATOR, _SEPARATOR, TOKEN),
)
"""Of those, what even a trusted peer does not pass on: what pylb writes itself, and the odd spellings."""

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
"""Fields that end at the next hop, whether `Connection` names them or not (RFC 9110 §7.6.1)."""

LOOKALIKES = (rb"content(?!-)%blength" % _SEPARATOR, rb"transfer(?!-)%bencoding" % _SEPARATOR)
"""Fields that a CGI-like backend may take for framing. No honest client sends them."""

_CONNECTION_AUTH = rb"authorization(?=:[\t ]*+(?:nego|ntlm|kerberos|credssp))"
"""`Authorization` with a scheme that authenticates a connection and not a request. Of Negotiate, `nego` is
enough, as in HAProxy: its variants begin alike. It is special for its value, so it has an alternative of its
own in the pattern: fields such as `Accept`, which begin alike, are compared with no other name."""

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
    """First letters, both small and capital."""
    return b"".join(sorted({name[:1] + name[:1].upper() for name in names}))


def _any_case(*names: bytes) -> bytes:
    """Alternatives for names, grouped by first letter: most lines need one comparison for each group."""
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
    """A start line and fields; of the special ones plainly written, `first`, a framing, and a `Connection`.

    Its last groups: `lines` up to the `Connection`, with the line feed that ends the start line in front;
    `early`, the framing, a length or `chunked`, if it is among these lines before `first`; what that
    captures; `framing`, if it is among them elsewhere; `close`, if `Connection` does not say keep-alive; the
    `more` lines after it; `late`, the framing, if it is among those; the lines from the first `special` one
    on. Without `first` there is no group `early`. The name `by_value`, with a look at its value, is special,
    too; no other one may begin with its first letter.
    """
    initials = _initials(special)
    apart = _initials((by_value,)) if by_value else b""
    others = bytes(letter for letter in ascii_letters.encode() if letter not in initials + apart)
    names = _any_case(*special)
    # start CRLF  ordinary* [early ordinary*] [first ordinary*] [framing ordinary*]
    #             [connection ordinary* [late ordinary*]] [special any*] CRLF
    # Ordinary lines have none of the special names; most are told by the first letter.
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
    rb"%b: (%b)\r\n" % (_any_case(b"host"), _USUAL_HOST),
    _CONNECTION_AUTH,
)
"""method, target, minor version, lines, early, host, framing, close, more, late, special.

Browsers and curl name the host first, as they should (RFC 9110 §7.2); axios and OkHttp say the length
before."""

REQUEST_LINE = re.compile(rb"(?!CONNECT |TRACE )(%b) (/%b*+) HTTP/1\.1\r" % (TOKEN, _TARGET_CHAR))
"""The line that most requests begin with, up to its line feed: method, target."""

RESPONSE = _head(rb"(HTTP/1\.([01]) ([1-5][0-9][0-9])(?: %b|))" % VALUE, _RESPONSE_SPECIAL)
"""status line, minor version, status, lines, framing, close, more, late, special."""


def _begun(*pieces: bytes) -> bytes:
    """A pattern for these pieces in a row, or for as many of them as have arrived."""
    pattern = b""
    for piece in reversed(pieces):
        pattern = rb"(?:%b%b|)" % (piece, pattern)
    return pattern


_STATUS = (b"H", b"T", b"T", b"P", b"/", b"1", rb"\.", b"[01]", b" ", b"[1-5]", b"[0-9]", b"[0-9]")
STATUS_LINE = re.compile(rb"%b(?: %b|)" % (b"".join(_STATUS), VALUE))
STATUS_LINE_BEGUN = re.compile(_begun(*_STATUS, rb"(?: %b|)" % VALUE))
"""What a status line may look like while its end has not come."""

BEGINNING = re.compile(_TOKEN_CHAR)
"""What a request begins with; a TLS record or a PROXY header of version 2 does not."""

TRAILERS = re.compile(rb"((?:%b:%b\r\n)*)\r\n" % (TOKEN, VALUE))
"""The trailer section of a chunked body: field lines, and the empty line."""

TRAILERS_BEGUN = re.compile(rb"(?:%b:%b\r\n)*(?:\r|%b(?::%b\r?|)|)" % (TOKEN, VALUE, TOKEN, VALUE))
"""What it may look like while its end has not come."""


def fields(*names: bytes) -> re.Pattern[bytes]:
    """A pattern that finds the lines of these fields, case-insensitively: (name, value) per match."""
    return re.compile(rb"\n(?=[%b])((?:%b)):[\t ]*+([^\r]*+)" % (_initials(names), _any_case(*names)))


def without(*names: bytes) -> re.Pattern[bytes]:
    """A pattern that matches whole lines of these fields, for removal by `sub(b"", lines)`."""
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
