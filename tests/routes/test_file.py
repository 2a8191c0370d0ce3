import pytest

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.file import LARGEST, read_file
from pylb.routes.grammar import parse_route
from tests.every import every

FILE = """
# What the shop needs.
[services.api]
routes = [
    "api.example.com",
    "/api strip=/api",
]
policy = "round-robin"
response-timeout = "5s"
retries = 0
slow-start = true

[services."my.web"]
backends = "10.0.0.1:80,10.0.0.2:80"
"""


def test_a_file():
    api, web = read_file(FILE, "routes.toml")
    assert api == ServiceDeclaration(
        "api",
        (
            parse_route("api", "api.example.com", "routes.toml, line 5"),
            parse_route("api", "/api strip=/api", "routes.toml, line 6"),
        ),
        (("policy", "round-robin"), ("response-timeout", "5s"), ("retries", "0"), ("slow-start", "on")),
        origins=tuple(f"routes.toml, line {line}" for line in (8, 9, 10, 11)),
    )
    assert web == ServiceDeclaration(
        "my.web", (parse_route("my.web", "", "routes.toml, line 13"),), (), "10.0.0.1:80,10.0.0.2:80"
    )
    assert read_file("", "x") == ()


@every(
    ("text", "line", "reason"),
    [
        ("[services.a]\nroutes = [", 2, "invalid value"),
        ("[services.a]\n\nx = = 1\n", 3, "invalid value"),
        ("[services.a]\n[services.a]\n", 2, "cannot declare"),
        ("x = 1\n", 1, "'x', expected [services.NAME]"),
        ("\n[service.a]\n", 2, "'service', expected [services.NAME]"),
        ("services = 1\n", 1, "expected tables such as [services.web]"),
        ("[services]\na = 1\n", 2, "expected a table [services.a]"),
        ('[services."a b"]\n', 1, "'a b' is no name of a service"),
        ("[services.a]\nroutes = '/x'\n", 2, "routes of a, expected a list"),
        ("[services.a]\nroutes = [1]\n", 2, "routes of a, expected a list"),
        (
            '[services.a]\nroutes = [\n  "/ok",\n  "/x bogus",\n]\n',
            4,
            "'/x bogus': got 'bogus', expected key=value",
        ),
        ('[services.a]\nroutes = ["a/b?c"]\n', 2, "is no path"),
        (
            "[services.a]\nroutes = ['/a']\n\n[services.b]\nbackends = 1\n",
            5,
            "backends of b, expected a text",
        ),
        ("[services.a]\npolicy = ['x']\n", 2, "'policy' of a, expected the name of an option and one value"),
        ("[services.a]\nPolicy = 'x'\n", 2, "'Policy' of a, expected the name of an option and one value"),
        ("[services.a.b]\nc = 1\n", 1, "'b' of a, expected the name of an option and one value"),
        ("x = " + "[" * 100_000, 1, ""),
    ],
)
def test_a_file_that_is_wrong_gives_one_line_with_its_number_and_the_reason(text, line, reason):
    with pytest.raises(ValueError, match=r"^routes\.toml, line") as caught:
        read_file(text, "routes.toml")
    message = str(caught.value)
    assert message.startswith(f"routes.toml, line {line}: ")
    assert reason in message
    assert "\n" not in message


def test_a_file_that_is_too_large():
    with pytest.raises(ValueError, match="expected at most"):
        read_file("#" * (LARGEST + 1), "routes.toml")
