import pytest

from pylb.discovery.sources.consul.health import parse_instances
from pylb.discovery.sources.settings import MOST_CHARACTERS, Settings, read_settings
from tests.every import every


@pytest.mark.parametrize(
    ("key", "value", "weight"), [("lb_weight", "3", 3), ("LB_WEIGHT", "0", 0), ("x", "3", 1)]
)
def test_a_weight_is_parsed(key, value, weight):
    settings = read_settings({"other": "1", key: value})
    assert (settings.weight, settings.problems) == (weight, ())


@every("value", ["", "-1", "1.5", "1001", "heavy", "٣", "9" * 50, None])
def test_an_invalid_weight_is_reported_and_ignored(value):
    settings = read_settings({"lb_weight": value})
    assert settings.weight == 1
    (problem,) = settings.problems
    assert problem.startswith("lb_weight: expected a whole number from 0 to 1000, got ")
    assert len(problem) < 120


def test_a_priority_and_a_zone_are_parsed():
    settings = read_settings({"lb_priority": "2"}, ["lb_priority=1", "lb_zone=east-1"])
    assert (settings.priority, settings.zone, settings.problems) == (2, "east-1", ())


@every("value", ["", "-1", "128", "high"])
def test_an_invalid_priority_is_reported_and_ignored(value):
    settings = read_settings({"lb_priority": value})
    assert (settings.priority, settings.unusable) == (0, "")
    assert settings.problems == (f"lb_priority: expected a whole number from 0 to 127, got {value!r}",)


@pytest.mark.parametrize(("value", "seconds"), [("30s", 30.0), ("500ms", 0.5), ("0", 0.0), ("5", 5.0)])
def test_a_duration_is_parsed(value, seconds):
    assert read_settings({"lb_slowstart": value}).slow_start == seconds


@pytest.mark.parametrize(("value", "limit"), [("8", 8), ("0", 0), ("1000000", 1_000_000)])
def test_a_limit_is_parsed(value, limit):
    assert read_settings({"lb_maxconn": value}).max_conn == limit


@pytest.mark.parametrize(("value", "tls"), [("true", True), ("on", True), ("1", True), ("false", False)])
def test_tls_is_parsed(value, tls):
    assert read_settings({"lb_tls": value}).tls is tls
    assert read_settings({}, [f"lb_tls={value}"]).tls is tls


@pytest.mark.parametrize(
    ("value", "protocol", "tls"),
    [("h2", "h2", None), ("h2c", "h2", False), ("auto", "auto", None), ("http1", "http1", None)],
)
def test_a_protocol_is_parsed(value, protocol, tls):
    settings = read_settings({"lb_protocol": value}, ["lb_protocol=http1"])
    assert (settings.protocol, settings.tls) == (protocol, tls)


def test_h2c_is_without_tls_also_on_an_instance_with_the_tls_tag():
    assert read_settings({}, ["lb_tls", "lb_protocol=h2c"]) == Settings(protocol="h2", tls=False)


def test_metadata_takes_precedence_over_the_tls_tag():
    assert read_settings({}, ["blue", "lb_tls", "lb_tls_name=a.example"]) == Settings(
        tls=True, tls_name="a.example"
    )
    assert read_settings({"lb_tls": "no"}, ["lb_tls"]).tls is False


@every(
    ("key", "value", "expected"),
    [
        ("lb_tls", "maybe", "true, false, yes, no, on, off, 1 or 0"),
        ("lb_protocol", "h3", "one of http1, h2, auto, h2c"),
        ("lb_tls", "", "true, false, yes, no, on, off, 1 or 0"),
        ("lb_tls_name", ".x", "a host name or an IP address"),
        ("LB_TLS_NAME", "a" * 64, "a host name or an IP address"),
        ("lb_tls_name", "a\0b", "a host name or an IP address"),
        ("lb_tls_name", "\u00e9..x", "a host name or an IP address"),
    ],
)
def test_an_invalid_tls_setting_excludes_the_instance(key, value, expected):
    settings = read_settings({key: value})
    assert settings.unusable == f"{key}: expected {expected}, got {value[:40]!r}"
    assert (settings.protocol, settings.tls, settings.tls_name) == ("", None, "")


def test_missing_settings_have_the_defaults_of_the_options():
    assert read_settings({"version": "1"}) == Settings()


def test_each_setting_is_validated_separately():
    settings = read_settings({"lb_weight": "2", "lb_maxconn": "-1", "LB_SLOWSTART": "soon"})
    assert (settings.weight, settings.max_conn, settings.slow_start) == (2, None, None)
    assert settings.problems == (
        "lb_maxconn: expected a whole number from 0 to 1000000, got '-1'",
        "LB_SLOWSTART: expected a duration from 0 to 8760h, such as 0, 500ms, 2s or 1m, got 'soon'",
    )


def instance(name, **meta):
    return {
        "Node": {"Node": "n", "Datacenter": "dc1", "Address": "10.0.0.1"},
        "Service": {
            "ID": name,
            "Service": "web",
            "Port": 80 + len(name),
            "Weights": {"Passing": 2, "Warning": 1},
            "Meta": meta,
        },
        "Checks": [],
    }


def test_an_instance_with_an_invalid_weight_has_the_registrys_weight():
    items = [instance("a", lb_weight="3"), instance("bb", lb_weight="many"), instance("ccc")]
    endpoints, excluded = parse_instances("web", items)
    assert [e.weight for e in endpoints] == [6, 2, 2]
    assert [len(e.problems) for e in endpoints] == [0, 1, 0]
    assert not excluded


def test_an_invalid_tls_setting_excludes_only_its_instance():
    items = [instance("a", lb_tls="maybe"), instance("bb", lb_tls="true", lb_tls_name="a.example")]
    (endpoint,), (excluded,) = parse_instances("web", items)
    assert (endpoint.id, endpoint.tls, endpoint.tls_name) == ("bb", True, "a.example")
    assert excluded.endpoint.id == "a"
    assert excluded.reason.startswith("invalid: lb_tls: expected true, false,")


def test_an_instance_with_too_many_tags_is_unusable():
    key, tags = {"version": "1"}, ["a" * 1023] * 512
    assert read_settings({}, tags).unusable == ""
    reason = f"524297 characters of tags and metadata, expected at most {MOST_CHARACTERS}"
    assert read_settings(key, tags) == Settings(unusable=reason)
