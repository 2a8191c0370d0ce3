import pytest

from pylb.config.backends import CONDITIONS, STATUSES, Retries
from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.parser import Request
from pylb.policy.retry import GRPC, RetryRules, condition, is_stale
from tests.every import every

UNREACHABLE = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
BROKEN = ProxyError(Phase.HEADERS, Fault.UPSTREAM, "closed without an answer")
LATE = ProxyError(Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, "gave no answer in time")
CUT = ProxyError(Phase.DATA, Fault.UPSTREAM, "closed inside the body")
LEFT = ProxyError(Phase.HEADERS, Fault.CLIENT, "the client left")
EVERYTHING = RetryRules(
    Retries(retry_on=frozenset(CONDITIONS), retry_methods=frozenset(["PUT"]), retry_idempotency_key=True)
)


def allow(
    error, method=b"GET", *, rules=None, lines=b"\n", response="", sent=None, attempts=1, replayable=True
):
    rules = rules or RetryRules(Retries())
    request = Request(method, b"/", 1, lines)
    sent = error.phase is not Phase.CONNECT if sent is None else sent
    return rules.allow(error, request, response=response, sent=sent, attempts=attempts, replayable=replayable)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PATCH", b"LOCK"])
def test_an_unsent_request_is_retried_for_every_method(method):
    assert allow(UNREACHABLE, method)
    assert not allow(UNREACHABLE, method, replayable=False)


@pytest.mark.parametrize(("method", "again"), [(b"GET", True), (b"PUT", False), (b"POST", False)])
def test_a_sent_request_is_not_retried_after_a_later_failed_connection(method, again):
    assert allow(UNREACHABLE, method, sent=True) is again


@every("error", [BROKEN, LATE])
@every(
    ("method", "again"),
    [
        (b"GET", True),
        (b"HEAD", True),
        (b"OPTIONS", True),
        (b"PUT", False),
        (b"DELETE", False),
        (b"POST", False),
        (b"PATCH", False),
        (b"TRACE", False),
        (b"get", False),
    ],
)
def test_a_sent_request_is_retried_if_it_is_safe(error, method, again):
    assert allow(error, method) is again


def test_retry_methods_can_be_added():
    assert allow(BROKEN, b"PUT", rules=EVERYTHING)
    assert not allow(BROKEN, b"POST", rules=EVERYTHING)


@pytest.mark.parametrize(
    ("lines", "again"),
    [
        (b"\nIdempotency-Key: 7\r\n", True),
        (b"\nAccept: */*\r\nidempotency-key: 7\r\n", True),
        (b"\nX-Idempotency-Key: 7\r\n", False),
        (b"\nAccept: idempotency-key:\r\n", False),
    ],
)
def test_an_idempotency_key_allows_retries_if_configured(lines, again):
    assert allow(BROKEN, b"POST", lines=lines, rules=EVERYTHING) is again
    assert not allow(BROKEN, b"POST", lines=lines)


def test_a_request_is_not_retried_after_response_bytes_or_client_faults():
    for error in (CUT, LEFT, ProxyError(Phase.CONNECT, Fault.CLIENT, "left")):
        assert not allow(error, rules=EVERYTHING)


def test_the_number_of_attempts_is_limited():
    assert [allow(UNREACHABLE, attempts=attempts) for attempts in (1, 2, 3)] == [True, True, False]
    assert not allow(UNREACHABLE, attempts=1, rules=RetryRules(Retries(retries=0)))


@pytest.mark.parametrize(
    ("error", "response", "met"),
    [
        (UNREACHABLE, "", "connect"),
        (BROKEN, "", "reset"),
        (LATE, "", "timeout"),
        (BROKEN, "503", "503"),
        (BROKEN, "grpc-unavailable", "grpc-unavailable"),
        (CUT, "", ""),
    ],
)
def test_each_retry_condition_can_be_disabled(error, response, met):
    assert condition(error, response) == met
    if met:
        assert allow(error, response=response, rules=EVERYTHING)
        others = RetryRules(Retries(retry_on=frozenset(CONDITIONS) - {met}))
        assert not allow(error, response=response, rules=others)


def test_a_status_is_retried_only_if_configured():
    assert RetryRules(Retries()).responses == frozenset()
    assert EVERYTHING.responses == {*STATUSES, *GRPC}


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_call_that_ended_with_a_configured_code_is_retried_with_any_method(method):
    assert allow(BROKEN, method, response="grpc-unavailable", rules=EVERYTHING)
    assert allow(BROKEN, method, response="503", rules=EVERYTHING) is (method == b"GET")


def test_a_reused_connection_that_ends_without_a_response_is_stale():
    assert is_stale(BROKEN, reused=True, answered=False)
    assert not is_stale(BROKEN, reused=False, answered=False)
    assert not is_stale(BROKEN, reused=True, answered=True)


@pytest.mark.parametrize(
    ("method", "lines", "again"),
    [
        (b"GET", b"\n", True),
        (b"PUT", b"\n", True),
        (b"POST", b"\n", False),
        (b"POST", b"\nIdempotency-Key: 7\r\n", True),
    ],
)
def test_an_idempotent_request_is_resent_after_a_stale_connection(method, lines, again):
    request = Request(method, b"/", 1, lines)
    assert EVERYTHING.resends(request, replayable=True) is again
    assert not EVERYTHING.resends(request, replayable=False)
