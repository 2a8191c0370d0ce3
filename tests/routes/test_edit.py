from pylb.config.clients import Limits
from pylb.http1.parser import parse_response
from pylb.http1.writer import response_head
from pylb.routes.actions import FieldAction, Verb
from pylb.routes.edit import RequestEdit, ResponseEdit

BLOCK = b" HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nx_a: 2\r\nX-AB: 3\r\nX-Request-ID: "


def test_set_replaces_all_spellings_of_a_field():
    edit = RequestEdit([FieldAction(Verb.SET, "X-A", "new")])
    assert edit(BLOCK, b"") == b" HTTP/1.1\r\nHost: a.example\r\nX-AB: 3\r\nX-A: new\r\nX-Request-ID: "


def test_add_keeps_and_remove_removes():
    add = RequestEdit([FieldAction(Verb.ADD, "X-A", "new"), FieldAction(Verb.ADD, "X-A", "other")])
    assert add(BLOCK, b"") == BLOCK.replace(b"X-Request", b"X-A: new\r\nX-A: other\r\nX-Request")
    remove = RequestEdit([FieldAction(Verb.REMOVE, "x-a")])
    assert remove(BLOCK, b"") == b" HTTP/1.1\r\nHost: a.example\r\nX-AB: 3\r\nX-Request-ID: "


def test_the_actions_are_applied_in_order():
    actions = [
        FieldAction(Verb.ADD, "X-B", "1"),
        FieldAction(Verb.REMOVE, "x-b"),
        FieldAction(Verb.ADD, "X-B", "2"),
    ]
    assert RequestEdit(actions)(BLOCK, b"") == BLOCK.replace(b"X-Request", b"X-B: 2\r\nX-Request")


def test_the_host_is_replaced():
    edit = RequestEdit((), "b.example:81")
    assert edit(BLOCK, b"10.0.0.1:80").startswith(b" HTTP/1.1\r\nHost: b.example:81\r\nX-A: 1\r\n")
    edit = RequestEdit((), "dst")
    for authority in (b"10.0.0.1:80", b"10.0.0.2:80"):
        assert edit(BLOCK, authority).startswith(b" HTTP/1.1\r\nHost: %b\r\nX-A: 1\r\n" % authority)


def test_a_request_without_host_receives_one():
    block = b" HTTP/1.1\r\nX-Request-ID: "
    assert RequestEdit((), "b.example")(block, b"") == b" HTTP/1.1\r\nHost: b.example\r\nX-Request-ID: "


def test_the_stripped_prefix_replaces_that_of_others():
    block = b" HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /evil\r\nX-Request-ID: "
    edited = RequestEdit((), prefix="/api")(block, b"")
    assert edited == b" HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: /api\r\nX-Request-ID: "


def test_an_edit_depends_on_nothing_but_its_arguments():
    edit = RequestEdit([FieldAction(Verb.ADD, "X-B", "1")])
    other = BLOCK.replace(b"a.example", b"b.example")
    assert edit(BLOCK, b"") == edit(BLOCK, b"")
    assert edit(other, b"") == edit(BLOCK, b"").replace(b"a.example", b"b.example")


def response(lines, start="HTTP/1.1 200 OK"):
    return parse_response(f"{start}\r\n{lines}\r\n".encode(), Limits())


def test_a_response_is_changed_and_the_shared_one_is_not():
    original = response("Server: x\r\nContent-Length: 5\r\nETag: y\r\n")
    original.cached_head = response_head(original, chunked=False, close=False, version=1)
    original.cached_block = b"the block of the original"
    edit = ResponseEdit([FieldAction(Verb.REMOVE, "server"), FieldAction(Verb.SET, "X-A", "1")])
    edited = edit(original)
    assert edited.length == 5
    assert response_head(edited, chunked=False, close=True, version=1) == (
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nETag: y\r\nConnection: close\r\n\r\n"
    )
    assert edited.cached_head == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nETag: y\r\n\r\n"
    assert edited.cached_block == b""
    assert b"Server: x" in original.cached_head
    assert edit(original) is edited


def test_a_response_that_is_not_plain_keeps_its_framing():
    original = response("Connection: close, x-b\r\nX-B: 1\r\nTransfer-Encoding: chunked\r\n")
    edited = ResponseEdit([FieldAction(Verb.ADD, "X-A", "1")])(original)
    head = response_head(edited, chunked=True, close=False, version=1)
    assert head == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (edited.chunked, edited.close, edited.clean) == (True, True, False)
