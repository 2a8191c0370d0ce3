import pytest

from pylb.config import Options
from pylb.config.parse import parse
from pylb.errors import UsageError


@pytest.mark.parametrize(
    "arguments",
    [
        ["--consul", "127.0.0.1:8500", "--catalog"],
        ["--docker", "--catalog"],
        ["--routes", "routes.toml"],
        ["--consul", "127.0.0.1:8500", "--routes", "consul:pylb/routes", "--routes", "routes.toml"],
        ["--static", "10.0.0.1:80", "--service", "web", "--routes", "routes.toml"],
    ],
)
def test_a_source_of_routes_needs_no_service(arguments):
    parse(Options, arguments, {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--catalog"], "--catalog: expected --consul HOST:PORT or --docker with it"),
        (["--static", "a:1", "--catalog"], "--catalog: expected --consul HOST:PORT or --docker with it"),
        (["--routes", "consul:x"], "--routes consul:x: expected --consul HOST:PORT with it"),
        (["--consul", "a:1"], "expected --service NAME"),
    ],
)
def test_a_source_needs_its_registry(arguments, message):
    with pytest.raises(UsageError, match="^" + message):
        parse(Options, arguments, {})
