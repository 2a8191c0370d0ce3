"""One test per row of docs/registrator.md: conventions and options."""

import pytest

from pylb.clients.inventory import Unread
from pylb.registry.place import Rules
from pylb.registry.registrations import desired
from tests.containers.inspected import container
from tests.every import every

RULES = {"owner": "engine", "hostname": "host", "host_address": "10.9.9.9", "internal": True}
PUBLISHED = {"80/tcp": [("0.0.0.0", 8080)]}


def made(*containers, stopping=(), **rules):
    return desired(containers, Rules(**{**RULES, **rules}), stopping)


def one(rules=None, **settings):
    (registration,) = made(container(**settings), **(rules or {})).registrations.values()
    return registration


def test_ids():
    assert list(made(container("web-1")).registrations) == ["host:web-1:80"]
    assert list(made(container("dns", exposed=["53/udp"])).registrations) == ["host:dns:53:udp"]


@pytest.mark.parametrize("key", ["SERVICE_ID", "SERVICE_80_ID"])
def test_a_configured_id_is_used(key):
    assert one(env={key: "mine"}).id == "mine"


@every("bad", ["../../leave", "a/../victim", "a/b", "..", "a\nb", "a\x1b[2J", "x" * 256])
def test_an_id_that_could_reach_another_part_of_the_api_is_a_problem(bad):
    found = made(container("evil", env={"SERVICE_ID": bad}), container("web-1"))
    assert list(found.registrations) == ["host:web-1:80"]
    (problem,) = found.problems
    assert problem.startswith(
        f"evil: the id {bad[:80]!r} is refused: expected at most 255 characters, no slashes"
    )


@pytest.mark.parametrize("bad", ["..", "../x", "a\nb"])
def test_a_name_that_cannot_be_queried_is_a_problem(bad):
    found = made(container("evil", env={"SERVICE_NAME": bad}))
    assert found.registrations == {}
    assert found.problems == (
        f"evil: the name {bad!r} is refused: expected no control characters and no dot segments",
    )


def test_the_older_of_two_containers_with_one_id_is_registered():
    young = container("b", env={"SERVICE_ID": "x"}, networks={"n": "10.0.0.2"})
    found = made(container("a", env={"SERVICE_ID": "x"}), young)
    assert found.registrations["x"].definition["Address"] == "172.17.0.2"
    assert found.problems == ("b: the id 'x' is already used by container " + container("a").short_id,)


def test_the_whole_definition():
    env = {"SERVICE_NAME": "web", "SERVICE_TAGS": "b,a", "SERVICE_REGION": "eu", "SERVICE_CHECK_TCP": "true"}
    definition = one(env=env).definition
    meta = definition.pop("Meta")
    assert definition == {
        "ID": "host:web-1:80",
        "Name": "web",
        "Address": "172.17.0.2",
        "Port": 80,
        "Tags": ["b", "a"],
        "Weights": {"Passing": 1, "Warning": 1},
        "Checks": [
            {
                "CheckID": "service:host:web-1:80",
                "Name": "Service host:web-1:80",
                "TCP": "172.17.0.2:80",
                "Interval": "10s",
            }
        ],
    }
    assert {k: v for k, v in meta.items() if not k.startswith("pylb-")} == {
        "region": "eu",
        "check_tcp": "true",
    }
    assert meta["pylb-owner"] == "engine"


def test_without_check_settings_there_is_no_check():
    assert one().definition["Checks"] == []


def test_udp_is_a_tag():
    assert one(exposed=["53/udp"], env={"SERVICE_TAGS": "a"}, rules={"tags": ("all",)}).definition[
        "Tags"
    ] == [
        "a",
        "all",
        "udp",
    ]


def test_only_published_ports_count_for_the_name_unless_internal():
    settings = {"exposed": ["80/tcp", "443/tcp"], "published": PUBLISHED}
    assert [
        r.definition["Name"] for r in made(container(**settings), internal=False).registrations.values()
    ] == ["web"]
    assert [r.definition["Name"] for r in made(container(**settings)).registrations.values()] == [
        "web-80",
        "web-443",
    ]


def test_every_port_is_a_separate_service():
    found = made(container(exposed=["80/tcp", "81/tcp"])).registrations.values()
    assert [(r.definition["Name"], r.definition["Port"]) for r in found] == [("web-80", 80), ("web-81", 81)]


def test_explicit():
    assert made(container(), explicit=True).registrations == {}


def test_only_with_the_label():
    labelled = container("b", labels={"SERVICE_REGISTER": "1"})
    assert list(made(container("a"), labelled, require_label=True).registrations) == ["host:b:80"]


def test_ignored():
    assert made(container(env={"SERVICE_IGNORE": "1"})).registrations == {}


@every(
    ("settings", "rules", "place"),
    [
        ({}, {}, ("172.17.0.2", 80)),
        ({"networks": {"b": "10.0.0.2", "a": "10.0.0.1"}}, {}, ("10.0.0.1", 80)),
        ({"networks": {"b": "10.0.0.2", "a": "10.0.0.1"}}, {"network": "b"}, ("10.0.0.2", 80)),
        ({"published": PUBLISHED}, {"internal": False}, ("10.9.9.9", 8080)),
        ({"published": PUBLISHED, "networks": {"own": "10.0.0.1"}}, {"internal": False}, ("10.9.9.9", 8080)),
        ({"published": {"80/tcp": [("10.1.1.1", 81)]}}, {"internal": False}, ("10.1.1.1", 81)),
        ({"published": PUBLISHED}, {"internal": False, "ip": "10.5.5.5"}, ("10.5.5.5", 8080)),
        ({"labels": {"addr": "10.6.6.6/24"}}, {"ip_label": "addr"}, ("10.6.6.6", 80)),
        ({"labels": {"addr": "10.6.6.6"}}, {"ip_label": "addr", "ip": "10.5.5.5"}, ("10.5.5.5", 80)),
        ({}, {"ip_label": "addr"}, ("172.17.0.2", 80)),
        ({"mode": "host", "networks": {"host": ""}}, {}, ("10.9.9.9", 80)),
        ({"mode": "host", "networks": {"host": ""}}, {"internal": False}, ("10.9.9.9", 80)),
    ],
)
def test_addresses(settings, rules, place):
    definition = one(rules, **settings).definition
    assert (definition["Address"], definition["Port"]) == place


def test_an_unknown_address_is_left_to_consul():
    env = {"SERVICE_CHECK_TCP": "true"}
    definition = one({"internal": False, "host_address": ""}, published=PUBLISHED, env=env).definition
    assert (definition["Address"], definition["Port"]) == ("", 8080)
    assert definition["Checks"][0]["TCP"] == "127.0.0.1:8080"


def test_unpublished_ports_are_not_registered_unless_internal():
    assert made(container(), internal=False).registrations == {}


def test_a_container_that_is_not_on_the_network_is_a_problem():
    found = made(container(), network="front")
    assert found.registrations == {}
    assert found.problems == ("web-1: it has no address on the network front",)


def test_weights_are_parsed():
    env = {"SERVICE_LB_WEIGHT": "5", "SERVICE_LB_WEIGHT_WARNING": "2"}
    definition = one(env=env).definition
    assert definition["Weights"] == {"Passing": 5, "Warning": 2}
    assert "lb_weight" not in definition["Meta"]


def test_an_invalid_weight_is_a_problem_and_the_service_is_registered():
    found = made(container(env={"SERVICE_LB_WEIGHT": "lots"}))
    assert len(found.registrations) == 1
    assert found.problems == ("web-1: SERVICE_LB_WEIGHT: got 'lots', expected a number from 0 to 65535",)


@pytest.mark.parametrize(
    "env",
    [
        {"SERVICE_A.B": "x"},
        {"SERVICE_LONG": "x" * 513},
        {"SERVICE_LONG": "ä" * 257},
        {"SERVICE_consul-x": "1"},
    ],
)
def test_invalid_metadata_is_a_problem_and_the_service_is_registered(env):
    found = made(container(env={"SERVICE_OK": "yes", **env}))
    (registration,) = found.registrations.values()
    assert registration.definition["Meta"]["ok"] == "yes"
    assert "is skipped" in found.problems[0]


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"health": "healthy"}, "passing"),
        ({"health": "unhealthy"}, "critical"),
        ({"health": "starting"}, "critical"),
        ({"health": "starting", "env": {"SERVICE_CHECK_INITIAL_STATUS": "passing"}}, "passing"),
    ],
)
def test_dockers_own_health_check_becomes_a_check(settings, status):
    registration = one(**settings)
    (check,) = registration.payload()["Checks"]
    assert (check["CheckID"], check["Status"], check["TTL"]) == ("docker:host:web-1:80", status, "24h")


def test_a_change_of_health_does_not_register_again():
    well, ill = one(health="healthy"), one(health="unhealthy", output="refused")
    assert well.digest == ill.digest
    assert ill.reports[0].output == "Docker reports unhealthy: refused"


def test_with_a_ttl_a_registration_expires():
    (check,) = one({"ttl": 90.0}).payload()["Checks"]
    assert check == {
        "CheckID": "registrator:host:web-1:80",
        "Name": "Confirmed by the registrator",
        "TTL": "90s",
        "DeregisterCriticalServiceAfter": "90s",
        "Status": "passing",
    }


def test_a_port_published_for_another_address_family_is_a_problem():
    found = made(
        container("six", published={"80/tcp": [("::", 9010)]}),
        container("web-1", published=PUBLISHED),
        internal=False,
    )
    assert list(found.registrations) == ["host:web-1:80"]
    assert found.problems == ("six: port 80 is published on :: only, which 10.9.9.9 does not reach",)


def test_an_invalid_port_is_a_problem_and_the_others_are_registered():
    found = made(container("db", exposed=["3306/tcp", "33060-33061/tcp"]))
    assert list(found.registrations) == ["host:db:3306"]
    assert found.problems == (
        "db: its port '33060-33061/tcp' is skipped: got '33060-33061', expected a port from 1 to 65535",
    )


def test_an_unreadable_container_keeps_its_entries_and_is_a_problem():
    found = desired([], Rules(**RULES), unread=[Unread("c" * 64, "db", "no answer within 2 s")])
    assert found.kept == found.unread == {"c" * 12}
    assert found.problems == ("db: it cannot be read: no answer within 2 s",)


@pytest.mark.parametrize("settings", [{"paused": True}, {"labels": {"com.docker.compose.oneoff": "True"}}])
def test_paused_and_one_off_containers_are_not_registered(settings):
    assert made(container(**settings)).registrations == {}


def test_ended_and_stopping_containers_are_not_registered():
    stopped, stopping = container("a", running=False), container("b")
    assert made(stopped, stopping, stopping={stopping.id}).registrations == {}


@pytest.mark.parametrize(("code", "kept"), [(0, False), (1, True), (137, False), (143, False)])
def test_deregistered_on_success_only(code, kept):
    ended = container(running=False, exit_code=code)
    assert (ended.short_id in made(ended, keep_failed=True).kept) is kept
    assert made(ended).kept == frozenset()
