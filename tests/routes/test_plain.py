import json

from hypothesis import given

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.plain import declaration_of, to_plain
from tests.routes.declarations import declarations


@given(declarations)
def test_a_declaration_is_the_same_after_a_round_trip(declaration):
    assert declaration_of(json.loads(json.dumps(to_plain(declaration)))) == declaration


def test_what_is_not_declared_is_not_written():
    declaration = ServiceDeclaration("api", (parse_route("api", "/api strip=/api"), parse_route("api", "")))
    assert to_plain(declaration) == {
        "service": "api",
        "routes": [
            {"service": "api", "match": {"path": "/api"}, "actions": {"strip": ["/api"]}},
            {"service": "api"},
        ],
    }
