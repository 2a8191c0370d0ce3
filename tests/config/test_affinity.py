import pytest

from pylb.config.affinity import HASH_ON, KEY, STICKY


def parsed(kind, value):
    """The parsed value; None if it is refused."""
    try:
        return kind.parse(value)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "value", ["client", "path", "target", "header:X-User", "cookie:s", "cookie:a.b", "query:id", "query:a[b]"]
)
def test_what_is_hashed(value):
    assert parsed(HASH_ON, value) == value


@pytest.mark.parametrize(
    "value",
    ["", "Client", "header", "header:", "header:a b", "header:a:b", "cookie:a;b", "query:a&b", "query:a=b"],
)
def test_what_cannot_be_hashed(value):
    assert parsed(HASH_ON, value) is None


@pytest.mark.parametrize(
    ("value", "sticky"),
    [("off", ""), ("cookie", "cookie:pylb"), ("cookie:sid", "cookie:sid"), ("header:X-S", "header:X-S")],
)
def test_how_a_session_is_carried(value, sticky):
    assert parsed(STICKY, value) == sticky


@pytest.mark.parametrize(
    "value", ["", "header", "cookie:", "cookie:a b", "cookie:a;b", "learn:sid", "header:a\r\nb"]
)
def test_how_no_session_is_carried(value):
    assert parsed(STICKY, value) is None


def test_a_key_is_long():
    assert parsed(KEY, "k" * 16) == "k" * 16
    assert parsed(KEY, "k" * 15) is None
