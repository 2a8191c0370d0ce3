import pytest

from pylb.routes.actions import Actions, FieldAction, Redirect, Response, Verb
from pylb.routes.grammar import LONGEST_ROUTE, MOST_WORDS, parse_route, parse_service
from pylb.routes.match import Host, Labels, Match, PathKind
from pylb.routes.route import Route, Share
from tests.every import every


@every(
    ("text", "route"),
    [
        ("web", Route("web")),
        ("my-web_2.blue", Route("my-web_2.blue")),
        ("api=/api", Route("api", Match(path="/api"))),
        ("api=/api/", Route("api", Match(path="/api"))),
        ("api=/", Route("api")),
        ("api=/v1/a=b", Route("api", Match(path="/v1/a=b"))),
        ("shop=shop.example.com", Route("shop", Match(Host("shop.example.com")))),
        ("shop=Shop.Example.COM.", Route("shop", Match(Host("shop.example.com")))),
        ("shop=shop.example.com/Cart", Route("shop", Match(Host("shop.example.com"), "/Cart"))),
        ("shop=localhost/", Route("shop", Match(Host("localhost")))),
        ("shop=192.0.2.1", Route("shop", Match(Host("192.0.2.1")))),
        ("shop=[2001:db8::1]/cart", Route("shop", Match(Host("[2001:db8::1]"), "/cart"))),
        ("shop=*.example.com/a", Route("shop", Match(Host("example.com", Labels.ANY), "/a"))),
        ("web policy=round-robin", Route("web", settings=(("policy", "round-robin"),))),
        ("web response-timeout='5s'", Route("web", settings=(("response-timeout", "5s"),))),
        ("a=/a path=exact", Route("a", Match(path="/a", kind=PathKind.EXACT))),
        (
            "a=/a/*.png path=glob",
            Route("a", Match(path="/a/*.png", kind=PathKind.GLOB), Actions(by_characters=True)),
        ),
        (
            "a method=POST,GET header:X-Canary=1 query:v=2 scheme=https",
            Route(
                "a",
                Match(
                    methods=("GET", "POST"),
                    headers=(("x-canary", "1"),),
                    queries=(("v", "2"),),
                    scheme="https",
                ),
            ),
        ),
        (
            "a=/a strip=/a prepend=/b rewrite=/c->/d host=x.example",
            Route(
                "a",
                Match(path="/a"),
                Actions(strip=("/a",), prepend="/b", rewrite=("/c", "/d"), host="x.example"),
            ),
        ),
        ("a rewrite=/c->/", Route("a", actions=Actions(rewrite=("/c", "")))),
        (
            "a 'set:X-A=b c' add:X-B=d remove:X-C response-set:X-D=e response-add:X-E=f response-remove:Via",
            Route(
                "a",
                actions=Actions(
                    fields=(
                        FieldAction(Verb.SET, "X-A", "b c"),
                        FieldAction(Verb.ADD, "X-B", "d"),
                        FieldAction(Verb.REMOVE, "X-C"),
                    ),
                    response_fields=(
                        FieldAction(Verb.SET, "X-D", "e"),
                        FieldAction(Verb.ADD, "X-E", "f"),
                        FieldAction(Verb.REMOVE, "Via"),
                    ),
                ),
            ),
        ),
        (
            "a redirect=301,https://$host$path",
            Route("a", actions=Actions(redirect=Redirect(301, "https://$host$path"))),
        ),
        (
            "a=/a respond='404,no such page'",
            Route("a", Match(path="/a"), Actions(respond=Response(404, "no such page"))),
        ),
        (
            "a allow=10.0.0.0/8,::1 allow=192.0.2.1 deny=10.1.0.0/16",
            Route("a", actions=Actions(allow=("10.0.0.0/8", "::1", "192.0.2.1"), deny=("10.1.0.0/16",))),
        ),
        ("a weight=20", Route("a", share=Share(20.0))),
        ("a weight=.5", None),
        ("a weight-by=cookie:user weight=0.5", Route("a", share=Share(0.5, "cookie:user"))),
        ("a weight=5 weight-by=client", Route("a", share=Share(5.0, "client"))),
    ],
)
def test_reads(text, route):
    if route is None:
        with pytest.raises(ValueError, match="expected a number"):
            parse_service(text)
    else:
        assert parse_service(text) == route


@every(
    ("text", "complaint"),
    [
        ("", "does not start with the name of a service"),
        ("=/api", "does not start with the name of a service"),
        ("/api", "does not start with the name of a service"),
        ("web=", "ends where a host or path should be"),
        ("web=strip=/a", "where a host or path should be"),
        ("web=a.example:8080", "is no host"),
        ("web=a.*.example", "is no host"),
        ("web=-a", "is no host"),
        ("web=a b/", "expected key=value"),
        ("web=bücher.example", "is no host"),
        ("web=[::1", "is no host"),
        ("web='/a b'", "is no path"),
        ("web=/café", "is no path"),
        ("web=/a?b=c", "is no path"),
        ("web=/a#b", "is no path"),
        ("web=/a\nb", "cannot be printed"),
        ("web \x1b[2J", "cannot be printed"),
        ("web 'x", "expected quotes in pairs"),
        ("web api", "expected key=value"),
        ("web =x", "expected the name of a key"),
        ("web Strip=/a", "expected the name of a key"),
        ("web strip=/a/b#c", "is no path"),
        ("web strip=/", "expected a path such as /api"),
        ("web strip=", "is no path"),
        ("web prepend=a", "is no path"),
        ("web rewrite=/a", "expected two paths"),
        ("web rewrite=/->/a", "expected a path such as /api"),
        ("web host=a/b", "is no host"),
        ("web host=a host=b", "host twice"),
        ("web policy=", "policy without a value"),
        ("web path=glob", "without a path"),
        ("web=/a path=regex", "expected one of exact, segments, prefix, glob"),
        ("web=/a path=exact path=glob", "path twice"),
        ("web method=get", "is no list of methods"),
        ("web scheme=ftp", "expected http or https"),
        ("web header:=x", "is no name of a header field"),
        ("web header:X-A=", "is no value of a header field"),
        ("web query:=x", "expected an ASCII name and value"),
        ("web set:X-A=", "is no value of a header field"),
        ("web set:Host=a", "pylb writes itself"),
        ("web remove:", "is no name of a header field"),
        ("web remove:X-A=b", "expected the name of a key"),
        ("web redirect=301,/a respond=404", "expected one of them"),
        ("web allow=", "is no network"),
        ("web weight=-1", "expected a number"),
        ("web weight-by=header", "expected client or cookie:NAME"),
        ("web " + "a" * LONGEST_ROUTE, "expected at most"),
        ("web" + " add:X-A=b" * MOST_WORDS, "expected at most"),
    ],
)
def test_refuses_in_one_line_that_states_what_is_expected(text, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        parse_service(text)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_route_without_its_service():
    assert parse_route("web", "") == Route("web")
    assert parse_route("web", "a.example/x strip=/x").match == Match(Host("a.example"), "/x")
    assert parse_route("web", "strip=/x").actions.strip == ("/x",)
    assert parse_route("web", "remove:X-A").actions.fields == (FieldAction(Verb.REMOVE, "X-A"),)
    assert parse_route("web", "/a=b", source="tag").source == "tag"
