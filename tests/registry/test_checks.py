"""One row per `SERVICE_CHECK_*` of docs/registrator.md."""

import pytest

from pylb.registry.checks import requested_check
from tests.every import every


def asked(**settings):
    return requested_check(settings, address="10.0.0.2", port=80, container="abc", inside=8080)


@every(
    ("settings", "check"),
    [
        ({"check_http": "/up"}, {"HTTP": "http://10.0.0.2:80/up"}),
        ({"check_http": "/", "check_http_method": "HEAD"}, {"HTTP": "http://10.0.0.2:80/", "Method": "HEAD"}),
        ({"check_https": "/up"}, {"HTTP": "https://10.0.0.2:80/up"}),
        (
            {"check_https": "/", "check_https_method": "HEAD", "check_tls_skip_verify": "1"},
            {"HTTP": "https://10.0.0.2:80/", "Method": "HEAD", "TLSSkipVerify": True},
        ),
        ({"check_cmd": "/up.sh"}, {"Args": ["check-cmd", "abc", "8080", "/up.sh"]}),
        (
            {"check_script": "curl $SERVICE_IP:$SERVICE_PORT"},
            {"Args": ["/bin/sh", "-c", "curl 10.0.0.2:80"]},
        ),
        ({"check_tcp": "true"}, {"TCP": "10.0.0.2:80"}),
        ({"check_grpc": "true"}, {"GRPC": "10.0.0.2:80"}),
        ({"check_grpc": "true", "check_grpc_use_tls": "1"}, {"GRPC": "10.0.0.2:80", "GRPCUseTLS": True}),
        (
            {"check_grpc": "true", "check_grpc_use_tls": "1", "check_tls_skip_verify": "1"},
            {"GRPC": "10.0.0.2:80", "GRPCUseTLS": True, "TLSSkipVerify": True},
        ),
    ],
)
def test_each_setting_gives_its_check(settings, check):
    assert asked(**settings) == {**check, "Interval": "10s"}


def test_a_ttl_has_no_interval():
    assert asked(check_ttl="30s", check_interval="5s") == {"TTL": "30s"}


def test_without_settings_there_is_no_check():
    assert asked(check_interval="5s", name="web") is None


def test_the_first_kind_of_check_is_used():
    assert "HTTP" in asked(check_tcp="true", check_http="/")


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("check_interval", "2s", "Interval"),
        ("check_timeout", "1s", "Timeout"),
        ("check_initial_status", "passing", "Status"),
        ("check_deregister_after", "1m", "DeregisterCriticalServiceAfter"),
    ],
)
def test_settings(key, value, field):
    assert asked(check_tcp="true", **{key: value})[field] == value


def test_an_ipv6_address_has_brackets():
    made = requested_check({"check_tcp": "1"}, address="fd00::2", port=80, container="abc", inside=80)
    assert made["TCP"] == "[fd00::2]:80"
