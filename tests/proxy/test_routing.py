"""Routes and their actions, as backends and clients see them."""

from dataclasses import replace

import pytest

from pylb.http1.headers import ClientInfo
from pylb.policy.networks import Networks
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable
from tests.environment import HOST, Environment, answers, read_request


def recording(heads, extra=b""):
    """A backend that records the heads that it receives."""

    async def handle(reader, writer):
        while head := await read_request(reader):
            heads.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n%b\r\nhello" % extra)

    return handle


async def seen(routes, target, *fields, method="GET", host="shop.example", extra=b"", context=None):
    """What a client receives and what the backend received: (status, response head, body, request head)."""
    heads = []
    async with Environment(routes=routes, context=context) as environment:
        await environment.origin(recording(heads, extra))
        client = await environment.client()
        lines = "".join(f"{field}\r\n" for field in (f"Host: {host}", *fields))
        client.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
        status, head, body = await client.answer()
        assert len(environment.records) == 1
        assert environment.records[0].status == status
        return status, head, body, heads[0] if heads else b""


@pytest.mark.parametrize(
    ("routes", "target", "forwarded"),
    [
        (["web"], "/a//b/../c?d=/../e", "/a//b/../c?d=/../e"),
        (["web=/"], "//x", "//x"),
        (["web", "web=/api"], "/a//b/../c?d=/../e", "/a/c?d=/../e"),
        (["web=/api strip=/api"], "/api", "/"),
        (["web=/api strip=/api"], "/api/x?y=1", "/x?y=1"),
        (["web=/api strip=/api"], "/x/..//%61pi/y", "/y"),
        (["web=/api strip=/api"], "/api/a%2Fb", "/a%2Fb"),
        (["web strip=/api"], "/other", "/other"),
        (["web=/se strip=/se prepend=/opt/srv"], "/se?s=1", "/opt/srv/?s=1"),
        (["web=/a rewrite=/a->/b"], "/a/x", "/b/x"),
        (["web=/api path=prefix strip=/api"], "/apix", "/x"),
    ],
)
async def test_what_is_matched_is_what_is_forwarded(routes, target, forwarded):
    status, _, _, head = await seen(routes, target)
    assert status == 200
    assert head.startswith(f"GET {forwarded} HTTP/1.1\r\n".encode())


async def test_a_stripped_path_is_reported_to_the_backend_and_a_forged_one_is_not():
    *_, head = await seen(["web=/api strip=/api", "web"], "/api/x", "X-Forwarded-Prefix: /evil")
    assert head.lower().count(b"x-forwarded-prefix") == 1
    assert b"X-Forwarded-Prefix: /api\r\n" in head
    *_, head = await seen(["web=/api strip=/api", "web"], "/x", "X-Forwarded-Prefix: /evil")
    assert b"refix" not in head


@pytest.mark.parametrize("target", ["/a../x", "/a.", "/a/%zz"])
async def test_an_ambiguous_path_is_rejected(target):
    status, _, body, head = await seen(["web=/a path=prefix strip=/a"], target)
    assert (status, head) == (400, b"")
    assert b"path" in body


async def test_the_fields_of_a_request_are_changed():
    route = "web 'set:X-A=new value' add:X-B=2 remove:Cookie"
    fields = ["X-a: old", "X_A: forged", "X-B: 1", "Cookie: secret", "Accept: */*"]
    *_, head = await seen([route], "/", *fields)
    lines = head.split(b"\r\n")
    assert lines.count(b"X-A: new value") == 1
    assert {b"X-B: 1", b"X-B: 2", b"Accept: */*", b"Host: shop.example"} <= set(lines)
    assert not [word for word in (b"forged", b"old", b"secret") if word in head]


async def test_a_body_is_forwarded_with_changed_fields():
    heads = []
    async with Environment(routes=["web=/api strip=/api set:X-A=b"]) as environment:
        await environment.origin(recording(heads))
        client = await environment.client()
        for _ in range(2):
            client.send(b"POST /api/x HTTP/1.1\r\n%bContent-Length: 3\r\n\r\nabc" % HOST)
            assert (await client.answer())[0] == 200
        client.send(b"POST /api/x HTTP/1.1\r\n%bContent-Length: 100000\r\n\r\n%b" % (HOST, b"x" * 100_000))
        assert (await client.answer())[0] == 200
    assert len(heads) == 3
    assert all(head.startswith(b"POST /x HTTP/1.1\r\n") and b"\r\nX-A: b\r\n" in head for head in heads)


async def test_the_host_for_the_backend():
    *_, head = await seen(["web host=inner.example"], "/")
    assert b"\r\nHost: inner.example\r\n" in head
    assert b"\r\nX-Forwarded-Host: shop.example\r\n" in head
    assert head.count(b"\r\nHost:") == 1
    *_, head = await seen(["web host=dst"], "/")
    assert b"\r\nHost: 127.0.0.1:" in head


async def test_the_fields_of_a_response_are_changed_also_when_it_repeats():
    async with Environment(
        routes=["web response-remove:Server response-set:X-A=1 response-add:Set-Cookie=a=b"]
    ) as environment:
        await environment.origin(
            answers(extra=b"Server: origin\r\nX-A: 2\r\nDate: now\r\nSet-Cookie: c=d\r\n")
        )
        client = await environment.client()
        for _ in range(12):
            client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
            status, head, body = await client.answer()
            assert (status, body) == (200, b"hello")
            lines = head.split(b"\r\n")
            assert lines.count(b"X-A: 1") == 1
            assert {b"Set-Cookie: a=b", b"Set-Cookie: c=d", b"Date: now"} <= set(lines)
            assert not {b"Server: origin", b"X-A: 2"} & set(lines)


@pytest.mark.parametrize(
    ("route", "target", "status", "location"),
    [
        ("web redirect=301,https://$host$path", "/a//b?c=1", 301, "https://shop.example/a/b?c=1"),
        ("web=/old strip=/old redirect=302,/new$path", "/old/x", 302, "/new/x"),
        ("web redirect=308,/docs/", "/x?y", 308, "/docs/"),
    ],
)
async def test_a_redirect(route, target, status, location):
    got, head, body, forwarded = await seen([route], target)
    assert (got, body, forwarded) == (status, b"", b"")
    assert f"\r\nLocation: {location}\r\n".encode() in head


async def test_a_redirect_to_the_own_url_is_no_loop():
    async with Environment(routes=["web=/docs/ path=prefix redirect=301,/docs/", "web"]) as environment:
        origin = await environment.origin(answers())
        assert (await environment.get("/docs/x"))[0] == 301
        assert (await environment.get("/docs/"))[0] == 200
        assert origin.connections == 1


async def test_responses_of_a_route_keep_the_connection():
    async with Environment(routes=["web", "web=/gone 'respond=410,it is gone'"]) as environment:
        await environment.origin(answers())
        client = await environment.client()
        client.send(b"GET /gone HTTP/1.1\r\n%b\r\nHEAD /gone HTTP/1.1\r\n%b\r\n" % (HOST, HOST))
        status, head, body = await client.answer()
        assert (status, body) == (410, b"it is gone")
        assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in head
        assert b"\r\nContent-Length: 10\r\n" in await client.head()
        client.send(b"GET / HTTP/1.1\r\n%b\r\n" % HOST)
        assert (await client.answer())[2] == b"hello"
        assert [record.sent for record in environment.records[:2]] == [10, 0]
        assert {record.service for record in environment.records} == {"web"}


async def test_a_request_with_a_body_that_a_route_answers_ends_the_connection():
    async with Environment(routes=["web respond=403,no"]) as environment:
        client = await environment.client()
        client.send(b"POST / HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % HOST)
        received = await client.rest()
        assert received.startswith(b"HTTP/1.1 403 ")
        assert b"Connection: close" in received
        assert received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("web allow=127.0.0.0/8", 200),
        ("web allow=10.0.0.0/8", 403),
        ("web deny=127.0.0.1", 403),
        ("web deny=10.0.0.0/8", 200),
        ("web allow=127.0.0.0/8 deny=127.0.0.1", 403),
        ("web allow=10.0.0.0/8 redirect=301,/x", 403),
    ],
)
async def test_only_clients_that_may_use_a_route_do(route, status):
    got, *_, forwarded = await seen([route], "/")
    assert got == status
    assert bool(forwarded) is (status == 200)


async def test_the_client_is_the_one_that_a_trusted_proxy_reports():
    trusted = {"trusted": Networks(["127.0.0.0/8"]), "client_info": ClientInfo}
    fields = ["X-Forwarded-For: 192.0.2.1"]
    assert (await seen(["web allow=192.0.2.1"], "/", *fields, context=trusted))[0] == 200
    assert (await seen(["web allow=192.0.2.1"], "/", *fields))[0] == 403
    assert (await seen(["web scheme=https"], "/", "X-Forwarded-Proto: https", context=trusted))[0] == 200
    assert (await seen(["web scheme=https"], "/", "X-Forwarded-Proto: https"))[0] == 404


async def test_a_request_that_no_route_takes():
    status, _, body, _ = await seen(["web=/api"], "/x")
    assert status == 404
    assert b"no service is routed here" in body


async def test_a_blocked_route_answers_with_the_reason():
    async with Environment(routes=["web"]) as environment:
        secret = replace(parse_service("web=/secret"), blocked="auth=basic is not implemented")
        await environment.origin(answers())
        environment.server.context.routes = RouteTable(
            declare([parse_service("web"), secret]), lambda _: environment.service
        )
        status, _, body = await environment.get("/secret/x")
        assert (status, b"auth=basic is not implemented" in body) == (503, True)
        assert (await environment.get("/x"))[0] == 200


async def test_an_upgrade_goes_through_a_route_with_actions():
    async def switch(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
        writer.write(await reader.readexactly(4))

    async with Environment(routes=["web=/ws strip=/ws set:X-A=b response-set:X-C=d"]) as environment:
        await environment.origin(switch)
        client = await environment.client()
        client.send(b"GET /ws/room HTTP/1.1\r\n%bConnection: Upgrade\r\nUpgrade: chat\r\n\r\n" % HOST)
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nX-C: d\r\n" in head
        client.send(b"ping")
        assert await client.rest() == b"ping"
