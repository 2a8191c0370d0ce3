import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.routes.expression import LONGEST, MOST_PATHS, Template, at_start, compile_expression
from tests.every import every


def lines(text):
    return text.split()


IN_USE = lines(r"""
^http://[^/]+/(.*)
^https://www\.a\.io/(.*)
^https?://a.io/(.*)
^https://(a\.io|b\.io)(.*)
^https?://a\.b\.io/$
^https?://www\.(.+)
^https?://a\.((?:b\.io|c\.b\.io))(.*)$
^https://a\.io:8443/?$
https://(.*)/.well-known/(card|cal)dav
^(http|https)?://(?:www\.)?(.+)
^https?://([^/]+)/?$
^https://([^/]+)/app$
.*config\.php.*
^(https?://[^/]+/[a-z0-9_]+)$
^https?:\/\/x\.a\.(rocks|net)(.*)
.*
^http://www\.(.*)
a\.io/(.*)
^https?://a\.io/api/us$
^https://(.*)/.well-known/(?:card|cal)dav
^/api($|/.*)
^/kroki(.*)
^/(.+)$
^/.well-known/ca(l|rd)dav
^(.*)/\.ghost/analytics(.*)$
^/\.waf/(.*)
^/api/us/?$
^/\+\+api\+\+($|/.*)
^\/auth\/$
^/api/v1/app-name/(api/v1/)?(.*)
^/dashboard$
^/api/(.*)
^/x/0f8a
^/[^/]+/base
^/pagefind/.*\.wasm$
^/$
/upload/.*
^/outpost/[^/]+/(auth|traefik)$
^/_matrix/client/([^/]+)/(login|logout|refresh)
^/_matrix/client/.*/(login|logout|refresh)$
^/.*$
^/base(?:/.*)?$
^/_matrix/client/(r0|v3|v1|unstable)/(login|logout|refresh)
^/some/path(/|$)
^.*/voip/turnServer$
^(?:/[^/]+/Bye)$
^/_matrix/client/(.*)/(login|logout|refresh)
^\/s\/(?:[A-Z,a-z,0-9]){15}$
^[^.]+\.a\.localhost$
^[a-z0-9-]+\.a\.org$
^[a-z0-9-]+-staging\.sites\.a\.app$
^my_cool_app\..+$
^.+\.a\.io$
mail.a.(zip|kiwi)
^[a-zA-Z0-9-]+\.wild\.a\.ca\z
""")
"""Expressions of labels in public repositories, with neutral names."""

REFUSED_IN_USE = lines(r"""
^\S*?a\.io(\S*)$
^/[a-z]+(/.+)*
/users/[0-9]+/profile
^(?:/(?:echo\..*)/(?:[^/]+))$
^a--[a-z0-9]+(?:-[a-z0-9]+)*--b\.localhost$
^.*\.*a\.io$
^(?!demo\.)[a-z]+
[a-z]+\.a\.io
""")
"""Of the same origin: those that are refused."""

ACCEPTED = [*IN_USE, r"^/[\w.-]{1,20}/\d{4}$", r"\.(css|js)$", r"^/a|^/b", "", r"[]a]", "a.*$", "^(?:a){3}"]


@every("text", ACCEPTED)
def test_expressions_of_real_deployments(text):
    compile_expression(text, at_start=at_start(text))


@every("text", REFUSED_IN_USE)
def test_expressions_of_real_deployments_that_may_take_longer(text):
    with pytest.raises(ValueError, match="the expression"):
        compile_expression(text)


@every(
    ("text", "reason"),
    [
        (r"^(a+)+$", "repeats a group"),
        (r"^(a|b)*$", "repeats a group"),
        (r"^.*a.*b", "quadratic"),
        (r"^.*a[^b]*b", "quadratic"),
        (r"^a*a*$", "quadratic"),
        (r"^[a-z]*[a-c]{2,5}x$", "quadratic"),
        (r"/[0-9]+/x", "no ^ at its beginning"),
        (r"(^a|b+c)", "no ^ at its beginning"),
        (r"^a*?", "quantifier on a quantifier"),
        (r"^a++", "quantifier on a quantifier"),
        (r"(?i)a", "a group of a kind that is not implemented"),
        (r"^(?!a)b", "a group of a kind that is not implemented"),
        (r"^(?P<n>a)", "a group of a kind that is not implemented"),
        (r"\bx", r"the escape \b"),
        (r"\1", r"the escape \1"),
        ("a\\", "the escape"),
        (r"a^b", "in its middle"),
        (r"a$b", "in its middle"),
        ("(", "a ( without a )"),
        (")", "a ) without a ("),
        ("[a", "a [ without a ]"),
        ("[[:alpha:]]", "named class"),
        ("[b-a]", "a range"),
        (r"[\d-z]", "a range"),
        (r"[^\d\D]", "a set without characters"),
        ("*a", "follows nothing"),
        ("{host:.+}", "follows nothing"),
        ("a{65}", "expected at most 64"),
        ("a{3,2}", "expected at most 64"),
        ("^$*", "repeats a group, which"),
        ("(a|b)" * 5, f"more than {MOST_PATHS} combinations"),
        ("(" * 20 + ")" * 20, "nested too deeply"),
        ("a" * (LONGEST + 1), "expected an expression of at most"),
        ("é", "ASCII"),
        ("a\n", "ASCII"),
    ],
)
def test_expressions_that_are_refused(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        compile_expression(text)
    assert "\n" not in str(refused.value)


@every(
    ("pattern", "template", "text", "expected"),
    [
        (r"^/a(.*)", "/b$1", "/a/x", "/b/x"),
        (r"^/a(.*)", "/b${1}c", "/a/x", "/b/xc"),
        (r"^/a(x)?", "$1-$$", "/a", "-$"),
        (r"^/a", "/b", "/x/a", None),
        (r"a", "b", "xaxa", "xbxb"),
        (r"^a|b", "c", "aab", "cac"),
        (r"(a|ab)(c|bcd)", "$1,$2", "abcd", "a,bcd"),
        (r".*", "https://a/b", "http://x/y", "https://a/b"),
    ],
)
def test_a_match_is_replaced(pattern, template, text, expected):
    expression = compile_expression(pattern)
    found = expression.replace(text.encode(), Template(template, expression.groups))
    assert found == (None if expected is None else expected.encode())


@every("text", ["$1x", "${name}", "$2", "$é"])
def test_a_template_names_groups_that_exist(text):
    with pytest.raises(ValueError, match="expected one of 1"):
        Template(text, 1)


def test_an_expression_at_the_start_of_a_url():
    expression = compile_expression("https://(.*)/dav", at_start=True)
    assert not expression.matches(b"http://a/https://b/dav")
    assert expression.matches(b"https://b/dav")


PIECES = st.sampled_from([
    "a", "b", "ab", "/", ".", "[ab]", "[^a]", "[^/]", r"\w", r"\.", "(a|b)", "(?:a)", "(a|ab)", "(/|$)", "()",
    "*", "+", "?", "{2}", "{1,3}", "^", "$", "|", "(", ")", "[a-c]+", ".*", ".+", "[^/]+", "a*", "(.*)",
])  # fmt: skip
PATTERNS = st.lists(PIECES, max_size=8).map("".join)
TEXTS = st.lists(st.sampled_from(["a", "b", "ab", "/", ".", "c"]), max_size=10).map("".join)


def accepted(pattern):
    try:
        return compile_expression(pattern)
    except ValueError:
        return None


@given(PATTERNS, st.lists(TEXTS, max_size=6))
def test_what_is_accepted_matches_as_in_re(pattern, texts):
    expression = accepted(pattern)
    if expression is None:
        return
    reference = re.compile(pattern.replace("$", r"\Z").encode())
    for text in texts:
        found = reference.search(text.encode())
        assert expression.matches(text.encode()) is (found is not None)
        assert found is None or (text.startswith(expression.prefix) and text.endswith(expression.suffix))
        if found is not None and reference.groups:
            template = Template("<$1>", expression.groups)
            assert expression.replace(text.encode(), template).startswith(
                text.encode()[: found.start()] + b"<" + (found[1] or b"") + b">"
            )


LONG = [text * (30_000 // len(text)) for text in ("a", "ab", "a/", "/", "a.", "/aab")]


@given(PATTERNS)
def test_what_is_accepted_takes_linear_time(pattern):
    expression = accepted(pattern)
    if expression is None:
        return
    for text in LONG:
        for end in ("", "c", "/"):
            started = process_time()
            expression.matches((text + end).encode())
            assert process_time() - started < 0.25, pattern


@given(st.text(max_size=40) | PATTERNS)
def test_each_text_is_accepted_or_refused_with_one_line(text):
    refused = ""
    try:
        compile_expression(text)
    except ValueError as error:
        refused = str(error)
    assert refused.isprintable()
    assert len(refused) < 400


@every(
    ("pattern", "prefix", "suffix"),
    [
        (r"^/a/b", "/a/b", ""),
        (r"^/a{2}b*c", "/aa", ""),
        (r"^/a?b", "/", ""),
        (r"^x+\.a\.io$", "", ".a.io"),
        (r"^/a(b)$", "/a", ""),
        (r"/a$", "", "/a"),
        (r"^/a|^/b", "", ""),
        (r"^/abc$", "/abc", "/abc"),
    ],
)
def test_what_all_texts_begin_and_end_with(pattern, prefix, suffix):
    expression = compile_expression(pattern)
    assert (expression.prefix, expression.suffix) == (prefix, suffix)
