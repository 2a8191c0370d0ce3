from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pylb.model import Endpoint, Excluded
from pylb.runtime.lifecycle import ProcessState

UNREACHABLE = "Cannot connect to host 127.0.0.1:8500"
STARTING = "pylb is starting"


def test_ready_requires_every_service_and_the_serving_state(view, know):
    view.watches["web"].error = UNREACHABLE
    assert view.obstacles() == [
        STARTING,
        f"service web: the registry has not answered yet: {UNREACHABLE}",
        "service api: the registry has not answered yet",
    ]
    know("web", Endpoint("web", "10.0.0.1", 80))
    assert view.obstacles() == [STARTING, "service api: the registry has not answered yet"]
    know("api")
    assert view.obstacles() == [STARTING], "known to be empty is known"
    view.lifecycle.advance(ProcessState.SERVING)
    assert view.obstacles() == []
    assert view.readiness()["ready"] is True
    view.watches["web"].error = UNREACHABLE
    assert view.obstacles() == [], "what is known stays good while the registry is away"
    view.lifecycle.advance(ProcessState.DRAINING)
    assert view.obstacles() == ["pylb is draining"]
    assert view.readiness()["ready"] is False


def test_ready_max_age_limits_the_age_of_the_backend_list(view, know, clock):
    fresh = replace(view, max_age=30.0)
    view.lifecycle.advance(ProcessState.SERVING)
    know("web")
    know("api")
    clock.now += 29
    assert fresh.obstacles() == []
    clock.now += 2
    assert fresh.obstacles() == [f"service {s}: the registry last answered 31 s ago" for s in ("web", "api")]
    assert view.obstacles() == [], "any age will do, unless somebody wants it otherwise"


def test_readiness_includes_the_age_of_the_backend_list(view, know, clock):
    know("web", Endpoint("web", "10.0.0.1", 80))
    view.watches["web"].error = UNREACHABLE
    view.watches["web"].untrusted_reason = "filtered by ACLs"
    clock.now += 2.5
    services = view.readiness()["services"]
    assert services["web"] == {
        "age_seconds": 2.5,
        "generation": 0,
        "instances": 1,
        "retained": 0,
        "untrusted_reason": "filtered by ACLs",
        "error": UNREACHABLE,
        "missing": "",
    }
    assert services["api"]["age_seconds"] is None


def test_readiness_warns_of_a_service_without_instances(view, know):
    know("web")
    know("api")
    view.lifecycle.advance(ProcessState.SERVING)
    view.watches["web"].missing = "Consul knows http; did you mean http?"
    readiness = view.readiness()
    assert readiness["ready"] is True
    assert readiness["warnings"] == [
        "service web: no instance is registered: Consul knows http; did you mean http?"
    ]
    assert readiness["services"]["web"]["missing"] == "Consul knows http; did you mean http?"


def test_membership_lists_backends_and_excluded_instances_with_reasons(view, pools, know):
    first, second = (Endpoint("web", f"10.0.0.{n}", 80, node="n", id=f"web-{n}", weight=n) for n in (1, 2))
    know("web", first)
    with pools["web"].lease():
        know("web", second, excluded=(Excluded(first, "critical: TCP connect refused"),))
        shown = view.membership()
    assert shown["api"] == {
        "generation": 0,
        "observed": None,
        "cause": "",
        "panic": False,
        "queued": 0,
        "backends": [],
        "excluded": [],
    }
    web = shown["web"]
    assert (web["generation"], web["cause"]) == (1, "consul index 7: +web-1")
    assert web["excluded"] == [
        {"id": "web-1", "address": "10.0.0.1:80", "reason": "critical: TCP connect refused"}
    ]
    assert {b["id"]: (b["state"], b["weight"], b["in_flight"]) for b in web["backends"]} == {
        "web-2": ("up", 2, 0),
        "web-1": ("draining", 1, 1),
    }


@pytest.mark.parametrize(
    "families", [{"pylb_build_info"}, {"pylb_backends"}, {"pylb_discovery_up"}, {"pylb_requests"}]
)
def test_each_piece_of_metrics_has_complete_families(view, know, families):
    know("web", Endpoint("web", "10.0.0.1", 80))
    names = [family.name for part in view.metrics() for family in text_string_to_metric_families(part)]
    assert len(names) == len(set(names))
    assert families <= set(names)


@pytest.mark.parametrize(
    ("has_checks", "probe", "verified"),
    [(True, None, True), (False, None, False), (False, "", False), (False, "/health", True)],
)
def test_an_instance_without_checks_is_unverified(view, know, has_checks, probe, verified):
    know("web", Endpoint("web", "10.0.0.1", 80, id="web-1", has_checks=has_checks, probe=probe))
    (backend,) = view.membership()["web"]["backends"]
    assert backend["verified"] is verified


def test_a_standby_has_its_priority_and_zone_and_the_reason(view, know):
    best, standby = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}", priority=n, zone="a") for n in (1, 2))
    know("web", best, standby)
    rows = {each["id"]: each for each in view.membership()["web"]["backends"]}
    assert [(row["priority"], row["zone"]) for row in rows.values()] == [(1, "a"), (2, "a")]
    assert rows["web-1"]["why"] == ""
    assert rows["web-2"]["why"] == "standby: priority 2, and better tiers have enough capacity"
