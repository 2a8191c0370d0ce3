from dataclasses import replace

import pytest

from pylb.admin.service import of_request, service
from pylb.config import Options
from pylb.config.option import in_force
from pylb.config.settings import OF_POOL, OF_REQUESTS
from pylb.policy.overrides import Action
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_service

OPTIONS = Options(static="10.0.0.1:80", queue_timeout=90.0, panic_threshold=30)
FILE = "routes.toml, line 3"


@pytest.fixture
def declared(view):
    """The view of a pylb with one service, which has these routes and settings."""

    def make(*texts, settings=(), origins=()):
        routes = tuple(parse_service(text, "--service") for text in texts)
        declaration = ServiceDeclaration("web", routes, settings, origins=origins)
        return replace(view, declared={"web": declaration}.get, config=in_force(OPTIONS))

    return make


def shown(rows):
    return {row["name"]: (row["value"], row["origin"]) for row in rows}


def test_a_service_that_no_source_declares_is_none(declared):
    assert service(declared("web"), "api") is None


def test_every_setting_is_shown_with_its_origin(declared, operator):
    settings = (("panic", "serve"), ("response-timeout", "5s"))
    view = declared("web=/a maxconn=7", "web=/b retries=0", settings=settings, origins=(FILE, FILE))
    found = service(view, "web")
    values = shown(found["settings"])
    assert values.keys() == OF_POOL | OF_REQUESTS
    assert values["panic"] == ("serve", FILE)
    assert values["response-timeout"] == ("5s", FILE)
    assert values["max-conn"] == ("7", "--service")
    assert values["queue-timeout"] == ("90s", "--queue-timeout")
    assert values["panic-threshold"] == ("30", "--panic-threshold")
    assert values["policy"] == ("least-connections", "default")
    assert values["upstream-tls-ca"] == ("", "default")
    assert [(each["route"], shown(each["settings"])) for each in found["routes"]] == [
        ("web=/a maxconn=7", {}),
        ("web=/b retries=0", {"retries": ("0", "--service")}),
    ]
    made = operator.decide("web", Action.POLICY, policy="random")
    assert shown(service(view, "web")["settings"])["policy"] == ("random", f"override {made.id}")


def test_a_request_has_the_settings_of_its_route_then_of_its_service(declared):
    settings = (("response-timeout", "5s"), ("retries", "1"))
    view = declared("web=/b retries=0", settings=settings, origins=(FILE, FILE))
    values = shown(of_request(view, view.declared("web").routes[0]))
    assert values.keys() == OF_REQUESTS
    assert values["retries"] == ("0", "--service")
    assert values["response-timeout"] == ("5s", FILE)
    assert values["connect-timeout"][1] == "default"
