import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http2 import request_heads as module
from pylb.http2.errors import ErrorCode, SessionError, StreamError
from pylb.http2.request_heads import RequestHeads
from tests.http2.encoders import ENCODERS, LiteralPaths
from tests.http2.invariants import LIMITS, Connection
from tests.http2.messages import PATHS, requests

GET = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/p"), (b"x", b"y")]
HEAD = b"GET /p HTTP/1.1\r\nHost: a\r\nx: y\r\n\r\n"
LITERAL = b"\x82\x87\x01\x01a\x04\x02/p\x00\x01x\x01y"
"""GET, https, authority a, path /p, x: y; all literals are without indexing."""


def string(text):
    """A string literal."""
    return bytes(hpack.hpack.encode_integer(len(text), 7)) + text


def literal(path, rest=b"\x00\x01x\x01y"):
    """`LITERAL` with another path."""
    return b"\x82\x87\x01\x01a\x04" + string(path) + rest


@pytest.fixture
def heads():
    return RequestHeads(LIMITS)


@pytest.fixture
def warm(heads):
    """The same, with `LITERAL` stored, and a template made of it."""
    assert heads.head(LITERAL, end_stream=True) == HEAD
    return heads


@pytest.fixture
def translations(monkeypatch):
    """The calls of `request_text`."""
    calls = []

    def counted(fields, *, end_stream):
        calls.append(fields)
        return request_text(fields, end_stream=end_stream)

    request_text = module.request_text
    monkeypatch.setattr(module, "request_text", counted)
    return calls


def with_path(path):
    return [(name, path if name == b":path" else value) for name, value in GET]


class TestRepetition:
    def test_a_repeated_block_is_translated_once(self, heads, translations):
        assert [heads.head(LITERAL, end_stream=True) for _ in range(3)] == [HEAD] * 3
        assert len(translations) == 1

    @pytest.mark.parametrize("encoder", ENCODERS)
    @pytest.mark.parametrize("table_size", [0, 4096])
    def test_requests_that_differ_in_their_path_are_translated_once(self, encoder, table_size, translations):
        heads, client = RequestHeads(LIMITS, table_size), ENCODERS[encoder]()
        client.header_table_size = table_size
        heads.settings_acknowledged()
        for number in range(300):
            path = b"/%d" % number
            head = heads.head(client.encode(with_path(path)), end_stream=True)
            assert head == HEAD.replace(b"/p", path)
        assert len(translations) == 1

    def test_the_framing_is_that_of_the_stream(self, warm):
        chunked = HEAD[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
        assert warm.head(LITERAL, end_stream=False) == chunked
        assert warm.head(literal(b"/q"), end_stream=False) == chunked.replace(b"/p", b"/q")
        assert warm.head(LITERAL, end_stream=True) == HEAD

    def test_a_websocket_has_a_new_key_each_time(self, heads):
        block = b"\x02\x07CONNECT\x00\x09:protocol\x09websocket" + LITERAL[1:]
        assert len({heads.head(block, end_stream=False) for _ in range(5)}) == 5


class TestTable:
    """A stored block is valid while the dynamic table is unchanged."""

    def test_an_index_means_the_newest_entries(self, heads):
        insert_x, insert_z = b"\x40\x01x\x01y", b"\x40\x01z\x01z"
        first = literal(b"/p", insert_x)
        assert heads.head(first, end_stream=True) == HEAD
        indexed = literal(b"/p", b"\xbe")
        assert heads.head(indexed, end_stream=True) == heads.head(indexed, end_stream=True) == HEAD
        assert heads.head(literal(b"/p", insert_z), end_stream=True) == HEAD.replace(b"x: y", b"z: z")
        assert heads.head(indexed, end_stream=True) == HEAD.replace(b"x: y", b"z: z")
        assert heads.head(literal(b"/q", b"\xbf"), end_stream=True) == HEAD.replace(b"/p", b"/q")

    def test_a_block_that_changes_the_table_is_not_stored(self, heads):
        block = literal(b"/p", b"\x40\x01x\x01y")
        assert [heads.head(block, end_stream=True) for _ in range(3)] == [HEAD] * 3
        assert heads.head(literal(b"/p", b"\xbe\xbf\xc0"), end_stream=True).count(b"x: y") == 3

    @pytest.mark.parametrize("change", ["trailers", "discard", "other framing", "size update"])
    def test_every_change_forgets_stored_blocks(self, heads, change):
        heads.head(literal(b"/p", b"\x40\x01x\x01y"), end_stream=True)
        indexed = literal(b"/p", b"\xbe")
        assert heads.head(indexed, end_stream=True) == HEAD
        insert = b"\x40\x01z\x01z"
        if change == "trailers":
            heads.trailers(1, insert)
        elif change == "discard":
            heads.discard(insert)
        elif change == "other framing":
            heads.head(literal(b"/p", insert), end_stream=False)
        else:
            heads.discard(b"\x20" + insert)
            with pytest.raises(SessionError):
                heads.head(indexed, end_stream=True)
            return
        assert heads.head(indexed, end_stream=True) == HEAD.replace(b"x: y", b"z: z")

    def test_a_refused_request_changes_the_table(self, heads):
        with pytest.raises(ProxyError):
            heads.head(b"\x40\x01x\x01y", end_stream=True)
        assert heads.head(literal(b"/p", b"\xbe"), end_stream=True) == HEAD

    def test_without_a_table_a_path_with_indexing_is_no_change(self, translations):
        heads = RequestHeads(LIMITS, 0)
        heads.settings_acknowledged()
        blocks = [b"\x82\x87\x41\x01a\x44\x02%b\x40\x01x\x01y" % path for path in (b"/p", b"/q")]
        assert heads.head(b"\x20" + blocks[0], end_stream=True) == HEAD
        assert [heads.head(block, end_stream=True) for block in blocks] == [HEAD, HEAD.replace(b"/p", b"/q")]
        assert len(translations) == 1

    def test_a_stored_block_without_a_due_size_update_ends_the_connection(self):
        heads = RequestHeads(LIMITS, 0)
        assert heads.head(LITERAL, end_stream=True) == heads.head(LITERAL, end_stream=True)
        heads.settings_acknowledged()
        with pytest.raises(SessionError):
            heads.head(LITERAL, end_stream=True)


def status(heads, block, *, end_stream=True):
    with pytest.raises(ProxyError) as error:
        heads.head(block, end_stream=end_stream)
    return error.value.status


class TestHostileBlocks:
    """Blocks with which a memo that checks less gives a wrong head."""

    @pytest.mark.parametrize("path", [path for path in PATHS if path[:1] != b"/" or b"\r" in path])
    def test_a_path_is_checked_with_and_without_a_template(self, heads, path):
        assert status(heads, literal(path)) == 400
        heads.head(LITERAL, end_stream=True)
        assert status(heads, literal(path)) == 400

    @pytest.mark.parametrize("value", [b"\r\nX: y", b"G\0", b"a b", b"", b"a\n"])
    @pytest.mark.parametrize("name", [b"\x01", b"\x02"])
    def test_authority_and_method_are_checked_after_a_stored_request(self, warm, name, value):
        field = name + string(value)
        block = {b"\x01": LITERAL.replace(b"\x01\x01a", field, 1), b"\x02": field + LITERAL[1:]}[name]
        assert status(warm, block) == 400

    @pytest.mark.parametrize("cut", range(len(LITERAL)))
    def test_every_part_of_a_stored_block_is_refused(self, warm, cut):
        whole_without_x = literal(b"/p", b"")
        if LITERAL[:cut] == whole_without_x:
            assert warm.head(LITERAL[:cut], end_stream=True) == HEAD.replace(b"x: y\r\n", b"")
            return
        with pytest.raises((ProxyError, SessionError)):
            warm.head(LITERAL[:cut], end_stream=True)

    def test_a_size_update_beyond_the_setting_ends_the_connection(self, warm):
        with pytest.raises(SessionError) as error:
            warm.head(b"\x3f\xe1\xff\x03" + LITERAL, end_stream=True)
        assert error.value.code is ErrorCode.COMPRESSION_ERROR

    def test_a_size_update_inside_a_block_ends_the_connection(self, warm):
        with pytest.raises(SessionError) as error:
            warm.head(LITERAL + b"\x20", end_stream=True)
        assert error.value.code is ErrorCode.COMPRESSION_ERROR

    @pytest.mark.parametrize("missing", [b":method", b":scheme", b":path", b":authority"])
    def test_a_missing_pseudo_field_is_refused_after_a_stored_request(self, warm, missing):
        block = LiteralPaths().encode([field for field in GET if field[0] != missing])
        assert status(warm, block) == 400

    def test_too_many_references_to_a_large_entry_are_refused_or_end_the_connection(self, heads):
        heads.discard(b"\x40\x01x" + string(b"v" * 4000))
        assert status(heads, literal(b"/p", b"\xbe" * 9)) == 431
        with pytest.raises(SessionError) as error:
            heads.head(literal(b"/p", b"\xbe" * 16_000), end_stream=True)
        assert error.value.code is ErrorCode.ENHANCE_YOUR_CALM

    def test_a_longer_path_with_a_template_does_not_exceed_the_limit(self):
        size = sum(32 + len(name) + len(value) for name, value in GET)
        heads = RequestHeads(Limits(max_head=size + 10))
        heads.head(LITERAL, end_stream=True)
        assert heads.head(literal(b"/" + b"q" * 11), end_stream=True)
        assert status(heads, literal(b"/" + b"q" * 12)) == 431
        assert status(RequestHeads(Limits(max_head=size + 10)), literal(b"/" + b"q" * 12)) == 431


class TestTrailers:
    def test_lines_of_trailers(self, heads):
        block = hpack.Encoder().encode([(b"x", b" y "), (b"grpc-status", b"0")])
        assert heads.trailers(1, block) == b"x: y\r\ngrpc-status: 0\r\n"

    @pytest.mark.parametrize(
        "name",
        [
            b"content-length",
            b"transfer-encoding",
            b"host",
            b"te",
            b"connection",
            b"cookie",
            b"trailer",
        ],
    )
    def test_forbidden_trailers_are_dropped(self, heads, name):
        block = hpack.Encoder().encode([(b"x", b"y"), (name, b"5"), (b"z", b"")])
        assert heads.trailers(1, block) == b"x: y\r\nz: \r\n"

    @pytest.mark.parametrize(
        "field",
        [
            *((name, b"x") for name in (b":path", b":status", b"", b"A", b"a b", b"a:", b"a: b", b"a\r\nb")),
            *((b"a", value) for value in (b"b\r\nc: d", b"b\n", b"b\rc", b"\0", b"\x7f")),
        ],
    )
    def test_an_invalid_field_ends_the_stream(self, heads, field):
        with pytest.raises(StreamError) as error:
            heads.trailers(7, hpack.Encoder().encode([(b"x", b"y"), field]))
        assert (error.value.stream, error.value.code) == (7, ErrorCode.PROTOCOL_ERROR)

    @pytest.mark.parametrize("size", [20_000, 40_000])
    def test_trailers_that_are_too_large_end_the_stream_but_change_the_table(self, heads, size):
        with pytest.raises(StreamError) as error:
            heads.trailers(7, b"\x40\x01x\x01y\x00\x01z" + string(b"z" * size))
        assert error.value.code is ErrorCode.ENHANCE_YOUR_CALM
        assert heads.head(literal(b"/p", b"\xbe"), end_stream=True) == HEAD


@st.composite
def connections(draw):
    """What a connection sends: few requests, which repeat with other paths."""
    table_size = draw(st.sampled_from([0, 60, 200, 4096]))
    encoder = ENCODERS[draw(st.sampled_from([*ENCODERS]))]()
    known = draw(st.lists(requests(), min_size=1, max_size=3))
    steps = []
    for _ in range(draw(st.integers(1, 8))):
        fields = list(draw(st.sampled_from(known)))
        if draw(st.booleans()):
            path = draw(st.sampled_from(PATHS) | st.binary(max_size=5))
            fields = [(name, path if name == b":path" else value) for name, value in fields]
        kind = draw(st.sampled_from(["head", "head", "head", "trailers"]))
        steps.append((kind, fields, draw(st.booleans())))
    return table_size, encoder, steps


@given(connections())
def test_the_memo_changes_no_meaning(connection):
    table_size, encoder, steps = connection
    checked = Connection(table_size)
    encoder.header_table_size = table_size
    checked.settings_acknowledged()
    for kind, fields, flag in steps:
        block = encoder.encode(fields, huffman=flag)
        if not (checked.head(block, end_stream=flag) if kind == "head" else checked.trailers(block)):
            break
