from dataclasses import replace

import pytest

from pylb.admin.explain import explain
from pylb.admin.protocol import PROTOCOLS, protocols
from pylb.admin.state import backends
from pylb.config.backends import PROTOCOLS as OF_THE_OPTION
from pylb.model import Endpoint
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


def declaring(view, service="web", **config):
    """The view of a process with this declaration of the service, and these options."""
    declared = {each.service: each for each in declare([parse_service(service, "--service")])}
    options = {f"--{name.replace('_', '-')}": value for name, value in config.items()}
    return replace(view, declared=declared.get, config=view.config | options)


@pytest.mark.parametrize(
    ("service", "config", "backend", "protocol"),
    [
        ("web", {}, ("", 0, False), "http1"),
        ("web", {"upstream_protocol": "h2"}, ("", 0, False), "h2"),
        ("web upstream-protocol=h2", {}, ("", 0, True), "h2"),
        ("web upstream-protocol=h2", {}, ("http1", 0, False), "http1"),
        ("web", {}, ("h2", 0, False), "h2"),
        ("web", {}, ("auto", 0, False), "auto"),
        ("web", {}, ("auto", 0, True), "http1"),
        ("web", {}, ("auto", 1, True), "h2"),
        ("web", {"upstream_proxy_protocol": "v2"}, ("h2", 0, False), "http1"),
    ],
)
def test_the_protocol_of_a_backend(view, service, config, backend, protocol):
    assert protocols(declaring(view, service, **config), "web")(*backend) == protocol


def test_the_api_names_the_values_of_the_option():
    assert set(PROTOCOLS) == set(OF_THE_OPTION)


class Multiplexed:
    """The connections with HTTP/2 of a backend."""

    def usage(self):
        return 2, 17


def test_backends_and_candidates_have_their_protocol(view, pools, know):
    know("web", ONE, replace(TWO, protocol="auto"))
    pools["web"].backends[TWO.key, "10.0.0.2:80"].multiplexed = Multiplexed()
    rows = {row["id"]: row for row in backends(view)}
    assert (rows["web-1"]["protocol"], rows["web-1"]["http2_connections"]) == ("http1", 0)
    shown = [rows["web-2"][name] for name in ("protocol", "http2_connections", "http2_streams")]
    assert shown == ["h2", 2, 17]
    candidates = explain(view, "", "/")["candidates"]
    assert {each["id"]: each["protocol"] for each in candidates} == {"web-1": "http1", "web-2": "h2"}
