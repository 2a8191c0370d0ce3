from pylb.config.clients import Limits
from pylb.http1.parser import parse_request
from pylb.observe.record import Record
from pylb.sinks.recent_requests import LONGEST, RecentRequests


def record(target, service="web"):
    made = Record("192.0.2.1", 1.0)
    made.request = parse_request(f"GET {target} HTTP/1.1\r\nHost: a.io\r\n\r\n".encode(), Limits())
    made.service = service
    return made


def test_requests_are_recorded_without_their_queries_and_taken_once():
    recent = RecentRequests(10)
    recent.add(record("/a?token=secret"))
    recent.add(Record("192.0.2.1", 1.0))
    assert recent.take() == [("GET", "a.io", "/a", "web")]
    assert recent.take() == []


def test_their_number_and_their_length_are_bounded():
    recent = RecentRequests(2)
    for target in ("/" + "x" * LONGEST, "/b", "/c"):
        recent.add(record(target))
    assert recent.take() == [("GET", "a.io", "/b", "web")]
