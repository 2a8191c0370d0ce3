import pytest

from pylb.errors import UsageError
from pylb.routes.declaration import declare
from pylb.routes.file import read_file
from pylb.routes.grammar import parse_service
from pylb.tools.plan.proposal import proposed

PRESENT = declare([parse_service("web", "--service"), parse_service("api=/api", "--service")])


def paths(declared):
    return {each.service: [route.match.path for route in each.routes] for each in declared}


def test_services_replace_all_routes_of_the_option_and_no_others(tmp_path):
    file = read_file('[services.shop]\nroutes = ["/shop"]\n', "/etc/routes.toml")
    assert paths(proposed([*PRESENT, *file], services=["web=/new"])) == {"web": ["/new"], "shop": ["/shop"]}


def test_a_file_replaces_the_routes_of_a_file_of_the_same_name(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text('[services.cart]\nroutes = ["/cart"]\n')
    file = read_file('[services.shop]\nroutes = ["/shop"]\n', "/etc/routes.toml")
    assert paths(proposed([*PRESENT, *file], files=[str(path)])) == {
        "web": [""],
        "api": ["/api"],
        "cart": ["/cart"],
    }


def test_a_tag_adds_a_route_of_a_service():
    assert paths(proposed(PRESENT, tags=["api=urlprefix-/v2"]))["api"] == ["/api", "/v2"]
    assert paths(proposed(PRESENT, tags=["new=lb_route=/n strip=/n"]))["new"] == ["/n"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"services": ["web="]}, "ends where a host or path should be"),
        ({"files": ["/does/not/exist"]}, "--routes: /does/not/exist cannot be read: No such file"),
        ({"tags": ["web"]}, "--tag: got 'web', expected SERVICE=TAG"),
        ({"tags": ["web=hello"]}, "--tag: 'web=hello' declares no route"),
        ({"tags": ["web=urlprefix-:80 proto=tcp"]}, "declares no route: "),
    ],
)
def test_an_invalid_proposal_is_a_usage_error(how, message):
    with pytest.raises(UsageError, match=message.replace("(", "\\(")) as raised:
        proposed(PRESENT, **how)
    assert "\n" not in str(raised.value)
