"""Handling of `traceparent` (W3C Trace Context §2.2, §3.2, §4.3)."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.clients import Limits
from pylb.http1.parser import parse_request
from pylb.http1.trace import Tracing
from tests.every import every

ID, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
TRACEPARENT = re.compile(rb"\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])\r\n\Z")


def begun(*fields, sample=1.0, seed=1):
    head = b"".join((b"GET / HTTP/1.1\r\nHost: a.example\r\n", *(b"%b\r\n" % f for f in fields), b"\r\n"))
    request = parse_request(head, Limits())
    Tracing(sample, Random(seed)).begin(request)
    assert request.lines.lower().count(b"traceparent:") == 1
    match = TRACEPARENT.search(request.lines)
    assert match, request.lines
    trace = request.trace
    assert (trace.id, trace.span, b"01"[trace.sampled : trace.sampled + 1]) == match.groups()
    return request


@pytest.mark.parametrize("flags", [b"00", b"01", b"03", b"fe"])
def test_a_valid_trace_is_continued_with_a_span_of_pylb(flags):
    request = begun(b"TraceParent: \t00-%b-%b-%b " % (ID, PARENT, flags), b"tracestate: vendor=1")
    assert (request.trace.id, request.trace.parent) == (ID, PARENT)
    assert request.trace.span != PARENT
    assert request.trace.sampled is (flags in (b"01", b"03"))
    assert b"\ntracestate: vendor=1\r\n" in request.lines
    assert b"\nHost: a.example\r\n" in request.lines


def test_a_later_version_may_append_fields():
    assert begun(b"traceparent: cc-%b-%b-01-what-the-future-is-like" % (ID, PARENT)).trace.id == ID


@every(
    "value",
    [
        b"",
        b"ff-%b-%b-01" % (ID, PARENT),
        b"00-%b-%b-01" % (b"0" * 32, PARENT),
        b"00-%b-%b-01" % (ID, b"0" * 16),
        b"00-%b-%b-01" % (ID.upper(), PARENT),
        b"00-%b-%b-01-more" % (ID, PARENT),
        b"00-%b-%b-1" % (ID, PARENT),
        b"cc-%b-%b-01more" % (ID, PARENT),
        b"00-%b-%b-01, 00-%b-%b-01" % (ID, PARENT, ID, PARENT),
    ],
)
def test_an_invalid_traceparent_starts_a_new_trace(value):
    request = begun(b"traceparent: " + value, b"tracestate: vendor=1")
    assert request.trace.id != ID
    assert request.trace.parent == b""
    assert b"tracestate" not in request.lines


def test_a_repeated_traceparent_is_ignored():
    line = b"traceparent: 00-%b-%b-01" % (ID, PARENT)
    assert begun(line, line).trace.id != ID


def test_new_traces_have_unique_ids_and_are_sampled():
    tracing = Tracing(0.25, Random(1))
    requests = [parse_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Limits()) for _ in range(1000)]
    for request in requests:
        tracing.begin(request)
    assert len({r.trace.id for r in requests}) == len({r.trace.span for r in requests}) == 1000
    assert 200 < sum(r.trace.sampled for r in requests) < 300


def test_a_head_that_is_not_clean_is_traced_too():
    line = b"traceparent: 00-%b-%b-01" % (ID, PARENT)
    assert begun(b"Connection: close", line, b"X-Forwarded-For: 1.2.3.4").trace.id == ID


@given(st.binary().filter(lambda value: not re.search(rb"[\0-\x08\n-\x1f\x7f]", value)))
def test_backends_always_receive_one_valid_traceparent(value):
    begun(b"traceparent: " + value)
