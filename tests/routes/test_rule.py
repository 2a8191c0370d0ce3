from time import process_time

import pytest

from pylb.routes.match import Host, Labels, Match, PathKind
from pylb.routes.traefik.rule import Clause, read_rule
from tests.every import every


def matches(rule):
    return [clause.match for clause in read_rule(rule)]


@every(
    ("rule", "expected"),
    [
        ("Host(`a`)", [Match(Host("a"))]),
        ("Host(`*`)", [Match()]),
        ("Host(`*.A.io`)", [Match(Host("a.io", Labels.ONE))]),
        ('HOST("a")', [Match(Host("a"))]),
        (r'Path("/\x61\"")', [Match(path='/a"', kind=PathKind.EXACT)]),
        ("Method(`get`)||Method(`PUT`)", [Match(methods=("GET",)), Match(methods=("PUT",))]),
        ("Method(`GET`) && Method(`PUT`)", []),
        ("Host(`a`) && Host(`*.x`)", []),
        ("Host(`a.x`) && Host(`*.x`)", [Match(Host("a.x"))]),
        ("PathPrefix(`/a`) && PathPrefix(`/a/b`)", [Match(path="/a/b", kind=PathKind.PREFIX)]),
        ("PathPrefix(`/a`) && Path(`/ab`)", [Match(path="/ab", kind=PathKind.EXACT)]),
        ("PathPrefix(`/a`) && Path(`/b`)", []),
        ("Query(`v`) && Query(`w`,`1`)", [Match(queries=(("v", ""), ("w", "1")))]),
        (
            "Host(`a`) && (Path(`/x`) || Path(`/y`))",
            [Match(Host("a"), "/x", PathKind.EXACT), Match(Host("a"), "/y", PathKind.EXACT)],
        ),
        (
            r"HostRegexp(`^[a-z]+\.a\.io$`) && PathRegexp(`^/x`)",
            [
                Match(
                    Host("a.io", Labels.ANY),
                    "/x",
                    PathKind.PREFIX,
                    patterns=(("host", r"^[a-z]+\.a\.io$"), ("path", "^/x")),
                )
            ],
        ),
        (r"HostRegexp(`^x+\.a\.io$`) && Host(`b.io`)", []),
        (
            r"HostRegexp(`^x+\.a\.io$`) && Host(`x.a.io`)",
            [Match(Host("x.a.io"), patterns=(("host", r"^x+\.a\.io$"),))],
        ),
        (
            r"HostRegexp(`^x+\.a\.io$`) && HostRegexp(`y\.b\.a\.io$`)",
            [
                Match(
                    Host("b.a.io", Labels.ANY), patterns=(("host", r"^x+\.a\.io$"), ("host", r"y\.b\.a\.io$"))
                )
            ],
        ),
        (
            r"HostRegexp(`^a`) && PathRegexp(`^/.`)",
            [Match(path="/", kind=PathKind.PREFIX, patterns=(("host", "^a"), ("path", "^/.")))],
        ),
        (r"PathRegexp(`^/x/y`) && PathPrefix(`/z`)", []),
        (r"PathRegexp(`^/a/\./b`)", [Match(patterns=(("path", r"^/a/\./b"),))]),
        (
            "!(Host(`a`) || Host(`b`))",
            [Match(excludes=(Match(Host("a")), Match(Host("b"))))],
        ),
    ],
)
def test_rules(rule, expected):
    assert matches(rule) == expected


@every(
    ("rule", "complaint"),
    [
        ("", "'the end' was not expected"),
        ("Host('a')", "was not expected in a rule"),
        ("Host(`a`", "'the end' was not expected in a rule, but ,"),
        ("Host(`a`) &&", "but a matcher such as Host"),
        ("Host(`a`) Host(`b`)", "but its end"),
        ("Host()", "Host without a value"),
        ("Host(``)", "Host without a value"),
        ("Host(a)", "but a text in"),
        ("Header(`a`)", "Header with 1 values, expected 2"),
        ("PathPREFIX(`/a`)", "is no matcher"),
        ("Path(`a`)", "is no path"),
        ("Path(`/a/../b`)", "is not in normal form"),
        ("Host(`a:80`)", "which no request matches in Traefik"),
        ("Host(`\u00e9`)", "is no host"),
        ("Header(`X`,`a\u00e9`)", "is no value of a header field"),
        (r'Host("\q")', "is no escape"),
        ("(" * 30 + "Host(`a`)" + ")" * 30, "nested too deeply"),
        ("||".join(["Host(`a`)"] * 65), "more than 64 alternatives"),
        ("a" * 2049, "expected at most 2048"),
        ("!" * 500, "was not expected in a rule"),
    ],
)
def test_what_is_no_rule(rule, complaint):
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(")) as caught:
        read_rule(rule)
    assert "\n" not in str(caught.value)


def test_a_rule_that_multiplies_its_alternatives_is_refused_early():
    rule = " && ".join(f"(Header(`A`,`{n}`) || Header(`B`,`{n}`))" for n in range(20))
    started = process_time()
    with pytest.raises(ValueError, match="more than 64 alternatives"):
        read_rule(rule)
    assert process_time() - started < 0.5


@every(
    ("rule", "match", "reason"),
    [
        ("Host(`a`) && ClientIP(`10.0.0.0/8`)", Match(Host("a")), "ClientIP is not implemented"),
        ("Host(`a`) && !HeaderRegexp(`x`,`y`)", Match(Host("a")), "HeaderRegexp is not implemented"),
        ("QueryRegexp(`x`,`y`)", Match(), "QueryRegexp is not implemented"),
        (
            "Host(`a`) && PathRegexp(`(a+)+`)",
            Match(Host("a")),
            "PathRegexp: the expression '(a+)+' repeats a group, which is not implemented",
        ),
    ],
)
def test_a_matcher_that_is_missing_blocks_all_that_the_rest_of_the_clause_matches(rule, match, reason):
    assert read_rule(rule) == [Clause(match, reason)]


@every("argument", ["`{sub:.+}.a.io`", "`{host}`", "`a.io`, `{sub:[a-z]+}.a.io`"])
def test_a_host_expression_of_traefik_2_is_blocked(argument):
    [clause] = read_rule(f"HostRegexp({argument})")
    assert clause.match == Match()
    assert "the syntax of Traefik 2" in clause.blocked
