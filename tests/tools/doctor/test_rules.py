"""A healthy stack is met with silence; each seeded fault is found, alone, and named."""

from dataclasses import replace

from pylb.model import Endpoint, Excluded
from pylb.tools.doctor.facts import Facts, Instances
from pylb.tools.doctor.rules import RULES, diagnose
from tests.containers.inspected import container
from tests.every import every
from tests.tools.doctor.stacks import ONE, TWO, endpoint, healthy, pool, with_instances, with_registry

FAULTS = {
    "Consul is away": (
        replace(
            healthy(),
            registry=None,
            silent={"Consul at http://consul:8500": "Connection refused"},
            pools=None,
        ),
        "does-not-answer",
        "Consul at http://consul:8500 does not answer: Connection refused",
    ),
    "no leader": (
        replace(with_registry(leader="", services={}), pools=None),
        "no-leader",
        "Consul at http://consul:8500 has no leader",
    ),
    "a server's address": (
        with_registry(nodes=5),
        "server-address",
        "is a server of a cluster of 5 nodes, not a local agent",
    ),
    "clock ahead": (with_registry(clock_skew=60.0), "clock-skew", "Consul's clock is 60 s ahead of"),
    "clock behind": (with_registry(clock_skew=-60.0), "clock-skew", "Consul's clock is 60 s behind"),
    "a token that is refused": (
        replace(with_registry(token_error="answered 403 ACL not found", services={}), pools=None),
        "token-refused",
        "Consul refuses the token: answered 403 ACL not found",
    ),
    "a token without a right": (
        replace(with_instances(lacking="node:read"), pools=None),
        "hidden-instances",
        "web: Consul hides instances from this token",
    ),
    "a token hides instances": (
        with_instances(endpoint(1), endpoint(2), hidden=True),
        "hidden-instances",
        "web: Consul hides instances from this token",
    ),
    "nobody registers": (
        replace(with_instances(), containers=None, pools=None),
        "no-instance",
        "web: Consul has no instance",
    ),
    "another name": (
        replace(with_registry(services={"web": Instances()}, known=frozenset({"http"})), containers=None),
        "no-instance",
        "web: Consul has no instance",
    ),
    "all are critical": (
        with_registry(
            services={
                "web": Instances(
                    excluded=(
                        Excluded(endpoint(1, status="critical"), "critical: tcp: refused", cause="critical"),
                        Excluded(endpoint(2, status="maintenance"), "maintenance", cause="maintenance"),
                    )
                )
            }
        ),
        "none-passes",
        "web: no instance passes its checks: 1 critical, 1 maintenance",
    ),
    "an instance nobody can read": (
        with_instances(
            endpoint(1),
            endpoint(2),
            excluded=(
                Excluded(endpoint(3, meta=(), id="bad"), "invalid: expected a port from 1 to 65535, got 0"),
            ),
        ),
        "malformed",
        "web: bad cannot be used, invalid: expected a port",
    ),
    "a container that the engine cannot read": (
        replace(healthy(), unread={"db-1": "no answer within 2 s"}),
        "unread-container",
        "container db-1 cannot be read: no answer within 2 s",
    ),
    "a port that is none": (
        Facts(containers=(container(exposed=["80/tcp", "/tcp"]),)),
        "malformed",
        "container web-1: its port '/tcp' is skipped: got ''",
    ),
    "a label that names no port": (
        Facts(
            containers=(container(labels={"pylb.service": "web", "pylb.port": "70000"}),),
            pools={"web": {"backends": [{"id": "other"}], "excluded": []}},
        ),
        "no-port",
        "web: container web-1 label pylb.port: got '70000', expected a port from 1 to 65535",
    ),
    "a tag with a blank": (
        with_instances(endpoint(1), endpoint(2, tags=("blue", " green"))),
        "malformed",
        "web: host:web-2:80 has tags with blanks around them: [' green']",
    ),
    "a weight that is none": (
        replace(
            healthy(),
            containers=(ONE, TWO, container("x", env={"SERVICE_LB_WEIGHT": "lots"})),
        ),
        "malformed",
        "container x: SERVICE_LB_WEIGHT: got 'lots'",
    ),
    "two ids on one address": (
        replace(
            with_instances(endpoint(1), endpoint(1, id="old:web-1:80", meta=()), endpoint(2)),
            pools={"web": pool(1, 2, excluded=[{"id": "old:web-1:80", "reason": "duplicate"}])},
        ),
        "duplicate-address",
        "web: host:web-1:80 and old:web-1:80 are both registered at 10.0.0.1:80",
    ),
    "a dangling id": (
        replace(healthy(), containers=(ONE, replace(TWO, running=False))),
        "dangling",
        "web: host:web-2:80 is registered, but its container 222222222222 is not running",
    ),
    "a container that nobody registered": (
        replace(with_instances(endpoint(1)), pools={"web": pool(1)}),
        "unregistered",
        "web: container web-2 is running, but is not registered",
    ),
    "a container's address with a published port": (
        replace(
            with_instances(endpoint(1), endpoint(2, port=8080)),
            containers=(
                ONE,
                container(
                    "web-2",
                    id="2" * 64,
                    env={"SERVICE_NAME": "web"},
                    networks={"shop": "10.0.0.2"},
                    published={"80/tcp": [("0.0.0.0", 8080)]},
                ),
            ),
        ),
        "published-port",
        "web: host:web-2:80 is at 10.0.0.2:8080: the address of container web-2 with a port",
    ),
    "a network out of reach": (
        replace(healthy(), connects={("10.0.0.1", 80): "", ("10.0.0.2", 80): "No route to host"}),
        "unreachable",
        "web: host:web-2:80 at 10.0.0.2:80 cannot be reached from here: No route to host",
    ),
    "a name nobody knows": (
        replace(
            with_instances(endpoint(1), endpoint(2, address="web.lan")),
            connects={("web.lan", 80): "name cannot be resolved: Name or service not known"},
        ),
        "dns",
        "web: host:web-2:80 is registered as web.lan, and this name cannot be resolved",
    ),
    "no health check": (
        with_instances(endpoint(1), endpoint(2, has_checks=False)),
        "unchecked",
        "web: host:web-2:80 has no health check",
    ),
    "no port without a registry": (
        Facts(
            containers=(container(labels={"pylb.service": "web"}, exposed=[]),),
            pools={"web": {"backends": [{"id": "other"}], "excluded": []}},
        ),
        "no-port",
        "web: container web-1 exposes 0 TCP ports, not one",
    ),
    "a pool that misses one": (
        replace(healthy(), pools={"web": pool(1)}),
        "pool-differs",
        "web: host:web-2:80 pass in Consul, but pylb does not use them",
    ),
    "an empty pool": (
        Facts(pools={"web": pool(excluded=[{"id": "web-1", "reason": "critical: refused"}])}),
        "pool-empty",
        "web: pylb has no backend",
    ),
}


def test_a_healthy_stack_has_no_findings():
    assert diagnose(healthy()) == []


def test_without_facts_there_are_no_findings():
    assert diagnose(Facts()) == []


@every("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(fault):
    facts, rule, words = FAULTS[fault]
    (finding,) = diagnose(facts)
    assert finding.rule == rule
    assert words in finding.what
    assert finding.cause
    assert finding.cure


def test_every_rule_has_a_test_case():
    assert {rule for rule in RULES if any(list(rule(facts)) for facts, _, _ in FAULTS.values())} == set(RULES)


def test_the_cause_of_an_empty_pool_is_the_excluded_instances():
    (finding,) = diagnose(FAULTS["an empty pool"][0])
    assert finding.cause == "web-1: critical: refused"


def test_an_instance_without_container_mark_is_not_dangling():
    facts = with_instances(endpoint(1), endpoint(2), Endpoint("web", "10.0.0.3", 80, id="by-hand"))
    assert diagnose(replace(facts, pools=None)) == []


def test_ids_in_shell_commands_are_quoted():
    evil = endpoint(2, id="x; rm -rf / #")
    facts = replace(with_instances(endpoint(1), evil), containers=(ONE,))
    cures = [each.cure for each in diagnose(facts) if each.rule == "dangling"]
    assert cures == ["start the registrator, or: consul services deregister -id='x; rm -rf / #'"]


def test_the_reasons_of_the_first_instances_are_the_cause():
    ill = tuple(
        Excluded(endpoint(n, status="critical"), f"critical: refused by {n}", cause="critical")
        for n in range(1, 6)
    )
    facts = replace(with_registry(services={"web": Instances(excluded=ill)}), pools={"web": pool()})
    causes = [each.cause for each in diagnose(facts) if each.rule == "none-passes"]
    named = "; ".join(f"host:web-{n}:80: critical: refused by {n}" for n in range(1, 4))
    assert causes == [f"{named} and 2 more"]
    assert "pool-empty" not in {each.rule for each in diagnose(facts)}


def test_the_cause_of_no_instance_names_similar_services():
    facts = with_registry(services={"web": Instances()}, known=frozenset({"wen", "api"}))
    (cause,) = [each.cause for each in diagnose(facts) if each.rule == "no-instance"]
    assert cause == ("it is not registered, or has another name: Consul knows api, wen; did you mean wen?")
