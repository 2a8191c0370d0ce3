from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pylb.discovery.status import DiscoveryStatus
from pylb.errors import Fault, Phase, ProxyError
from pylb.model import Endpoint, Excluded, PoolState
from pylb.observe import exposition, gauges
from pylb.observe.counters import Counters
from pylb.observe.history import History
from pylb.observe.metrics import Metrics
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.pool import Pool
from pylb.policy.pool_rows import row_of
from tests.observe.records import attempt, backend, record


def samples(parts):
    """Every sample by name and labels; the names with their kinds."""
    values, kinds = {}, {}
    for family in text_string_to_metric_families("".join(parts)):
        kinds[family.name] = family.type
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            name = (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items())))
            assert name not in values, f"{name} twice"
            values[name] = sample.value
    return values, kinds


@pytest.fixture
def counters():
    return Counters(SharedCounters(), lambda: 0.0)


def test_a_request_counts_for_its_service_and_its_backend(counters):
    web = backend(counters=counters)
    Metrics(counters).count(
        record(attempt(web, connect=0.25, head=0.004), duration=0.5, sent=100, received=9)
    )
    values, kinds = samples(exposition.traffic(counters))
    for level, where in (("pylb", ()), ("pylb_backend", ("backend=10.0.0.1:80",))):
        at = (*where, "service=web")
        assert values[f"{level}_requests_total", *where, "code=2xx", "service=web"] == 1
        assert values[f"{level}_requests_total", *where, "code=5xx", "service=web"] == 0
        assert values[f"{level}_response_body_bytes_total", *at] == 100
        assert values[f"{level}_request_body_bytes_total", *at] == 9
        assert values[f"{level}_upstream_attempts_total", *at] == 1
        assert values[f"{level}_upstream_connect_seconds_sum", *at] == 0.25
        assert values[f"{level}_upstream_connect_seconds_count", *at] == 1
        duration = f"{level}_request_duration_seconds"
        assert values[f"{duration}_bucket", *where, "le=0.25", "service=web"] == 0
        assert values[f"{duration}_bucket", *where, "le=0.5", "service=web"] == 1
        assert values[f"{duration}_bucket", *where, "le=+Inf", "service=web"] == 1
        assert values[f"{duration}_sum", *at] == 0.5
        assert values[f"{duration}_count", *at] == 1
        head = f"{level}_upstream_head_seconds"
        assert values[f"{head}_bucket", *where, "le=0.0025", "service=web"] == 0
        assert values[f"{head}_bucket", *where, "le=0.005", "service=web"] == 1
        assert kinds[duration] == kinds[head] == "histogram"
        assert kinds[f"{level}_requests"] == "counter"
    assert values["pylb_upstream_connect_seconds_bucket", "le=0.1", "service=web"] == 0
    assert values["pylb_upstream_connect_seconds_bucket", "le=0.25", "service=web"] == 1
    assert kinds["pylb_upstream_connect_seconds"] == "histogram"
    assert kinds["pylb_backend_upstream_connect_seconds"] == "summary"


def test_failures_have_labels_of_their_place(counters):
    dead, good = backend(counters=counters), backend("10.0.0.2", counters=counters)
    late = ProxyError(Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, "no answer")
    Metrics(counters).count(record(attempt(dead, connect=-1, error=late), attempt(good, head=0.001)))
    Metrics(counters).count(record(status=503, termination="PR"))
    values, _ = samples(exposition.traffic(counters))
    assert values["pylb_backend_upstream_connect_errors_total", "backend=10.0.0.1:80", "service=web"] == 1
    assert values["pylb_backend_upstream_timeouts_total", "backend=10.0.0.1:80", "service=web"] == 1
    assert values["pylb_backend_upstream_retries_total", "backend=10.0.0.2:80", "service=web"] == 1
    assert values["pylb_upstream_attempts_total", "service=web"] == 2
    assert values["pylb_terminations_total", "code=PR", "service=web"] == 1
    assert values["pylb_terminations_total", "code=cR", "service=web"] == 0
    assert not any(name == "pylb_grpc_requests_total" for name, *_ in values)
    assert values["pylb_requests_total", "code=5xx", "service=web"] == 1


@pytest.mark.parametrize(
    ("code", "name"), [(0, "OK"), (16, "UNAUTHENTICATED"), (17, "other"), (10**9, "other")]
)
def test_calls_of_grpc_are_counted_by_code(counters, code, name):
    call = attempt(backend(counters=counters))
    call.grpc_status = code
    ended = record(call)
    ended.protocol = "HTTP/2.0"
    Metrics(counters).count(ended)
    values, _ = samples(exposition.traffic(counters))
    assert values["pylb_grpc_requests_total", f"grpc_code={name}", "service=web"] == 1


def test_series_of_a_removed_backend_end_and_totals_of_its_service_remain(counters):
    web = backend(counters=counters)
    Metrics(counters).count(record(attempt(web)))
    counters.release(web.endpoint)
    values, _ = samples(exposition.traffic(counters))
    assert not [name for name in values if "backend=10.0.0.1:80" in name]
    assert values["pylb_requests_total", "code=2xx", "service=web"] == 1


def test_pools_have_backends_by_state_and_requests_in_flight():
    pool = Pool("web")
    endpoints = [Endpoint("web", f"10.0.0.{n}", 80, id=str(n), weight=n) for n in range(4)]
    pool.apply(PoolState("web", tuple(endpoints)))
    lease = pool.lease()
    with lease:
        left = tuple(e for e in endpoints if e.key != lease.backend.key)
        pool.apply(PoolState("web", left, (Excluded(endpoints[3], "critical"),)))
        values, _ = samples(exposition.pools([row_of(pool), row_of(Pool("api"))]))
    states = {"up": 2, "zero_weight": 1, "draining": 1, "excluded": 1}
    for state, number in states.items():
        assert values["pylb_backends", "service=web", f"state={state}"] == number
        assert values["pylb_backends", "service=api", f"state={state}"] == 0
    draining = (f"backend={lease.backend.name}", "service=web")
    assert values["pylb_backend_requests_in_flight", *draining] == 1
    assert values["pylb_backend_weight", "backend=10.0.0.0:80", "service=web"] == 0
    assert len([name for name in values if name[0] == "pylb_backend_connections_idle"]) == 4


def test_an_address_that_returns_under_another_id_is_one_series():
    pool = Pool("web")
    pool.apply(PoolState("web", (Endpoint("web", "10.0.0.1", 80, id="old"),)))
    with pool.lease():
        pool.apply(PoolState("web", (Endpoint("web", "10.0.0.1", 80, id="new"),)))
        samples(exposition.pools([row_of(pool)]))


def test_the_age_of_discovery_is_exposed():
    good = DiscoveryStatus("web", answered=90.0, generation=3, index=42, retained=2, errors=1)
    good.guards["retained_empty"] = 5
    pending = DiscoveryStatus("api", errors=7, error="Cannot connect")
    values, _ = samples(exposition.discovery([good, pending], now=100.0))
    assert values == {
        ("pylb_discovery_up", "service=web"): 1,
        ("pylb_discovery_up", "service=api"): 0,
        ("pylb_discovery_errors_total", "service=web"): 1,
        ("pylb_discovery_errors_total", "service=api"): 7,
        ("pylb_discovery_generation", "service=web"): 3,
        ("pylb_discovery_generation", "service=api"): 0,
        ("pylb_discovery_index", "service=web"): 42,
        ("pylb_discovery_index", "service=api"): 0,
        ("pylb_discovery_retained_instances", "service=web"): 2,
        ("pylb_discovery_retained_instances", "service=api"): 0,
        ("pylb_discovery_age_seconds", "service=web"): 10,
        ("pylb_guards_total", "guard=retained_empty", "service=web"): 5,
    }


def test_processes_are_exposed():
    shared = SharedCounters(rows=2)
    for row, clients in enumerate((5, 7)):
        shared.gauge(gauges.PROCESS, gauges.CLIENTS)[row] = clients
    for index in range(5):
        shared.counters(gauges.PROCESS)[index] = 10 + index
    values, _ = samples(exposition.processes(shared, 2))
    assert {name[0].removeprefix("pylb_"): value for name, value in values.items()} == {
        "build_info": 1,
        "workers": 2,
        "client_connections": 12,
        "http2_connections": 0,
        "http2_streams": 0,
        "access_log_lines_dropped_total": 10,
        "client_connections_cut_total": 11,
        "restarts_total": 12,
        "requests_lost_total": 13,
        "task_crashes_total": 14,
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_are_escaped(name):
    status = DiscoveryStatus(name, guards=Counter({name: 1}))
    values, _ = samples(exposition.discovery([status], now=0.0))
    assert values["pylb_guards_total", f"guard={name}", f"service={name}"] == 1


def test_a_thousand_backends_are_written_in_small_pieces(counters):
    endpoints = tuple(Endpoint("web", f"10.0.{n // 250}.{n % 250}", 8080, id=str(n)) for n in range(1000))
    pool = Pool("web", counters=counters.allocate)
    pool.apply(PoolState("web", endpoints))
    pieces = [*exposition.traffic(counters), *exposition.pools([row_of(pool)])]
    lines = [piece.count("\n") for piece in pieces]
    assert sum(lines) > 50_000
    assert max(lines) < 20_000, "between two pieces others get their turn"


def test_propagation_times_are_a_histogram_by_service():
    recorded = History()
    entry = recorded.record(PoolState("web", (), observed=100.0))
    recorded.was_applied(entry, 100.003)
    recorded.was_routed(entry, 100.02)
    values, kinds = samples(exposition.changes(recorded))
    for phase, bound in (("applied", "0.005"), ("routed", "0.025")):
        name = f"pylb_propagation_{phase}_seconds"
        counts = [values[f"{name}_bucket", f"le={le}", "service=web"] for le in ("0.001", bound, "+Inf")]
        assert counts == [0, 1, 1]
        assert kinds[name] == "histogram"


def test_requests_by_route_are_exported_only_if_they_are_counted():
    assert "".join(exposition.by_route({})) == ""
    text = "".join(exposition.by_route({("web", ""): [5, 1], ("api", 'h/"x'): [2, 0]}))
    assert 'pylb_route_requests_total{service="web",route="/"} 5' in text
    assert 'pylb_route_errors_total{service="web",route="/"} 1' in text
    (api,) = [f for f in text_string_to_metric_families(text) if f.name == "pylb_route_requests"]
    assert api.samples[1].labels == {"service": "api", "route": 'h/"x'}
