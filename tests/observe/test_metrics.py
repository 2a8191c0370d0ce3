import pytest

from pylb.errors import Fault, Phase, ProxyError
from pylb.observe import counter_layout
from pylb.observe.counters import Counters
from pylb.observe.metrics import Metrics
from pylb.observe.shared_counters import SharedCounters
from tests.observe.records import attempt, backend, record

INDEX_NAMES = {
    value: name
    for name, value in vars(counter_layout).items()
    if name.isupper()
    and isinstance(value, int)
    and name not in ("BUCKETS", "DURATION", "HEAD", "CONNECT", "EVENT", "SLOT_LENGTH")
}
TERMINATIONS = {index: code for code, index in counter_layout.TERMINATION_INDEX.items()}


@pytest.fixture
def counters():
    return Counters(SharedCounters(), lambda: 0.0)


@pytest.fixture
def count(counters):
    return Metrics(counters).count


HISTOGRAMS = {
    counter_layout.DURATION: "duration",
    counter_layout.HEAD: "head",
    counter_layout.CONNECT: "connect",
}


def counts(values):
    """The counters that are not zero, by name; buckets by their upper bound."""
    seen = {}
    for index, value in enumerate(values):
        if not value:
            continue
        if index < len(counter_layout.CODES):
            seen[counter_layout.CODES[index]] = value
        elif index in INDEX_NAMES:
            seen[INDEX_NAMES[index]] = value
        elif index in TERMINATIONS:
            seen[TERMINATIONS[index]] = value
        else:
            first = max(first for first in HISTOGRAMS if first <= index)
            seen[HISTOGRAMS[first], [*counter_layout.BOUNDS, float("inf")][index - first]] = value
    return seen


@pytest.mark.parametrize("head", [0.0015, 0.002], ids=["the body came later", "all came at once"])
def test_a_simple_request_is_counted(counters, count, head):
    web = backend(counters=counters)
    count(record(attempt(web, head=head, status=200), duration=0.002, sent=49))
    assert counts(web.counters) == {
        "2xx": 1,
        "SENT": 49,
        "ATTEMPTS": 1,
        "HEAD_TIME": pytest.approx(head * 1e6, abs=1),
        "DURATION_TIME": pytest.approx(2000, abs=1),
        ("head", 0.0025): 1,
        ("duration", 0.0025): 1,
    }


def test_a_fresh_connection_and_a_body(counters, count):
    web = backend(counters=counters)
    count(record(attempt(web, connect=0.25, head=3.0), duration=70.0, status=404, received=10, sent=20))
    assert counts(web.counters) == {
        "4xx": 1,
        "RECEIVED": 10,
        "SENT": 20,
        "ATTEMPTS": 1,
        "CONNECT_TIME": 250_000,
        "HEAD_TIME": 3_000_000,
        "DURATION_TIME": 70_000_000,
        ("connect", 0.25): 1,
        ("head", 10.0): 1,
        ("duration", float("inf")): 1,
    }


@pytest.mark.parametrize("bound", counter_layout.BOUNDS)
def test_a_bucket_includes_its_bound(counters, count, bound):
    web = backend(counters=counters)
    request = record(attempt(web))
    request.started, request.finished = 0.0, bound
    count(request)
    assert counts(web.counters)["duration", bound] == 1


def test_a_retry_counts_at_both_backends(counters, count):
    dead, good = backend(counters=counters), backend("10.0.0.2", counters=counters)
    unreachable = ProxyError(Phase.CONNECT, Fault.UPSTREAM, "connection refused")
    count(record(attempt(dead, connect=-1, error=unreachable), attempt(good, connect=0.0, head=0.001)))
    assert counts(dead.counters) == {"ATTEMPTS": 1, "CONNECT_ERRORS": 1}
    assert (
        counts(good.counters).items()
        >= {"2xx": 1, "ATTEMPTS": 1, "RETRIES": 1, ("connect", 0.0005): 1}.items()
    )


@pytest.mark.parametrize(
    ("phase", "fault", "expected"),
    [
        (Phase.CONNECT, Fault.UPSTREAM, {"CONNECT_ERRORS"}),
        (Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, {"CONNECT_ERRORS", "TIMEOUTS"}),
        (Phase.HEADERS, Fault.UPSTREAM, {"RESPONSE_ERRORS"}),
        (Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, {"RESPONSE_ERRORS", "TIMEOUTS"}),
        (Phase.DATA, Fault.UPSTREAM, {"RESPONSE_ERRORS"}),
        (Phase.DATA, Fault.CLIENT, {"ABORTED"}),
        (Phase.DATA, Fault.CLIENT_TIMEOUT, {"ABORTED"}),
        (Phase.REQUEST, Fault.POLICY, set()),
    ],
)
def test_failures_are_counted_by_fault(counters, count, phase, fault, expected):
    web = backend(counters=counters)
    error = ProxyError(phase, fault, "so it was")
    request = record(attempt(web, error=error), status=200)
    request.ended(error)
    count(request)
    failures = {"CONNECT_ERRORS", "RESPONSE_ERRORS", "TIMEOUTS", "ABORTED"}
    assert counts(web.counters).keys() & failures == expected
    assert counts(web.counters)[error.code] == 1


def test_requests_without_a_backend_count_for_their_service(counters, count):
    count(record(status=503, sent=20))
    assert counts(counters.service("web")).items() >= {"5xx": 1, "SENT": 20, ("duration", 0.0025): 1}.items()
    count(record(status=400, service=""))
    assert counts(counters.service(""))["4xx"] == 1
