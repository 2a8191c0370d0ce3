"""What holds for whatever bytes arrive: they are refused with a documented status, or keep their meaning.

The meaning is read here a second time, plainly: line by line and byte by byte, without a pattern or a
function of `pylb.http1`. The property tests and the fuzzer call these checks.
"""

import re
from contextlib import suppress
from operator import attrgetter

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1 import parser
from pylb.http1.bad_request import bad_request, bad_response
from pylb.http1.body import Chunked, Sized, UntilClose, chunk, last_chunk
from pylb.http1.head_cache import HeadCache, RequestReader
from pylb.http1.headers import ClientInfo
from pylb.http1.writer import request_head, response_head

LIMITS = Limits()
ORIGINS = [ClientInfo("192.0.2.7", "http"), ClientInfo("192.0.2.7", "http", proxies={"192.0.2.7"})]
STATUSES = {400, 405, 414, 417, 431, 501, 505}
"""What a request's head may be refused with, as `parse_request` documents."""

_READ = attrgetter(
    *(name for name in dir(parser.Request(b"", b"", 1, b"")) if name[0] != "_" and name != "cached_head")
)
"""All that is known of a request; what is ready to be sent is compared when it is."""
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_VALUE = frozenset([9, *range(32, 127), *range(128, 256)])
_DIGITS = frozenset(b"0123456789")
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_MARKS = bytes(_TOKEN - frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
_AS_CGI = bytes.maketrans(_MARKS, b"_" * len(_MARKS))
_FOR_THIS_HOP = frozenset([
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
    b"te", b"trailer", b"transfer-encoding", b"upgrade",
])  # fmt: skip
_REWRITTEN = _FOR_THIS_HOP | {b"host", b"content-length", b"expect", b"proxy"}
_FACTS = {
    type(message): [
        name
        for name in dir(message)
        if name[0] != "_" and name not in {"clean", "fields", "lines", "connection_options"}
    ]
    for message in (parser.Request(b"", b"", 1, b""), parser.Response(1, 200, b"", b""))
}
"""All that is known of a message but the form in which its fields are kept."""
_QUOTED = re.compile(r"b?'(?:\\.|[^'])*'|b?\"(?:\\.|[^\"])*\"|[0-9]+")


def fields_of(lines):
    """The fields of these lines, as pairs of name in lower case and value."""
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        assert colon == b":", line
        assert name != b"", line
        assert _TOKEN.issuperset(name), line
        assert _VALUE.issuperset(value), line
        fields.append((name.lower(), value.strip(b"\t ")))
    return fields


def read_head(head):
    """The start line's three words and the fields."""
    assert head.endswith(b"\r\n\r\n")
    start, *lines = head[:-4].split(b"\r\n")
    return start.split(b" ", 2), fields_of(lines)


def read_chunks(data):
    """Payload, trailers as fields, and the rest, of a chunked body that is complete."""
    payload = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = line.partition(b";")[0].rstrip(b"\t ")
        assert _HEXADECIMAL.issuperset(size), line
        length = int(size, 16)
        if length == 0:
            break
        assert data[length : length + 2] == b"\r\n", data
        payload += data[:length]
        data = data[length + 2 :]
    trailers = []
    while True:
        line, _, data = data.partition(b"\r\n")
        if line == b"":
            return payload, fields_of(trailers), data
        trailers.append(line)


def _reader_of_the_same_fields(head, origin):
    """A reader that has just read a plain request with the same fields, if they can be those of one."""
    reader = RequestReader(LIMITS, HeadCache(), origin)
    with suppress(ProxyError):
        reader.read(b"GET / HTTP/1.1\r\n" + head.partition(b"\n")[2])
    return reader


def _check_refused_again(head, origin, error):
    """What is refused is refused for the same reason whatever came before it."""
    other = None
    try:
        _reader_of_the_same_fields(head, origin).read(head)
    except ProxyError as again:
        other = again.status, again.detail
    assert other == (error.status, error.detail)


def check_request(data, cut=0, *, trusted=False):
    """Read a request, and send it on.

    Args:
        data: all that a client sends.
        cut: where its body arrives in two pieces.
        trusted: whether its X-Forwarded fields are believed.

    Returns:
        In a few words what became of it, for who looks for something new.
    """
    end = data.find(parser.END_OF_HEAD) + 4
    origin = ORIGINS[trusted]
    try:
        if end < 4:
            parser.check_beginning(data or b"G", LIMITS)
            return "unfinished"
        head = data[:end]
        request = parser.parse_request(head, LIMITS)
    except ProxyError as error:
        if end >= 4:
            _check_refused_again(data[:end], origin, error)
        return _check_refusal(error, STATUSES)
    remembered = _reader_of_the_same_fields(head, origin).read(head)
    assert _READ(remembered) == _READ(request), "the same fields as before changed what a head means"
    (method, target, version), fields = read_head(head)
    assert (request.method, b"HTTP/1.%d" % request.version) == (method, version)
    plain = parser.Request(method, target, request.version, _lines(head))
    _check_both_ways(request, parser._examine_request(plain))
    _check_target(request, target)
    _check_request_framing(request, fields)
    sent = request_head(request, origin, b"id", b"10.0.0.1:80")
    assert request_head(remembered, origin, b"id", b"10.0.0.1:80") == sent, "or what is sent"
    (method, target, version), sent_fields = read_head(sent)
    assert (method, target, version) == (request.method, request.target, b"HTTP/1.1")
    _check_sent_request(request, fields, sent_fields, trusted=trusted)
    again = parser.parse_request(sent, Limits(max_headers=LIMITS.max_headers + 10))
    for attribute in (
        "method",
        "target",
        "length",
        "chunked",
        "expect",
        "upgrade",
        "trailers",
        "trailer_names",
    ):
        assert getattr(again, attribute) == getattr(request, attribute), attribute
    assert again.host == (request.host or b"10.0.0.1:80")
    kind = "chunked" if request.chunked else "sized" if request.length else "bodiless"
    body = _check_body(
        lambda: Chunked(bad_request) if request.chunked else Sized(request.length), data[end:], cut
    )
    options = bool(request.connection_options)
    return f"{version!r} {kind} {request.close} {request.upgrade != b''} {options} {body}"


def check_response(data, cut=0):
    """Read a response, and send it on; arguments and result as above."""
    end = data.find(parser.END_OF_HEAD) + 4
    head = data[:end] if end >= 4 else data
    try:
        response = parser.parse_response(head)
    except ProxyError as error:
        return _check_refusal(error, {502})
    assert end >= 4
    (version, status, *reason), fields = read_head(head)
    assert (version, status) == (b"HTTP/1.%d" % response.version, b"%d" % response.status)
    start = b"HTTP/1.1 %b %b" % (status, b"".join(reason))
    plain = parser.Response(response.version, response.status, start, _lines(head))
    _check_both_ways(response, parser._examine_response(plain))
    _check_response_framing(response, fields)
    for chunked in (False, True) if response.length < 0 else (False,):
        sent = response_head(response, chunked=chunked, close=True, version=1, date=b"now")
        (version, status, reason), sent_fields = read_head(sent)
        assert b" ".join((version, status, reason)) == start
        _check_sent_response(response, fields, sent_fields, chunked=chunked)
    kinds = {
        "chunked": lambda: Chunked(bad_response),
        "sized": lambda: Sized(response.length),
        "": UntilClose,
    }
    kind = "chunked" if response.chunked else "sized" if response.length >= 0 else ""
    body = _check_body(kinds[kind], data[end:], cut)
    return f"{response.status // 100} {kind} {response.close} {response.upgrade != b''} {body}"


def _check_refusal(error, statuses):
    assert error.status in statuses, error
    assert error.detail.isprintable(), error
    assert len(error.detail) < 500, error
    return f"{error.status} {_QUOTED.sub('.', error.detail)}"


def _lines(head):
    """The field lines in the form that messages keep them in."""
    return head[head.index(b"\n") : -2]


def _check_both_ways(understood, examined):
    """What is captured of a usual head, and the examination of its single fields, come to the same."""
    for attribute in _FACTS[type(examined)]:
        assert getattr(understood, attribute) == getattr(examined, attribute), attribute


def _check_target(request, target):
    if target.startswith(b"/"):
        assert request.target == target
    elif target == b"*":
        assert request.target == b"*"
        assert request.method == b"OPTIONS"
    else:
        scheme, _, rest = target.partition(b"://")
        assert scheme.lower() in (b"http", b"https")
        assert rest.startswith(request.host)
        path = rest[len(request.host) :]
        assert request.target in (path, b"/" + path, b"*")


def _values(fields, name):
    return [value for key, value in fields if key == name]


def _check_request_framing(request, fields):
    lengths, codings = _values(fields, b"content-length"), _values(fields, b"transfer-encoding")
    assert len(lengths) + len(codings) <= 1
    assert len(_values(fields, b"host")) <= 1
    assert request.chunked == (len(codings) == 1)
    for length in lengths:
        assert _DIGITS.issuperset(length)
        assert request.length == int(length)
    for coding in codings:
        assert coding.lower() == b"chunked"
    assert request.version == 1 or not codings


def _check_response_framing(response, fields):
    lengths, codings = _values(fields, b"content-length"), _values(fields, b"transfer-encoding")
    assert len(lengths) + len(codings) <= 1
    assert response.chunked == (len(codings) == 1)
    assert response.length == (int(lengths[0]) if lengths else -1)
    assert response.version == 1 or not codings


def _options(fields):
    return {o.strip(b"\t ").lower() for value in _values(fields, b"connection") for o in value.split(b",")}


def _named_away(fields):
    """Names that `Connection` ends here; `close` is an option and names no field (RFC 9110 §7.6.1)."""
    return {name for name in _options(fields) - {b"close"} if not _is_about_client(name, trusted=False)}


def _is_about_client(name, *, trusted):
    """Whether a backend could learn from it who or where the client is; some of a trusted client's stays."""
    if trusted and (name == b"forwarded" or name.startswith(b"x-client-cert-")):
        return False
    if trusted and name.startswith(b"x-forwarded-"):
        return name.removeprefix(b"x-forwarded-") in (b"for", b"proto", b"host", b"port")
    odd = name.translate(_AS_CGI)
    groups = (b"x_forwarded_", b"x_client_cert_")
    about = any(odd.startswith(group) and odd != group for group in groups)
    return about or odd in (b"x_real_ip", b"x_request_id", b"forwarded")


def _check_sent_request(request, fields, sent, *, trusted):
    named = _named_away(fields)
    kept = [
        (name, value)
        for name, value in fields
        if name not in _REWRITTEN | named and not _is_about_client(name, trusted=trusted)
    ]
    names = [name for name, _ in sent]
    added = names.index(b"x-forwarded-for")
    about = [(name, value) for name, value in sent[:added] if name not in _REWRITTEN]
    assert about == kept
    assert names.count(b"host") == 1
    assert names.count(b"x-request-id") == names.count(b"x-forwarded-for") == names.count(b"x-real-ip") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    options = {b"upgrade": bool(request.upgrade), b"te": request.trailers}
    assert _options(sent) == {name for name, is_set in options.items() if is_set}
    assert {name for name in options if name in names} == _options(sent)


def _check_sent_response(response, fields, sent, *, chunked):
    named = _named_away(fields)
    ours = _FOR_THIS_HOP | {b"content-length", b"date"}
    assert [pair for pair in sent if pair[0] not in ours] == [
        pair for pair in fields if pair[0] not in ours | named
    ]
    names = [name for name, _ in sent]
    assert names.count(b"transfer-encoding") == chunked
    lengths = _values(sent, b"content-length")
    may = response.status >= 200 and response.status != 204
    assert lengths == ([b"%d" % response.length] if response.length >= 0 and may else [])
    assert b"close" in _options(sent)
    assert b"date" in names


def _decoded(make, pieces):
    decoder = make()
    payload = b""
    for index, piece in enumerate(pieces):
        payload += decoder.feed(piece)
        if decoder.done:
            return payload, decoder.trailers, decoder.rest + b"".join(pieces[index + 1 :]), True
    return payload, decoder.trailers, decoder.rest, decoder.done


def _outcome(make, pieces):
    try:
        return _decoded(make, [piece for piece in pieces if piece])
    except ProxyError as error:
        _check_refusal(error, {400, 502})
        return error.status


def _check_body(make, data, cut):
    """Where the pieces of a body are cut makes no difference, and what was decoded can be sent in chunks."""
    if make().done:
        return "none"
    whole = _outcome(make, [data])
    cut %= len(data) + 1
    assert _outcome(make, [data[:cut], data[cut:]]) == whole
    if not isinstance(whole, tuple):
        return "broken"
    payload, trailers, rest, done = whole
    if done and isinstance(make(), Chunked):
        plain, fields, after = read_chunks(data)
        assert (plain, after) == (payload, rest)
        assert set(fields_of(trailers.split(b"\r\n")[:-1])) <= set(fields)
        sent = chunk(payload) * (payload != b"") + last_chunk(trailers)
        assert _decoded(lambda: Chunked(bad_request), [sent]) == (payload, trailers, b"", True)
    return f"{done} {trailers != b''} {rest != b''}"
