from pylb.routes.match import Host, Match
from pylb.routes.matchers import compile_tests, is_secure
from tests.every import every
from tests.routes.heads import CLIENT, PROXIED, SECURE, head


def meets(match, request, client=CLIENT):
    return all(test(request, client) for test in compile_tests(match))


def test_a_method_is_compared_exactly():
    match = Match(methods=("GET", "HEAD"))
    assert meets(match, head(method="HEAD"))
    assert not meets(match, head(method="get"))


@every(
    ("field", "met"),
    [
        ("X-Canary: 1", True),
        ("x-canary:1", True),
        ("X-CANARY: \t 1 \t", True),
        ("X-Canary: 1, 2", False),
        ("X-Canary: 11", False),
        ("X-Canary: 1\r\nX-Canary: 2", True),
        ("X-Canaries: 1", False),
        ("X: X-Canary: 1", False),
    ],
)
def test_one_field_has_the_whole_value(field, met):
    assert meets(Match(headers=(("x-canary", "1"),)), head("/", "a", field)) is met


@every(
    ("target", "met"),
    [
        ("/?v=a+b", True),
        ("/?x&v=a%20b", True),
        ("/?v=c&v=a+b", True),
        ("/?%76=a%20b", True),
        ("/?V=a+b", False),
        ("/?v=a+b+c", False),
        ("/?v", False),
        ("/v=a+b", False),
    ],
)
def test_one_parameter_has_the_value_once_decoded(target, met):
    assert meets(Match(queries=(("v", "a b"),)), head(target)) is met


def test_an_empty_parameter():
    assert meets(Match(queries=(("v", ""),)), head("/?v"))
    assert not meets(Match(queries=(("v", ""),)), head("/?v=1"))


def test_a_request_must_not_meet_what_is_excluded():
    match = Match(excludes=(Match(Host("a.example"), "/admin", methods=("GET",)),))
    assert not meets(match, head("/admin/x"))
    assert not meets(match, head("/x/../admin"))
    assert not meets(match, head("/%zz"))
    assert meets(match, head("/admin/x", method="POST"))
    assert meets(match, head("/administration"))
    assert meets(match, head("/admin", "b.example"))
    twice = Match(excludes=(match,))
    assert meets(twice, head("/admin"))
    assert not meets(twice, head("/x"))


def test_the_scheme_is_that_of_the_client_as_far_as_a_trusted_proxy_reports_it():
    https, proto = Match(scheme="https"), "X-Forwarded-Proto: https"
    assert not meets(https, head())
    assert meets(https, head(), SECURE)
    assert not meets(https, head("/", "a", proto))
    assert meets(https, head("/", "a", proto), PROXIED)
    assert is_secure(head("/", "a", "X-Forwarded-Proto: wss"), PROXIED)


@every(
    ("host", "plain", "secure"),
    [
        ("a", True, True),
        ("a:80", True, False),
        ("a:443", False, True),
        ("a:8080", False, False),
        ("[::1]", True, True),
        ("[::1]:80", True, False),
        ("a:", True, True),
    ],
)
def test_the_default_port_is_that_of_the_scheme(host, plain, secure):
    match = Match(default_port=True)
    assert meets(match, head("/", host)) is plain
    assert meets(match, head("/", host), SECURE) is secure
