"""What the memo stores and forgets. That it changes no meaning is a test of request_heads."""

from pylb.http2 import request_memo
from pylb.http2.request_memo import RequestMemo
from pylb.http2.request_text import RequestText

TEXT = RequestText(b"GET", b"Host: a\r\n", repeatable=True)
BLOCK = b"\x82\x04\x02/p\x87"
PLACE = 2, 5
HEAD = TEXT.head(b"/p")
MAX_PATH = 1000


def memo_with_template():
    memo = RequestMemo()
    memo.store_block(BLOCK, HEAD, TEXT, PLACE, MAX_PATH)
    return memo


def with_path(literal):
    return b"\x82\x04%b\x87" % literal


def test_a_stored_block_is_found():
    memo = RequestMemo()
    assert memo.head(BLOCK) == b""
    memo.store_block(BLOCK, HEAD, TEXT, None, MAX_PATH)
    assert memo.head(BLOCK) == HEAD
    assert memo.head(with_path(b"\x02/q")) == b""


def test_a_template_replaces_the_path():
    memo = memo_with_template()
    assert memo.head(with_path(b"\x02/q")) == TEXT.head(b"/q")
    assert memo.head(with_path(b"\x81\x63")) == TEXT.head(b"/")
    assert memo.head(with_path(b"\x7f\x80\x01/" + b"x" * 254)) == TEXT.head(b"/" + b"x" * 254)


def test_a_template_does_not_match_other_blocks():
    memo = memo_with_template()
    others = [
        b"",
        b"\x82\x04",
        b"\x82\x04\x87",
        b"\x82\x87",
        with_path(b"\x03/q"),
        with_path(b"\x01/q"),
        with_path(b"\x02/qq"),
        with_path(b"\x7f"),
        with_path(b"\x7f\x80"),
        with_path(b"\x02/q\x02/q"),
        b"\x83" + BLOCK[1:],
        BLOCK[:-1] + b"\x86",
        BLOCK + b"\x82",
    ]
    assert [memo.head(block) for block in others] == [b""] * len(others)


def test_the_parts_of_a_template_do_not_overlap():
    prefix, suffix = b"\x82\x00\x05:path", b"h\x01a"
    block = prefix + b"\x02/p" + suffix
    memo = RequestMemo()
    memo.store_block(block, HEAD, TEXT, (len(prefix), len(prefix) + 3), MAX_PATH)
    assert memo.head(prefix + b"\x02/q" + suffix) == TEXT.head(b"/q")
    assert memo.head(prefix + suffix[1:]) == b""


def test_a_template_does_not_match_an_invalid_or_too_long_path():
    memo = memo_with_template()
    paths = [b"", b"a", b"*", b"/ HTTP/1.1\r\nX: y", b"/\r\n", b"/\n", b"/\0", b"/#", b"/ ", b"/\x7f"]
    assert [memo.head(with_path(bytes([len(path)]) + path)) for path in paths] == [b""] * len(paths)
    short = RequestMemo()
    short.store_block(BLOCK, HEAD, TEXT, PLACE, 3)
    assert short.head(with_path(b"\x03/ab")) == TEXT.head(b"/ab")
    assert short.head(with_path(b"\x04/abc")) == b""


def test_a_change_of_the_table_removes_blocks_but_not_fields():
    memo = memo_with_template()
    memo.store_text((1, (b"a", b"b")), TEXT, 40)
    memo.forget_blocks()
    assert memo.head(BLOCK) == b""
    assert memo.head(with_path(b"\x02/q")) == b""
    assert memo.text(b"/q", (1, (b"a", b"b"))) is TEXT


def test_fields_are_found_for_a_valid_path_only():
    memo = RequestMemo()
    memo.store_text((1, (b"a", b"b")), TEXT, 40)
    assert memo.text(b"/\xff", (1, (b"a", b"b"))) is TEXT
    assert memo.text(b"/q", (2, (b"a", b"b"))) is None
    assert memo.text(b"/\r\nX: y", (1, (b"a", b"b"))) is None
    assert memo.text(b"", (1, (b"a", b"b"))) is None


def test_the_memo_is_bounded(monkeypatch):
    monkeypatch.setattr(request_memo, "MEMO_SIZE", 200)
    memo = RequestMemo()
    memo.store_text((0,), TEXT, 201)
    assert memo.text(b"/", (0,)) is None
    memo.store_text((1,), TEXT, 100)
    memo.store_block(BLOCK, HEAD, TEXT, PLACE, MAX_PATH)
    assert memo.text(b"/", (1,)) is TEXT
    memo.store_text((2,), TEXT, 100)
    assert (memo.head(BLOCK), memo.text(b"/", (1,)), memo.text(b"/", (2,))) == (b"", None, TEXT)
