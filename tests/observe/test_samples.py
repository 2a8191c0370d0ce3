import pytest

from pylb.model import Endpoint
from pylb.observe.counter_layout import CODES, DURATION, SENT
from pylb.observe.counters import Counters
from pylb.observe.samples import KEPT_BACKEND, Samples
from pylb.observe.shared_counters import SharedCounters

WEB = Endpoint("web", "10.0.0.1", 80, id="web-1")


@pytest.fixture
def counters():
    return Counters(SharedCounters(), lambda: 0.0)


def test_a_sample_covers_the_time_since_the_last_one(counters):
    samples, values = Samples(counters), counters.allocate(WEB)
    samples.take(100.0)
    assert samples.services == {}, "there is no rate without a time before"
    values[DURATION + 3] += 8
    values[CODES.index("5xx")] += 2
    values[SENT] += 4096
    samples.take(102.0)
    (sample,) = samples.services["web"]
    assert (sample.requests, sample.errors, sample.sent) == (4.0, 1.0, 2048.0)
    assert 0.0025 < sample.p50 < sample.p99 <= 0.005
    assert list(samples.backends["web", "10.0.0.1:80"]) == [sample]
    samples.take(103.0)
    assert (samples.services["web"][-1].requests, samples.services["web"][-1].p99) == (0.0, None)


def test_totals_do_not_decrease_when_an_instance_is_removed(counters):
    samples, values = Samples(counters), counters.allocate(WEB)
    values[DURATION] += 5
    samples.take(1.0)
    counters.release(WEB)
    samples.take(2.0)
    assert samples.backends == {}
    assert samples.services["web"][-1].requests == 0.0


def test_the_number_of_samples_is_bounded(counters):
    samples = Samples(counters)
    counters.allocate(WEB)
    for second in range(KEPT_BACKEND + 10):
        samples.take(1.0 + second)
    assert len(samples.backends["web", "10.0.0.1:80"]) == KEPT_BACKEND


def test_samples_of_a_removed_service_end(counters):
    samples = Samples(counters)
    counters.allocate(WEB)
    samples.take(100.0)
    samples.take(101.0)
    counters.release(WEB)
    counters.forget("web")
    samples.forget("web")
    samples.take(102.0)
    assert (samples.services, samples.backends) == ({}, {})
