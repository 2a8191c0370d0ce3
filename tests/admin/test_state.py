from dataclasses import replace

from pylb.admin.state import backends, problems, state
from pylb.model import Endpoint, Excluded
from pylb.observe.counter_layout import CODES, DURATION
from pylb.observe.gauges import LINES_DROPPED, PROCESS
from pylb.policy.overrides import Action
from tests.admin.conftest import WORKER

ONE, TWO, THREE = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2, 3))


def rows(view):
    return {row["id"]: row for row in backends(view)}


def texts(view):
    return [problem["text"] for problem in problems(view) if problem["service"] == "web"]


def test_every_instance_has_a_row_with_state_and_reason(view, pools, know, operator):
    know("web", ONE, TWO)
    operator.decide("web", Action.DRAIN, backend="web-2", reason="deploy")
    operator.decide("web", Action.WEIGHT, backend="web-1", weight=0)
    with pools["web"].lease():
        know("web", ONE, TWO, excluded=(Excluded(THREE, "critical: refused"),))
        shown = {name: (row["state"], row["why"]) for name, row in rows(view).items()}
        assert shown["web-1"] == ("up", "weight 0")
        assert shown["web-2"] in [
            ("draining", "operator: drain web-2 (deploy)"),
            ("drained", "operator: drain web-2 (deploy)"),
        ]
        assert shown["web-3"] == ("out", "critical: refused")


def test_overrides_are_not_problems_but_failures_are(view, know, operator, clock):
    know("web", ONE, TWO, THREE)
    operator.decide("web", Action.DRAIN, backend="web-2")
    know("web", ONE, TWO, excluded=(Excluded(THREE, "critical: refused"),))
    assert texts(view) == ["web-3 is excluded: critical: refused"]
    clock.now += 130
    assert "the registry last answered 130 s ago" in texts(view)
    view.watches["web"].error = "Connection refused"
    assert "the registry does not answer: Connection refused" in texts(view)
    know("web")
    assert texts(view) == ["service 'web': the registry lists no instance"]


def test_a_service_without_instances_names_similar_services(view, know):
    know("web")
    view.watches["web"].missing = "Consul knows http; did you mean http?"
    assert texts(view) == [
        "service 'web': the registry lists no instance: Consul knows http; did you mean http?"
    ]


def test_an_undelivered_change_is_a_problem(view, know):
    know("web", ONE)
    view.watches["web"].undelivered = "TypeError: Integer exceeds 64-bit range"
    assert texts(view) == ["the last change could not be delivered: TypeError: Integer exceeds 64-bit range"]


def test_a_backend_that_mostly_fails_is_a_problem(view, pools, know):
    know("web", ONE)
    counters = pools["web"].backends[ONE.key, "10.0.0.1:80"].counters
    view.samples.take(1.0)
    counters[DURATION] += 10
    counters[CODES.index("5xx")] += 4
    view.samples.take(2.0)
    assert texts(view) == ["10.0.0.1:80 answers 40% of its requests with 5xx"]


def test_lost_log_lines_are_a_problem(view):
    view.counters.shared.counters(PROCESS)[LINES_DROPPED] = 2
    assert {
        "severity": "warning",
        "service": "",
        "text": "2 access log lines were dropped because the reader is slow",
        "about": "",
    } in [*problems(view)]


def test_a_crashed_background_task_is_a_problem(view):
    crashed = replace(view, crashes=lambda: ["the background task 'probe' crashed 3 s ago: KeyError: 1"])
    assert {
        "severity": "error",
        "service": "",
        "text": "the background task 'probe' crashed 3 s ago: KeyError: 1",
        "about": "",
    } in [*problems(crashed)]


def test_a_worker_without_a_heartbeat_is_a_problem(view, monkeypatch):
    assert "has sent no heartbeat" not in str([*problems(view)])
    monkeypatch.setitem(WORKER, "heartbeat_age", 3.2)
    text = "worker 1 (pid 4711) has sent no heartbeat for 3 s; --watchdog-timeout replaces it"
    assert {"severity": "error", "service": "", "text": text, "about": ""} in [*problems(view)]


def test_the_state_includes_traffic_samples(view, pools, know):
    know("web", ONE)
    view.samples.take(1.0)
    pools["web"].backends[ONE.key, "10.0.0.1:80"].counters[DURATION] += 10
    view.samples.take(2.0)
    shown = state(view, 5.0)
    assert shown["time"] == 5.0
    assert shown["services"][0]["traffic"]["requests"] == 10.0
    assert shown["backends"][0]["requests"] == [10.0]
