import pytest

from pylb.config.backends import Health
from pylb.errors import Fault, InvalidResponseError, Phase, ProxyError
from pylb.policy.health import Outcome, PassiveHealth, classify
from tests.every import every

RULES = Health()


@every(
    ("phase", "fault", "outcome"),
    [
        (Phase.CONNECT, Fault.UPSTREAM, Outcome.UNREACHABLE),
        (Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, Outcome.UNREACHABLE),
        (Phase.CONNECT, Fault.CLIENT, None),
        (Phase.HEADERS, Fault.UPSTREAM, Outcome.RESET),
        (Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, Outcome.SILENCE),
        (Phase.HEADERS, Fault.CLIENT_TIMEOUT, None),
        (Phase.DATA, Fault.UPSTREAM, Outcome.RESET),
        (Phase.DATA, Fault.UPSTREAM_TIMEOUT, None),
        (Phase.DATA, Fault.CLIENT, None),
        (Phase.TUNNEL, Fault.UPSTREAM_TIMEOUT, None),
    ],
)
def test_an_attempt_counts_by_its_fault(phase, fault, outcome):
    assert classify(ProxyError(phase, fault, "it failed"), 0, reused=False, answered=False) is outcome


@pytest.mark.parametrize(("client_gave_up", "outcome"), [(0.0, None), (0.4, None), (0.5, Outcome.SILENCE)])
def test_a_client_that_gives_up_counts_against_a_silent_backend(client_gave_up, outcome):
    left = ProxyError(Phase.HEADERS, Fault.CLIENT, "the client left")
    assert classify(left, 0, reused=False, answered=False, client_gave_up=client_gave_up) is outcome


@every(
    ("status", "outcome"),
    [
        (200, Outcome.SUCCESS),
        (101, Outcome.SUCCESS),
        (404, Outcome.SUCCESS),
        (500, Outcome.FAILURE),
        (503, Outcome.FAILURE),
        (0, None),
    ],
)
def test_a_status_of_500_or_above_is_a_failure(status, outcome):
    assert classify(None, status, reused=False, answered=True) is outcome


def test_a_stale_connection_does_not_count():
    closed = ProxyError(Phase.HEADERS, Fault.UPSTREAM, "closed")
    assert classify(closed, 0, reused=True, answered=False) is None
    assert classify(closed, 0, reused=True, answered=True) is Outcome.RESET


@every("phase", [Phase.HEADERS, Phase.DATA])
@every(("status", "outcome"), [(0, None), (200, None), (500, Outcome.FAILURE)])
def test_failures_of_clients_or_pages_are_not_resets(phase, status, outcome):
    broken = ProxyError(phase, Fault.UPSTREAM, "closed")
    assert classify(broken, status, reused=False, answered=True, client_delayed=True) is outcome
    malformed = InvalidResponseError(phase, Fault.UPSTREAM, "a folded field line")
    assert classify(malformed, status, reused=False, answered=True) is outcome


def marked(outcome, *times, rules=RULES):
    """Return the durations of exclusion after failures at these times, each of a request that had just
    begun."""
    health = PassiveHealth()
    spans = []
    for now in times:
        assert health.failed(outcome, now, now, rules)
        spans.append(health.until - now)
    return spans


def test_each_exclusion_lasts_twice_as_long_up_to_a_limit():
    assert marked(Outcome.UNREACHABLE, 0, 2, 5, 10, 19, 36, 70) == [1, 2, 4, 8, 16, 30, 30]


def test_success_for_the_length_of_the_last_exclusion_resets_the_duration():
    assert marked(Outcome.RESET, 0, 1 + 9, 12 + 11) == [1, 2, 1]
    assert marked(Outcome.RESET, 0, 1, 3, 7, 15 + 9, 40 + 16) == [1, 2, 4, 8, 16, 30]
    assert marked(Outcome.RESET, 0, 1, 3, 7, 15 + 9, 40 + 17) == [1, 2, 4, 8, 16, 1]


def test_a_crash_that_breaks_many_requests_counts_once():
    health = PassiveHealth()
    assert health.failed(Outcome.RESET, 9.0, 10.0, RULES)
    assert not any(health.failed(Outcome.RESET, 9.5, 10.0 + n / 100, RULES) for n in range(20))
    assert (health.failures, health.suspicions, health.until) == (1, 1, 11.0)


def test_a_success_that_began_before_an_exclusion_does_not_end_it():
    health = PassiveHealth()
    health.failed(Outcome.UNREACHABLE, 9.0, 10.0, RULES)
    assert not health.succeeded(9.5, 10.2)
    assert (health.until, health.unreachable) == (11.0, True)
    assert health.succeeded(10.1, 10.3)
    assert (health.until, health.failures, health.unreachable) == (10.3, 0, False)


def test_consecutive_failures_are_counted():
    health = PassiveHealth()
    for number in range(1, 6):
        assert not health.is_due(RULES)
        assert not health.failed(Outcome.FAILURE, number, number, RULES)
    assert health.is_due(RULES)
    health.succeeded(6.0, 6.0)
    assert not health.is_due(RULES)


def test_after_an_ejection_one_failure_suffices_for_a_longer_one():
    health, now, spans = PassiveHealth(), 0.0, []
    health.failures = 5
    for _ in range(32):
        health.eject(now, RULES)
        spans.append(health.until - now)
        assert not health.is_due(RULES)
        now = health.until
        health.failed(Outcome.FAILURE, now, now, RULES)
        assert health.is_due(RULES)
    assert spans[:3] == [10, 20, 30]
    assert spans[29:] == [300, 300, 300]


def test_rules_can_be_switched_off():
    off = Health(suspect_time=0, eject_failures=0)
    health = PassiveHealth()
    assert not any(health.failed(Outcome.UNREACHABLE, n, n, off) for n in range(100))
    assert not health.is_due(off)
