import asyncio

import pytest
from aiohttp import web

from pylb.admin.access import Access, is_loopback, read_token, secure
from pylb.errors import UsageError


@pytest.fixture
def port(aiohttp_client):
    """An admin port with this access control."""

    async def serve(**access):
        async def handle(_):
            return web.Response(text="done")

        app = web.Application(middlewares=[Access(**access).middleware])
        app.on_response_prepare.append(secure)
        app.router.add_route("*", "/", handle)
        return await aiohttp_client(app)

    return serve


@pytest.mark.parametrize("host", ["localhost", "localhost:8081", "127.0.0.1:8081", "127.1.2.3", "[::1]:8081"])
async def test_loopback_clients_can_read_and_change(port, host):
    client = await port()
    assert (await client.post("/", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8081", "localhost.evil.example", "10.0.0.1"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_dns_rebinding_is_rejected(port, host, method):
    client = await port(token="secret")
    headers = {"Host": host, "Authorization": "Bearer secret"}
    assert (await client.request(method, "/", headers=headers)).status == 421


async def test_a_host_with_a_user_is_rejected(port):
    client = await port()
    assert (await client.get("/", headers={"Host": "evil.example@127.0.0.1"})).status == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"])
async def test_cross_site_changes_are_rejected(port, origin):
    client = await port()
    assert (await client.post("/", headers={"Origin": origin})).status == 403


async def test_changes_by_the_dashboard_are_accepted(port):
    client = await port()
    origin = f"http://{client.host}:{client.port}"
    assert (await client.post("/", headers={"Origin": origin})).status == 200


async def test_without_loopback_changes_need_a_token(port):
    client = await port(loopback=False)
    headers = {"Host": "pylb.example"}
    assert (await client.get("/", headers=headers)).status == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await client.request(method, "/", headers=headers)
        assert answer.status == 403
        assert "--admin-token" in (await answer.json())["error"]


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", "Basic secret", "Bearer secret2", "Bearer sécret"]
)
async def test_a_configured_token_is_required_for_changes(port, loopback, given):
    client = await port(loopback=loopback, token="secret")
    answer = await client.post("/", headers={"Authorization": given} if given else {})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await client.post("/", headers={"Authorization": "Bearer secret"})).status == 200


async def test_every_response_has_the_security_headers(port):
    client = await port()
    for headers in ({}, {"Host": "evil.example"}):
        answer = await client.get("/", headers=headers)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Set-Cookie" not in answer.headers


def test_the_token_is_read_from_a_file(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    assert read_token("other", str(tmp_path / "token")) == "secret"
    assert read_token("other", None) == "other"
    assert read_token(None, None) == ""


def test_an_empty_token_file_is_an_error(tmp_path):
    (tmp_path / "token").write_text("\n")
    with pytest.raises(UsageError, match="token is empty, expected a token in it"):
        read_token(None, str(tmp_path / "token"))


async def test_a_request_without_host_is_accepted(port):
    client = await port()
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.0 200")
    writer.close()


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("x", False)]
)
def test_loopback_names_and_addresses(host, loopback):
    assert is_loopback(host) is loopback
