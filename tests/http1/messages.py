"""Hypothesis strategies for valid, nearly valid and invalid messages."""

from hypothesis import strategies as st

TOKEN = st.text("!#$%&'*+-.^_`|~aZ09", min_size=1, max_size=8).map(str.encode)
VALUE = st.text('\t !"#()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x80\xa0\xff', max_size=12).map(
    lambda t: t.encode("latin-1")
)

NAMES = st.sampled_from([
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Keep-Alive", b"TE", b"Trailer",
    b"Upgrade", b"Expect", b"Proxy", b"Proxy-Connection", b"X-Forwarded-For", b"X-Forwarded-Proto",
    b"X-Forwarded-Prefix", b"X-Real-IP", b"X-Request-ID", b"Forwarded", b"Content_Length",
    b"X_Forwarded_For", b"X-Client-Cert-Subject", b"Accept", b"Cookie", b"User-Agent", b"Content-Type",
    b"Upgrade-Insecure-Requests", b"Date", b"Via", b"Server", b"Set-Cookie",
])  # fmt: skip
VALUES = st.sampled_from([
    b"shop.example", b"shop.example:80", b"[::1]", b"a, b", b"5", b"0", b"05", b"+5", b"5, 5", b"chunked",
    b"CHUNKED", b"gzip, chunked", b"identity", b"close", b"keep-alive", b"Keep-Alive, Upgrade", b"upgrade",
    b"te, close", b"host, content-length", b"x-forwarded-for", b"accept", b"trailers", b"websocket",
    b"h2c", b"h2c, websocket", b"100-continue", b"100-Continue, x", b"127.0.0.1", b"https", b"", b"*/*",
    b"a=b; c=d", b"x\x00y",
])  # fmt: skip
SPACE = st.sampled_from([b" ", b"", b"\t", b" \t "])
CASE = st.sampled_from([bytes, bytes.lower, bytes.upper])
LINE_END = st.sampled_from([b"\r\n"] * 150 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b" \r\n"])


@st.composite
def field_line(draw):
    name = draw(CASE)(draw(NAMES)) if draw(st.booleans()) else draw(TOKEN)
    value = draw(VALUES) if draw(st.booleans()) else draw(VALUE)
    return name + b":" + draw(SPACE) + value + draw(LINE_END)


FRAMING = st.sampled_from([
    b"", b"", b"Content-Length: 5\r\n", b"content-length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Connection: keep-alive\r\n", b"Connection: keep-alive\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nConnection: Keep-Alive\r\n", b"Content-Length:5\r\n",
])  # fmt: skip

METHODS = st.sampled_from(
    [b"GET"] * 8 + [b"POST", b"HEAD", b"OPTIONS", b"PUT", b"PROPFIND", b"CONNECT", b"TRACE", b"get"]
)
TARGETS = st.sampled_from([b"/"] * 12 + [
    b"/a/../b?c=d", b"*", b"http://shop.example/a", b"http://shop.example", b"http://other/", b"a",
    b"//x", b"/#", b"/\xff",
])  # fmt: skip
VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 30 + [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1"]
)
REQUEST_LINE = st.builds(lambda *words: b" ".join(words) + b"\r\n", METHODS, TARGETS, VERSIONS)
STATUS_LINE = st.builds(
    lambda version, status, reason: b"%b %d%b\r\n" % (version, status, reason),
    VERSIONS,
    st.sampled_from([200] * 9 + [100, 101, 103, 204, 205, 301, 304, 404, 426, 500, 599, 600, 99]),
    st.sampled_from([b" OK"] * 9 + [b" ", b"", b" No\tContent", b" \xff", b" a\x00"]),
)
HOST = st.sampled_from([b"Host: shop.example\r\n"] * 20 + [b"", b"host:shop.example\r\n", b"Host: b\xff\r\n"])

BODY = st.sampled_from([
    b"", b"hello", b"hello, and more", b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nX: y\r\nHost: z\r\n\r\nGET /", b"5\r\nhello\r\n0\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n", b"0\r\nX: y\n\r\n", b"005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n",
])  # fmt: skip


def message(start, host):
    fields = st.lists(field_line(), max_size=5).map(b"".join)
    return st.builds(
        lambda *parts: b"".join(parts), start, host, fields, FRAMING, fields, st.just(b"\r\n"), BODY
    )


REQUEST = message(REQUEST_LINE, HOST)
RESPONSE = message(STATUS_LINE, st.just(b""))
