"""Hypothesis strategies for fields and header blocks: valid, nearly valid and invalid."""

from hypothesis import strategies as st

METHODS = [
    b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"", b"G T",
    b"GET / HTTP/1.1\r\nX: y",
]  # fmt: skip
PATHS = [
    b"/", b"/index.html", b"/a?b=c", b"*", b"", b"a", b"http://a/", b"//a", b"/ b", b"/#a", b"/\xff",
    b"/\r\nX: y", b"/ HTTP/1.1\r\nX: y", b"/\n", b"/\0", b"/\x7f", b"/" + b"p" * 200,
    b"/" + b"q" * 9000,
]  # fmt: skip
AUTHORITIES = [
    b"a", b"A", b"a:443", b"a:80", b"shop.example", b"[::1]:8080", b"", b"u@a", b"a/b", b"a b",
    b"a\r\nX: y", b"a,b", b"a:b", b"a\0", b"a ", b"%41",
]  # fmt: skip
SCHEMES = [b"https", b"http", b"HTTPS", b"", b"a b", b"h\r\n"]
PSEUDO = {
    b":method": METHODS,
    b":scheme": SCHEMES,
    b":path": PATHS,
    b":authority": AUTHORITIES,
    b":protocol": [b"websocket", b"connect-udp", b"h2c", b""],
    b":status": [b"200"],
    b":x": [b"y"],
}
NAMES = [
    b"accept", b"cookie", b"host", b"te", b"content-length", b"connection", b"keep-alive",
    b"proxy-connection", b"transfer-encoding", b"upgrade", b"trailer", b"expect", b"x-forwarded-for",
    b"sec-websocket-key", b"user-agent", b"Accept", b"", b"a b", b"a:b", b"a\r\nb", b"a\0", b"x_y",
    b"content_length", b"\xe9", b"authorization", b"proxy", b"content-type", b"grpc-timeout",
    b"x-request-id",
]  # fmt: skip
VALUES = [
    b"", b"a", b" a ", b"\ta", b"a=b", b"trailers", b"gzip", b"chunked", b"close", b"0", b"5", b"05",
    b"5, 5", b"+5", b"100-continue", b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b", b"\x7f", b"\xff",
    b"a\r\n b", b"a", b"a:443", b"\r\n", b"1S", b"v" * 500,
]  # fmt: skip


def mostly(usual, values):
    """The usual value three times out of four."""
    return st.sampled_from([usual] * 3 * len(values) + values) | st.binary(max_size=8)


def _pseudo(name):
    return st.tuples(st.just(name), mostly(PSEUDO[name][0], PSEUDO[name]))


FIELD = st.tuples(
    st.sampled_from(NAMES) | st.binary(max_size=5), st.sampled_from(VALUES) | st.binary(max_size=8)
)
PLAIN = st.tuples(
    st.sampled_from([b"accept", b"cookie", b"x-a", b"te"]), st.sampled_from([b"trailers", b"a=b", b"c"])
)
REGULAR = st.lists(PLAIN | PLAIN | FIELD, max_size=6)
USUAL = st.tuples(*map(_pseudo, [b":method", b":scheme", b":path", b":authority"])).map(list)
ANY_PSEUDO = st.sampled_from(list(PSEUDO)).flatmap(_pseudo)


@st.composite
def requests(draw):
    """The fields of a request, seldom with a pseudo field that is missing, added or out of place."""
    fields = draw(USUAL)
    if draw(st.integers(0, 9)) == 0:
        fields.append((b":protocol", b"websocket"))
        fields[0] = b":method", b"CONNECT"
    if draw(st.integers(0, 4)) == 0:
        del fields[draw(st.integers(0, len(fields) - 1))]
    fields += draw(REGULAR)
    if draw(st.integers(0, 4)) == 0:
        fields.insert(draw(st.integers(0, len(fields))), draw(ANY_PSEUDO))
    return fields
