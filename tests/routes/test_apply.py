import pytest

from pylb.routes.actions import Actions, Redirect
from pylb.routes.apply import Access, Answer, Location, PathEdit
from tests.every import every
from tests.routes.heads import CLIENT, PROXIED, head


def changed(path, **actions):
    return PathEdit(Actions(**actions))(path.encode())[0].decode()


@every(
    ("path", "result"),
    [
        ("/app", "/"),
        ("/app/", "/"),
        ("/app/x", "/x"),
        ("/application", "/application"),
        ("/x/app", "/x/app"),
        ("*", "*"),
    ],
)
def test_strip_removes_whole_segments(path, result):
    assert changed(path, strip=("/app",)) == result


@every(("path", "result"), [("/app", "/"), ("/app/x", "/x"), ("/application", "/lication"), ("/ap", "/ap")])
def test_strip_by_characters_as_fabio_and_traefik(path, result):
    assert changed(path, strip=("/app",), by_characters=True) == result


def test_the_first_beginning_that_fits_is_stripped_and_returned():
    edit = PathEdit(Actions(strip=("/a", "/ab"), by_characters=True))
    assert edit(b"/ab/x") == (b"/b/x", b"/a")
    assert edit(b"/x") == (b"/x", b"")


@every("path", ["/a../x", "/a.", "/a..", "/a./x"])
def test_what_becomes_a_dot_segment_is_refused(path):
    with pytest.raises(ValueError, match="not in normal form"):
        changed(path, strip=("/a",), by_characters=True)


@every(
    ("path", "rewrite", "result"),
    [
        ("/a/x", ("/a", "/b/c"), "/b/c/x"),
        ("/a", ("/a", "/b"), "/b"),
        ("/ab", ("/a", "/b"), "/ab"),
        ("/a", ("/a", ""), "/"),
        ("/a/x", ("/a", ""), "/x"),
        ("/a/", ("/a", ""), "/"),
    ],
)
def test_rewrite_replaces_whole_segments(path, rewrite, result):
    assert changed(path, rewrite=rewrite) == result


def test_strip_precedes_rewrite_and_prepend():
    assert changed("/a/b/c", strip=("/a",), rewrite=("/b", "/x"), prepend="/y") == "/y/x/c"
    assert changed("/a", strip=("/a",), prepend="/b") == "/b/"


@every(
    ("url", "target", "location"),
    [
        ("https://$host$path", "/p?q=1", "https://a.example:81/p?q=1"),
        ("https://n/base/$path", "/a/b", "https://n/base/a/b"),
        ("/docs/", "/p?q=1", "/docs/"),
        ("/x$path?y", "/p?q=1", "/x/p?y"),
        ("https://n/$host", "/p?q=1", "https://n/a.example:81"),
        ("$path", "/p", "/p"),
        ("$path", "/\\evil.example", "/%5Cevil.example"),
        ("https://$hostname:8443$path", "/p", "https://a.example:8443/p"),
    ],
)
def test_redirects(url, target, location):
    request = head(target, "a.example:81")
    path = target.partition("?")[0].encode()
    assert Location(Redirect(301, url))(request, path, b"") == Answer(301, location.encode())


def test_an_exact_hit_of_a_stripped_path_leaves_no_slash():
    location = Location(Redirect(302, "https://n/base/$path"))
    assert location(head("/old/a?b=1"), b"/a", b"/old").location == b"https://n/base/a?b=1"
    assert location(head("/old"), b"/", b"/old").location == b"https://n/base"


def test_other_methods_may_have_another_status():
    location = Location(Redirect(301, "/x", other_status=308))
    assert location(head(), b"/", b"").status == location(head(method="HEAD"), b"/", b"").status == 301
    assert location(head(method="POST"), b"/", b"").status == 308


def test_a_redirect_to_the_host_needs_one():
    with pytest.raises(ValueError, match="no Host field"):
        Location(Redirect(301, "https://$host/"))(head("/", ""), b"/", b"")


def permits(request, client=CLIENT, **actions):
    return Access(Actions(**actions)).permits(request, client)


def test_access_depends_on_the_client_as_far_as_trusted_proxies_report_it():
    def forwarded():
        return head("/", "a", "X-Forwarded-For: 198.51.100.1, 192.0.2.9")

    assert permits(head(), allow=("192.0.2.0/24",))
    assert not permits(head(), allow=("10.0.0.0/8",))
    assert not permits(head(), deny=("192.0.2.7",))
    assert permits(forwarded(), PROXIED, allow=("192.0.2.9",))
    assert not permits(forwarded(), PROXIED, deny=("192.0.2.9",))
    assert permits(forwarded(), deny=("192.0.2.9",)), "the peer is not trusted"


def test_deny_precedes_allow():
    assert not permits(head(), allow=("192.0.2.0/24",), deny=("192.0.2.7",))


def test_fabio_asks_each_address_of_the_chain_trusted_or_not():
    forwarded = head("/", "a", "X-Forwarded-For: 198.51.100.1, unknown")
    assert not permits(forwarded, allow=("192.0.2.0/24",), every_hop=True)
    assert permits(forwarded, allow=("192.0.2.0/24", "198.51.100.1"), every_hop=True)
    assert not permits(forwarded, deny=("198.51.100.0/24",), every_hop=True)
    assert not permits(forwarded, allow=("198.51.100.0/24",), every_hop=True), "nor may the peer be missing"
