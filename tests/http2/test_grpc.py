"""The results of calls that pylb could not serve."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.errors import Fault, Phase, ProxyError
from pylb.http2.grpc import (
    code_of,
    code_of_response,
    code_of_status,
    condition,
    failure,
    is_call,
    result,
    status_of,
    timeout_of,
    trailers_only,
    with_timeout,
)
from tests.every import every


@every(
    ("lines", "expected"),
    [
        (b"\nhost: a\r\ncontent-type: application/grpc\r\n", True),
        (b"\nContent-Type:application/grpc\r\n", True),
        (b"\ncontent-type: application/grpc+proto\r\n", True),
        (b"\ncontent-type: application/grpc;x=y\r\n", True),
        (b"\ncontent-type: application/grpc", True),
        (b"\ncontent-type: application/grpc-web\r\n", False),
        (b"\ncontent-type: application/grpc-web+proto\r\n", False),
        (b"\nx-content-type: application/grpc\r\n", False),
        (b"\nhost: a\r\n", False),
    ],
)
def test_a_call_is_recognized_by_its_content_type(lines, expected):
    assert is_call(lines) is expected


@every(
    ("value", "expected"),
    [
        (b"1H", 3600),
        (b"2M", 120),
        (b"30S", 30),
        (b"250m", 0.25),
        (b"1000u", 0.001),
        (b"99999999n", 0.099999999),
        (b"0S", 0),
        (b"5", inf),
        (b"5s", inf),
        (b"123456789S", inf),
        (b"-1S", inf),
    ],
)
def test_a_timeout_has_a_number_and_a_unit(value, expected):
    head = b"POST / HTTP/1.1\r\ngrpc-timeout: %b\r\nHost: a\r\n\r\n" % value
    assert timeout_of(head) == pytest.approx(expected)


def test_without_a_timeout_a_call_may_take_for_ever():
    assert timeout_of(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n") == inf


@every(
    ("phase", "fault", "status", "expected"),
    [
        (Phase.QUEUE, Fault.DOWN, 0, 14),
        (Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, 0, 14),
        (Phase.CONNECT, Fault.UPSTREAM, 0, 14),
        (Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, 0, 14),
        (Phase.HEADERS, Fault.UPSTREAM, 0, 14),
        (Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, 0, 4),
        (Phase.DATA, Fault.UPSTREAM, 0, 14),
        (Phase.DATA, Fault.UPSTREAM_TIMEOUT, 0, 4),
        (Phase.QUEUE, Fault.KILLED, 0, 14),
        (Phase.REQUEST, Fault.POLICY, 0, 13),
        (Phase.REQUEST, Fault.POLICY, 413, 8),
        (Phase.REQUEST, Fault.POLICY, 429, 8),
        (Phase.REQUEST, Fault.POLICY, 431, 13),
        (Phase.QUEUE, Fault.POLICY, 0, 7),
        (Phase.QUEUE, Fault.INTERNAL, 0, 13),
    ],
)
def test_an_error_has_a_code(phase, fault, status, expected):
    assert code_of(ProxyError(phase, fault, "x", status=status)) == expected


@pytest.mark.parametrize(("status", "code"), [(401, 16), (403, 7), (404, 12), (302, 2), (503, 14)])
def test_a_status_has_a_code(status, code):
    assert code_of_status(status) == code


def test_the_code_of_a_response_is_in_its_trailers_or_its_head():
    assert status_of(b"grpc-status: 0\r\n") == 0
    assert status_of(b"x: y\r\ngrpc-status:14\r\n") == 14
    assert status_of(b"HTTP/1.1 200 OK\r\ngrpc-status: 5\r\n\r\n") == 5
    assert status_of(b"x-grpc-status: 5\r\n") is None
    assert status_of(b"grpc-status: abc\r\n") is None


def test_a_message_is_percent_encoded():
    assert result(13, "50% é\n") == b"grpc-status: 13\r\ngrpc-message: 50%25 %C3%A9%0A\r\n"


def test_a_client_does_not_receive_details_of_backends():
    assert failure(ProxyError(Phase.CONNECT, Fault.UPSTREAM, "10.0.0.1 refused")) == (
        b"grpc-status: 14\r\ngrpc-message: Service Unavailable\r\n"
    )
    assert failure(ProxyError(Phase.REQUEST, Fault.POLICY, "a bad path")) == (
        b"grpc-status: 13\r\ngrpc-message: a bad path\r\n"
    )
    assert b"grpc-message: Error" in failure(ProxyError(Phase.CONNECT, Fault.CLIENT, "left"))


def test_trailers_only_are_one_head():
    assert trailers_only(b"grpc-status: 5\r\n", b"id", b"now") == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\nDate: now\r\nX-Request-ID: id\r\n"
        b"grpc-status: 5\r\n\r\n"
    )


LARGEST = 99_999_999 * 3600.0


@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        (1e-9, b"1u"),
        (0.25, b"250000u"),
        (99.999999, b"99999999u"),
        (100.0, b"100000m"),
        (99_999_999.5, b"1666667M"),
        (LARGEST, b"99999999H"),
        (LARGEST * 2, b"99999999H"),
    ],
)
def test_the_time_that_remains_is_in_the_most_precise_unit(seconds, value):
    lines = b"\nhost: a\r\ngrpc-timeout: 5S\r\nx: y\r\n"
    assert with_timeout(lines, seconds) == b"\nhost: a\r\ngrpc-timeout: %b\r\nx: y\r\n" % value


@given(st.floats(min_value=1e-9, max_value=LARGEST))
def test_the_time_that_remains_is_never_shorter_than_it_is(seconds):
    written = timeout_of(with_timeout(b"\ngrpc-timeout: 5S\r\n", seconds))
    assert seconds * (1 - 1e-9) <= written <= max(seconds * 1.001, seconds + 1e-6)


@pytest.mark.parametrize(
    ("status", "code"), [(200, 2), (400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (503, 14), (500, 2)]
)
def test_a_response_without_a_code_has_the_one_that_clients_infer(status, code):
    assert code_of_response(status) == code


@pytest.mark.parametrize(
    ("lines", "met"),
    [
        (b"grpc-status: 14\r\n", "grpc-unavailable"),
        (b"grpc-status: 4\r\n", "grpc-deadline-exceeded"),
        (b"grpc-status: 0\r\n", ""),
        (b"grpc-status: 014\r\n", ""),
        (b"grpc-status: 5\r\n", ""),
        (b"x: y\r\n", ""),
    ],
)
def test_conditions_for_retries(lines, met):
    assert condition(lines) == met
