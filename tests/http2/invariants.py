"""What holds for whatever header blocks arrive: they are refused, or keep their meaning.

Blocks are decoded a second time by the package hpack, and translated heads are read line by line, without a
function of `pylb.http2`. The property tests and the fuzzer call these checks.
"""

import hpack
import hyperframe.frame as oracle
from h2.settings import _validate_setting

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import parse_request
from pylb.http1.writer import request_head
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError, StreamError
from pylb.http2.request_heads import RequestHeads
from pylb.http2.request_reader import RequestReader
from pylb.http2.request_text import request_text
from tests.http1.invariants import read_head

LIMITS = Limits()
STATUSES = {400, 405, 414, 417, 431, 501}
"""The statuses with which a head may be refused, by the translation or by the parser of HTTP/1.1."""

_PSEUDO = {b":authority", b":method", b":path", b":protocol", b":scheme"}
_SPECIAL = {b"host", b"cookie", b"te", b"content-length", b"grpc-timeout"}
_NEVER = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_KEY = b"Sec-WebSocket-Key: "
_KEY_LENGTH = 24


def without_key(head):
    """A head without the random key of a WebSocket; a status is returned as it is."""
    if type(head) is int:
        return head
    before, name, after = head.rpartition(_KEY)
    return before + name + after[_KEY_LENGTH:] if name else head


def ended(error):
    """Nothing, for the error of a connection that ends."""
    assert error.code in {ErrorCode.COMPRESSION_ERROR, ErrorCode.ENHANCE_YOUR_CALM}
    return ""


def refused(error):
    assert error.status in STATUSES, error
    return error.status


def check_fields(fields, *, end_stream):
    """Return the status with which a request is refused, or facts about it after checking its head."""
    try:
        text = request_text(fields, end_stream=end_stream)
        head = text.head(dict(fields)[b":path"])
        request = parse_request(head, LIMITS)
    except ProxyError as error:
        return refused(error)
    check_head(fields, head, request, end_stream=end_stream)
    return request.method, request.upgrade, request.chunked, request.length > 0, request.clean


def check_head(fields, head, request, *, end_stream):
    """A head has the fields that were sent, those that HTTP/1.1 requires, and no others."""
    pseudo = dict(fields[: sum(name.startswith(b":") for name, _ in fields)])
    regular = [(name, value.strip(b"\t ")) for name, value in fields[len(pseudo) :]]
    assert pseudo.keys() <= _PSEUDO
    assert pseudo.keys() >= {b":method", b":path", b":scheme"}
    names = [name for name, _ in regular]
    assert not _NEVER & set(names)
    assert all(name == name.lower() and name[:1] != b":" for name in names)
    websocket = pseudo[b":method"] == b"CONNECT"
    assert (pseudo.get(b":protocol") == b"websocket") == websocket

    start, lines = read_head(head)
    assert start == [b"GET" if websocket else pseudo[b":method"], pseudo[b":path"], b"HTTP/1.1"]
    authority = pseudo.get(b":authority", dict(regular).get(b"host"))
    skipped = _SPECIAL | ({b"sec-websocket-key"} if websocket else set())
    timeouts = [field for field in regular if field[0] == b"grpc-timeout"]
    assert lines[: len(timeouts)] == timeouts
    del lines[: len(timeouts)]
    copied = [field for field in regular if field[0] not in skipped]
    assert lines[: 1 + len(copied)] == [(b"host", authority), *copied]
    added = dict(lines[1 + len(copied) :])
    assert len(added) == len(lines) - 1 - len(copied)
    if b"cookie" in names:
        cookies = [value for name, value in regular if name == b"cookie" and value]
        assert added.pop(b"cookie") == b"; ".join(cookies)
    if b"te" in names:
        assert added.pop(b"te") == b"trailers" == dict(regular)[b"te"]
        assert b"TE" in added[b"connection"].split(b", ")
    if websocket:
        assert added.pop(b"upgrade") == b"websocket" == request.upgrade
        assert added.pop(b"connection").split(b", ")[-1] == b"Upgrade"
        assert len(added.pop(b"sec-websocket-key")) == _KEY_LENGTH
    else:
        added.pop(b"connection", None)
        check_framing(
            added, {value for name, value in regular if name == b"content-length"}, request, end_stream
        )
    assert added == {}
    assert (request.method, request.target, request.host) == (start[0], start[1], authority)


def check_framing(added, lengths, request, end_stream):
    """The length of the content is the one that was sent, or the content ends with its stream."""
    assert len(lengths) <= 1
    assert added.pop(b"transfer-encoding", b"chunked") == b"chunked"
    length = added.pop(b"content-length", b"0")
    assert {length} == (lengths or {b"0"})
    assert (request.length, request.chunked) == (int(length), not lengths and not end_stream)
    assert not end_stream or request.length == 0


def facts(request):
    """All attributes of a request except the forwarded head, which the parser does not build."""
    return {name: getattr(request, name) for name in dir(request) if name[0] != "_" and name != "cached_head"}


def outcome(parse):
    """The request, or the status and the text of the error."""
    try:
        return parse()
    except ProxyError as error:
        return refused(error), error.detail


def check_reader(reader, client, head):
    """A reader with entries returns what the parser returns, and backends receive the same head."""
    expected = outcome(lambda: parse_request(head, LIMITS))
    if isinstance(expected, tuple):
        assert outcome(lambda: reader.read(head)) == expected
        return
    written = [request_head(expected, client, b"id", b"")]
    for _ in range(2):
        request = reader.read(head)
        written.append(request_head(request, client, b"id", b""))
        client.identify(expected)
        client.identify(request)
        assert facts(request) == facts(expected)
    assert written == written[:1] * 3


class Connection:
    """The blocks of one connection, translated by `RequestHeads` and by hpack without a memo.

    Args:
        table_size: the HEADER_TABLE_SIZE that pylb offers and that the client has acknowledged.
    """

    def __init__(self, table_size):
        self.heads = RequestHeads(LIMITS, table_size)
        self.oracle = hpack.Decoder(10**9)
        self.oracle.max_allowed_table_size = max(table_size, 4096)
        self.table_size = table_size
        self.client = ClientInfo("192.0.2.7", "https", version=2)
        self.reader = RequestReader(LIMITS, self.client)

    def settings_acknowledged(self):
        self.heads.settings_acknowledged()
        self.oracle.max_allowed_table_size = self.table_size

    def head(self, block, *, end_stream):
        """Check a block with the head of a request; return a description, empty if the connection ends."""
        try:
            head = self.heads.head(block, end_stream=end_stream)
        except SessionError as error:
            return ended(error)
        except ProxyError as error:
            head = refused(error)
        else:
            check_reader(self.reader, self.client, head)
        fields = self.oracle.decode(block, raw=True)
        assert without_key(head) == without_key(self.expected(fields, end_stream=end_stream))
        return f"{head if type(head) is int else check_fields(fields, end_stream=end_stream)}"

    def expected(self, fields, *, end_stream):
        """Translate fields without a memo."""
        if sum(32 + len(name) + len(value) for name, value in fields) > LIMITS.max_head:
            return 431
        try:
            return request_text(fields, end_stream=end_stream).head(dict(fields)[b":path"])
        except ProxyError as error:
            return error.status

    def trailers(self, block):
        """Check a block with trailers; return a description, empty if the connection ends."""
        try:
            lines = self.heads.trailers(1, block)
        except SessionError as error:
            return ended(error)
        except StreamError as error:
            self.oracle.decode(block, raw=True)
            return error.code.name
        fields = [(name, value.strip(b"\t ")) for name, value in self.oracle.decode(block, raw=True)]
        _, found = read_head(b"GET / HTTP/1.1\r\n%b\r\n" % lines)
        assert [field for field in fields if field in found] == found
        assert not {b"host", b"content-length", b"transfer-encoding", b"te"} & {name for name, _ in found}
        assert all(name[:1] != b":" and name == name.lower() for name, _ in fields)
        return f"{len(found)} of {len(fields)} trailers"


def parsed_frames(data):
    """The frames in `data`, as hyperframe reads them."""
    found = []
    while data:
        header, data = data[: frames.HEADER_LENGTH], data[frames.HEADER_LENGTH :]
        frame, length = oracle.Frame.parse_frame_header(memoryview(header), strict=True)
        frame.parse_body(memoryview(data[:length]))
        assert frame.body_len == length
        found.append(frame)
        data = data[length:]
    return found


def check_headers(block, *, max_frame, end_stream):
    """A header block arrives whole, in frames of the peer's size of which only the last ends it."""
    first, *others = parsed_frames(frames.headers(5, block, end_stream=end_stream, max_frame=max_frame))
    everything = [first, *others]
    assert type(first) is oracle.HeadersFrame
    assert {type(frame) for frame in others} <= {oracle.ContinuationFrame}
    assert b"".join(frame.data for frame in everything) == block
    assert {frame.stream_id for frame in everything} == {5}
    assert [len(frame.data) for frame in everything][:-1] == [max_frame] * len(others)
    assert not others or others[-1].data
    assert ["END_HEADERS" in frame.flags for frame in everything] == [False] * len(others) + [True]
    assert ["END_STREAM" in frame.flags for frame in everything] == [end_stream] + [False] * len(others)
    return f"{min(len(everything), 3)} frames"


def check_settings(payload):
    """Settings are accepted exactly if h2 accepts each, if they are whole, and if they are few."""
    entries = [(int.from_bytes(payload[at : at + 2]), int.from_bytes(payload[at + 2 : at + 6]))
               for at in range(0, len(payload) - len(payload) % 6, 6)]  # fmt: skip
    if len(payload) % 6:
        expected = ErrorCode.FRAME_SIZE_ERROR
    elif len(entries) > 32:
        expected = ErrorCode.ENHANCE_YOUR_CALM
    else:
        codes = [_validate_setting(*entry) or _beyond_h2(*entry) for entry in entries]
        expected = next(filter(None, codes), ErrorCode.NO_ERROR)
    try:
        assert frames.parse_settings(payload) == dict(entries)
        found = ErrorCode.NO_ERROR
    except SessionError as error:
        found = error.code
    assert found == expected
    return f"settings: {found.name}"


def _beyond_h2(setting, value):
    """The code for a bad NO_RFC7540_PRIORITIES, which h2 does not know."""
    return ErrorCode.PROTOCOL_ERROR if setting == frames.NO_RFC7540_PRIORITIES and value > 1 else 0
