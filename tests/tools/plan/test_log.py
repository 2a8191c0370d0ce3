import pytest

from pylb.config.clients import Limits
from pylb.errors import UsageError
from pylb.http1.parser import parse_request
from pylb.observe.accesslog import FORMATS
from pylb.observe.record import Record
from pylb.routes.replay import Recorded
from pylb.tools.plan import log
from pylb.tools.plan.log import read_log, requests


def record(target="/cart/1?x=1", service="web", method="GET"):
    made = Record("192.0.2.1", 1.0)
    made.request = parse_request(f"{method} {target} HTTP/1.1\r\nHost: shop.io\r\n\r\n".encode(), Limits())
    made.service, made.status = service, 200
    return made


@pytest.mark.parametrize(("kind", "host"), [("json", "shop.io"), ("combined", "")])
def test_both_formats_of_pylb_are_read(kind, host):
    write = FORMATS[kind]().line
    lines = [
        write(record(), 10.0),
        write(record("/api", "my service", "POST"), 10.0),
        write(record("/", ""), 10.0),
    ]
    assert [*requests(lines)] == [
        Recorded("GET", host, "/cart/1?x=1", "web"),
        Recorded("POST", host, "/api", "my service"),
        Recorded("GET", host, "/", ""),
    ]


def test_the_combined_format_of_nginx_has_no_service():
    line = b'127.0.0.1 - bob [22/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 49 "-" "curl/8.5"\n'
    assert [*requests([line])] == [Recorded("GET", "", "/a", "")]


@pytest.mark.parametrize("line", [b"", b"{", b"{}\n", b'{"method": 1}', b"\xff\xfe", b'x "GET"', b"[1]\n"])
def test_a_line_that_is_no_request_is_left_out(line):
    assert [*requests([line])] == []


def test_equal_requests_are_counted_and_their_number_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "access.log"
    write = FORMATS["json"]().line
    path.write_bytes(b"".join(write(record(f"/{n % 3}"), 10.0) for n in range(30)))
    assert {each.target: each.count for each in read_log(str(path))} == {"/0": 10, "/1": 10, "/2": 10}
    monkeypatch.setattr(log, "MOST_REQUESTS", 2)
    assert {each.target: each.count for each in read_log(str(path))} == {"/0": 10, "/1": 10}


def test_a_file_without_requests_is_an_error(tmp_path):
    path = tmp_path / "empty"
    path.write_text("hello\n")
    with pytest.raises(UsageError, match="has no request, expected an access log of pylb"):
        read_log(str(path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_log(str(tmp_path / "none"))
