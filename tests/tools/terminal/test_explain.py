import pytest

from pylb.errors import UsageError
from pylb.model import Endpoint, Excluded
from pylb.tools.terminal.explain import ExplainOptions, changes, settings, spelled_out

ONE, TWO, THREE = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ([], []),
        (["/x"], ["--target", "/x"]),
        (["POST", "/x", "-H", "host: a"], ["--method", "POST", "--target", "/x", "--header", "host: a"]),
        (["--target", "/x"], ["--target", "/x"]),
    ],
)
def test_a_request_is_given_as_method_and_path(short, long):
    assert spelled_out(short) == long


def test_a_third_word_is_rejected():
    with pytest.raises(UsageError, match="got 'x', expected METHOD PATH"):
        spelled_out(["GET", "/", "x"])


def test_the_host_field_is_found_in_any_case():
    assert ExplainOptions(header=("Accept: x", "HOST:  shop.example ")).host == "shop.example"
    assert ExplainOptions().host == ""


async def test_the_selected_backend_is_marked_and_the_excluded_have_reasons(
    pylb, know, command, capsys, pools
):
    know("web", ONE, TWO, excluded=(Excluded(THREE, "critical: refused"),))
    pools["web"].backends[ONE.key, "10.0.0.1:80"].count(+1)
    assert await command("explain", "GET", "/x", "-H", "host: a", "--admin", pylb) == 0
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == "GET /x for a: service web, least-connections among 2"
    assert [row.split()[0] for row in rows] == ["web-1", "→", "web-3"]
    assert "critical: refused" in rows[-1]


def test_settings_that_somebody_has_set_are_shown_with_their_origin():
    result = {
        "settings": [
            {"name": "retries", "value": "2", "origin": "default"},
            {"name": "response-timeout", "value": "5s", "origin": "routes.toml, line 3"},
        ]
    }
    assert settings(result) == "response-timeout 5s (routes.toml, line 3)"
    assert settings({}) == ""


async def test_without_an_eligible_backend_the_exit_code_is_1(pylb, know, command, capsys):
    know("web")
    assert await command("explain", "/", "--admin", pylb) == 1
    assert "the registry lists no instance" in capsys.readouterr().out


async def test_the_explanation_matches_the_backend_of_a_request(view, know, pools):
    """The explanation is compared with the next pick a thousand times under changing load."""
    from pylb.admin.explain import explain

    know("web", *(Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}", weight=1 + n % 3) for n in range(8)))
    pool, open_leases = pools["web"], []
    for number in range(1000):
        expected = explain(view, "", "/")["winner"]
        lease = pool.lease()
        assert lease.backend.name == expected
        open_leases.append(lease.__enter__())
        if number % 3:
            open_leases.pop(number % len(open_leases)).__exit__(None, None, None)


def test_the_changes_of_the_route_are_shown():
    assert changes({}, "/x") == ""
    assert changes({"target": "/x", "changes": []}, "/x") == ""
    assert changes({"target": "/y", "changes": ["host=a", "set:X-A=1"]}, "/x") == "/y, host=a, set:X-A=1"
    assert "answers with 400" in changes({"target": None, "changes": []}, "/x")
