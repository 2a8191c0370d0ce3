import re
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.trace import Trace
from pylb.observe.accesslog import FORMATS, Combined, Json
from tests.observe.records import attempt, backend, record

NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, UTC).timestamp()
LINES = (
    b"\nHost: a.example\r\nreferer: http://b.example/\r\nX-User-Agent: no\r\nUSER-AGENT: \tcurl/8.5 (x)\r\n"
)

COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d+) (?P<sent>\d+)'
    r' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<service>\S+) (?P<backend>\S+)'
    r" (?P<connect>[^/ ]+)/(?P<head>[^/ ]+)/(?P<total>[^/ ]+) (?P<attempts>\d+) (?P<termination>\S\S)"
    r' "(?P<id>[^"]*)"\n'
)
"""The format for a log parser."""


def combined(done, now=NOON):
    line = Combined().line(done, now).decode("ascii")
    fields = COMBINED.fullmatch(line)
    assert fields, line
    return fields.groupdict()


def as_json(done, now=NOON):
    return orjson.loads(Json().line(done, now))


def test_a_line_in_combined_format():
    web = backend()
    attempts = (
        attempt(web, connect=-1, error=ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")),
        attempt(web, connect=0.0003, head=0.0121),
    )
    done = record(*attempts, duration=0.0345, sent=49, id=b"5f0c", lines=LINES)
    time = datetime.fromtimestamp(NOON).astimezone().strftime("%d/%b/%Y:%H:%M:%S %z")
    assert Combined().line(done, NOON).decode() == (
        f'192.0.2.7 - - [{time}] "GET / HTTP/1.1" 200 49 "http://b.example/" "curl/8.5 (x)"'
        ' web 10.0.0.1:80 0.3/12.1/34.5 2 -- "5f0c"\n'
    )


def test_a_line_in_json_format():
    web, other = backend(), backend("2001:db8::1")
    attempts = (
        attempt(other, connect=-1, error=ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")),
        attempt(web, head=0.0121, status=200),
    )
    done = record(*attempts, duration=0.0345, sent=49, received=7, id=b"5f0c", lines=LINES, host=b"a.example")
    done.detail = "all is well"
    assert as_json(done) == {
        "time": "2026-11-22T12:00:00.250Z",
        "client": "192.0.2.7",
        "method": "GET",
        "host": "a.example",
        "target": "/",
        "version": "1.1",
        "referer": "http://b.example/",
        "user_agent": "curl/8.5 (x)",
        "id": "5f0c",
        "service": "web",
        "status": 200,
        "received_bytes": 7,
        "sent_bytes": 49,
        "duration_ms": 34.5,
        "attempts": [
            {
                "backend": "[2001:db8::1]:80",
                "reused": False,
                "connect_ms": None,
                "head_ms": None,
                "status": None,
                "error": "SC",
            },
            {
                "backend": "10.0.0.1:80",
                "reused": True,
                "connect_ms": 0.0,
                "head_ms": 12.1,
                "status": 200,
                "error": None,
            },
        ],
        "termination": "--",
        "detail": "all is well",
    }


def test_a_line_has_the_id_of_the_trace():
    done = record()
    assert "trace_id" not in as_json(done)
    done.request.trace = Trace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"", True)
    assert as_json(done)["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ((), ("-", "-", "-")),
        ((attempt(backend(), connect=-1),), ("10.0.0.1:80", "-", "-")),
        ((attempt(backend(), connect=0.001),), ("10.0.0.1:80", "1.0", "-")),
        ((attempt(backend(), head=0.002),), ("10.0.0.1:80", "0.0", "2.0")),
    ],
)
def test_missing_values_are_dashes(attempts, expected):
    fields = combined(record(*attempts, lines=b""))
    assert (fields["backend"], fields["connect"], fields["head"]) == expected
    assert fields["referer"] == fields["agent"] == fields["id"] == "-"


def test_a_request_with_an_invalid_head_is_logged():
    done = record(status=400, service="")
    done.request = None
    done.ended(ProxyError(Phase.REQUEST, Fault.POLICY, "two Host fields"))
    fields = combined(done)
    assert (fields["request"], fields["service"], fields["termination"]) == ("-", "-", "PR")
    entry = as_json(done)
    assert "method" not in entry
    assert (entry["termination"], entry["detail"]) == ("PR", "two Host fields")


@pytest.mark.parametrize("name", FORMATS)
def test_the_cached_time_follows_the_clock(name):
    cached = FORMATS[name]()
    for now in (NOON, NOON + 0.5, NOON + 1, NOON + 86_400, NOON):
        assert cached.line(record(), now) == FORMATS[name]().line(record(), now)
    assert cached.line(record(), NOON) != cached.line(record(), NOON + 1)


def test_fields_are_escaped_as_by_nginx():
    fields = combined(record(target=b'/"\\\r\n\x00\x1b[31m\x7f\xc3\xa9', id=b'"'))
    assert fields["request"] == r"GET /\x22\x5C\x0D\x0A\x00\x1B[31m\x7F\xC3\xA9 HTTP/1.1"
    assert fields["id"] == r"\x22"


def unescaped(text):
    return re.sub(r"\\x([0-9A-F]{2})", lambda code: chr(int(code[1], 16)), text).encode("latin-1")


header_value = st.binary().map(lambda value: value.translate(None, b"\r\n").lstrip(b" \t"))


@given(
    method=st.binary(min_size=1),
    target=st.binary(),
    referer=header_value,
    agent=header_value,
    id_=st.binary(),
)
def test_any_request_is_one_line_with_separate_fields(method, target, referer, agent, id_):
    lines = b"\nReferer: %b\r\nUser-Agent: %b\r\n" % (referer, agent)
    done = record(method=method, target=target, id=id_, lines=lines, host=target)
    fields = combined(done)
    assert unescaped(fields["request"]) == b"%b %b HTTP/1.1" % (method, target)
    assert unescaped(fields["referer"]) == referer
    assert unescaped(fields["agent"]) == agent
    assert unescaped(fields["id"]) == (id_ or b"-")
    assert (fields["status"], fields["service"], fields["attempts"]) == ("200", "web", "0")

    line = Json().line(done, NOON)
    assert line.endswith(b"\n")
    assert len(line.decode("ascii").splitlines()) == 1
    assert orjson.loads(line)["target"] == target.decode("ascii", "backslashreplace")


@given(st.text())
def test_names_from_the_registry_are_one_word(name):
    web = backend(name)
    done = record(attempt(web), service=name, duration=0.001)
    done.detail = name
    fields = combined(done)
    assert fields["attempts"] == "1"
    assert as_json(done)["service"] == fields["service"]
    assert len(Json().line(done, NOON).decode("ascii").splitlines()) == 1


def test_an_unusual_client_name_stays_in_its_field():
    done = record(client='fe80::1%\x9b\n"')
    assert combined(done)["client"] == r"fe80::1%\xC2\x9B\x0A\x22"
    assert Json().line(done, NOON).isascii()
