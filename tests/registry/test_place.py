import pytest

from pylb.registry.place import Rules, place
from tests.containers.inspected import container
from tests.every import every

RULES = {"owner": "engine", "hostname": "host", "host_address": "10.9.9.9"}
PUBLISHED = {"80/tcp": [("0.0.0.0", 8080)]}
BOTH = {"80/tcp": [("::", 49153), ("0.0.0.0", 49154)]}


def placed(rules, **settings):
    made = container(**settings)
    return place(made, made.ports[0], Rules(**{**RULES, **rules}))


@every(
    ("settings", "rules", "expected"),
    [
        ({}, {"internal": True}, ("172.17.0.2", 80)),
        ({"published": PUBLISHED}, {}, ("10.9.9.9", 8080)),
        ({"published": BOTH}, {}, ("10.9.9.9", 49154)),
        ({"published": BOTH}, {"host_address": "fd00::9"}, ("fd00::9", 49153)),
        ({"published": BOTH}, {"ip": "fd00::5"}, ("fd00::5", 49153)),
        ({"published": {"80/tcp": [("127.0.0.1", 1), ("10.1.1.1", 2)]}}, {}, ("10.1.1.1", 2)),
        ({"published": {"80/tcp": [("127.0.0.1", 1)]}}, {}, ("127.0.0.1", 1)),
        ({"published": PUBLISHED, "labels": {"addr": "fd00::6/64"}}, {"ip_label": "addr", "internal": True},
         ("fd00::6", 80)),
        ({"mode": "host", "networks": {"host": ""}}, {"internal": True}, ("10.9.9.9", 80)),
    ],
)  # fmt: skip
def test_where_a_port_is_registered(settings, rules, expected):
    assert placed(rules, **settings) == expected


@pytest.mark.parametrize(
    ("settings", "rules", "words"),
    [
        (
            {"published": {"80/tcp": [("::", 9010)]}},
            {},
            "port 80 is published on :: only, which 10.9.9.9 does not",
        ),
        ({}, {"internal": True, "network": "front"}, "it has no address on the network front"),
        (
            {"labels": {"addr": "a..b"}},
            {"ip_label": "addr", "internal": True},
            "label addr: got 'a..b', expected a",
        ),
    ],
)
def test_an_unreachable_address_is_rejected_with_a_reason(settings, rules, words):
    with pytest.raises(ValueError, match=words):
        placed(rules, **settings)
