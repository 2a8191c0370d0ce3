import asyncio
import socket
import ssl
import subprocess

import pytest
from aiohttp import web

from bench.lib.ports import free_ports
from pylb.clients import consul as client_module
from pylb.clients.consul import (
    ConsulClient,
    ConsulError,
    ConsulUnreachableError,
    kept_alive_socket,
)
from tests.clients.scripted_consul import DROP, HANG, Answer, ScriptedConsul, web_instances
from tests.registries import consul_at


@pytest.fixture
async def scripted():
    server = ScriptedConsul()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def connect(scripted):
    """Make clients of the scripted server."""
    clients = []

    def make(**settings):
        clients.append(ConsulClient(consul_at(**{"url": scripted.url, **settings})))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


async def test_instances_and_header_values_are_returned(scripted, connect):
    headers = {
        "X-Consul-LastContact": "2500",
        "X-Consul-KnownLeader": "false",
        "X-Consul-Results-Filtered-By-ACLs": "true",
    }
    scripted.then(Answer(web_instances(1), index=42, headers=headers))
    answer = await connect().service_health("web")
    assert [item["Service"]["ID"] for item in answer.items] == ["web-1"]
    assert (answer.index, answer.last_contact, answer.known_leader, answer.filtered) == (42, 2.5, False, True)


async def test_without_the_header_a_leader_is_assumed(scripted, connect):
    scripted.then(Answer(index=42))
    answer = await connect().service_health("web")
    assert (answer.last_contact, answer.known_leader, answer.filtered) == (0, True, False)


async def test_an_index_below_one_is_raised_to_one(scripted, connect):
    scripted.then(Answer(index=0))
    assert (await connect().service_health("web")).index == 1


async def test_the_query_has_all_parameters_except_passing(scripted, connect):
    scripted.then(Answer(), Answer())
    client = connect(datacenter="dc2", namespace="shop", partition="eu", consistency="stale")
    await client.service_health("web", tags=["a", "b"], index=7, wait=55.0)
    await client.service_health("web")
    common = {"dc": "dc2", "ns": "shop", "partition": "eu", "stale": ""}
    assert scripted.queries == [{**common, "tag": ["a", "b"], "index": "7", "wait": "55s"}, common]
    assert scripted.requests[0].path == "/v1/health/service/web"


async def test_unusual_names_are_encoded(scripted, connect):
    scripted.then(Answer())
    await connect(datacenter="ü 1").service_health("we b?ä%41", tags=["a+b&c=d%20"])
    assert scripted.requests[0].path == "/v1/health/service/we b?ä%41"
    assert scripted.queries == [{"tag": "a+b&c=d%20", "dc": "ü 1"}]


async def test_a_slash_in_a_name_is_encoded(scripted, connect):
    scripted.then(Answer())
    await connect().service_health("shop/web")
    assert scripted.requests[0].raw_path == "/v1/health/service/shop%2Fweb"


async def test_a_name_that_could_change_the_path_is_not_sent(scripted, connect):
    client = connect()
    for call, name in ((client.service_health, "../../agent/leave"), (client.kv.get, "../agent/leave")):
        with pytest.raises(ConsulError, match=r"'.*\.\./agent/leave' cannot be"):
            await call(name)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("settings", "call", "parameters"),
    [
        ("default", None, set()),
        ("consistent", None, {"consistent"}),
        ("stale", None, {"stale"}),
        ("stale", "default", set()),
        ("default", "consistent", {"consistent"}),
    ],
)
async def test_a_call_can_set_the_consistency(scripted, connect, settings, call, parameters):
    scripted.then(Answer())
    await connect(consistency=settings).service_health("web", consistency=call)
    assert set(scripted.queries[0]) == parameters


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=500, body=b"No cluster leader"), "answered 500 No cluster leader"),
        (Answer(status=403, body=b"Permission denied"), "403 Permission denied .*service:read"),
        (Answer(status=429, body=b"too many"), "429 too many .*http_max_conns_per_client"),
        (Answer(status=301, headers={"Location": "/ui/"}), "answered 301"),
        (Answer(body=b"<html>"), "cannot understand"),
        (Answer(body=b'{"a": 1}'), "expected a JSON array"),
        (Answer(index=None), "no X-Consul-Index"),
        (Answer(index="soon"), "cannot understand"),
    ],
)
async def test_anything_but_instances_is_an_error_and_never_data(scripted, connect, answer, words):
    scripted.then(answer)
    with pytest.raises(ConsulError, match=words) as caught:
        await connect().service_health("web")
    assert not isinstance(caught.value, ConnectionError)
    assert str(caught.value).startswith(f"Consul at {scripted.url}: ")


@pytest.mark.parametrize("step", [DROP, Answer(web_instances(1), cut=True)], ids=["dropped", "cut"])
async def test_a_broken_connection_is_an_error(scripted, connect, step):
    scripted.then(step)
    with pytest.raises(ConsulUnreachableError):
        await connect().service_health("web")


async def test_a_refused_connection_has_a_plain_message(connect):
    (port,) = free_ports(1)
    with pytest.raises(ConnectionError) as caught:
        await connect(url=f"http://127.0.0.1:{port}").service_health("web")
    assert str(caught.value) == f"Consul at http://127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize(("index", "deadline"), [(0, "0.3"), (5, "0.267")])
async def test_a_silent_server_causes_a_timeout(scripted, connect, monkeypatch, index, deadline):
    """With an index: the wait, the sixteenth of it that Consul adds at random, and some patience."""
    monkeypatch.setattr(client_module, "CALL_TIMEOUT", 0.3)
    monkeypatch.setattr(client_module, "ANSWER_TIMEOUT", 0.012)
    scripted.then(HANG)
    with pytest.raises(ConsulUnreachableError, match=f"no answer within {deadline}0* s"):
        await asyncio.wait_for(connect().service_health("web", index=index, wait=0.24), 3)


async def test_only_the_timeout_of_the_call_applies(connect):
    """aiohttp would end every call after 300 s, which is Consul's own default for a wait."""
    assert connect().http._session.timeout.total is None


async def test_calls_share_connections(scripted, connect):
    client = connect()
    scripted.then(*[Answer()] * 5)
    await asyncio.gather(*(client.service_health("web") for _ in range(5)))
    assert len(scripted.connections) == 1


async def test_the_connection_detects_a_dead_peer(scripted, connect, monkeypatch):
    sockets = []

    def remember(address):
        sockets.append(kept_alive_socket(address))
        return sockets[-1]

    monkeypatch.setattr(client_module, "kept_alive_socket", remember)
    scripted.then(Answer())
    await connect().service_health("web")
    (sock,) = sockets
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT]
    assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [15, 5, 3, 30_000]


async def test_a_token_is_sent_only_if_configured(scripted, connect, monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "from-the-environment")
    scripted.then(Answer(), Answer())
    await connect().service_health("web")
    await connect(token="from-the-settings").service_health("web")
    sent = [request.headers.get("X-Consul-Token") for request in scripted.requests]
    assert sent == [None, "from-the-settings"]


async def test_the_token_file_is_read_again_when_it_changes(scripted, connect, tmp_path):
    path = tmp_path / "token"
    path.write_text("first\n")
    client = connect(token="not-this-one", token_file=str(path))
    scripted.then(Answer(), Answer(), Answer())
    await client.service_health("web")
    path.write_text("second\n")
    await client.service_health("web")
    replacement = tmp_path / "new"
    replacement.write_text("third.\n")
    replacement.rename(path)
    await client.service_health("web")
    assert [r.headers["X-Consul-Token"] for r in scripted.requests] == ["first", "second", "third."]


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b" \n", "it is empty"), (b"\xff", "can't decode")]
)
async def test_a_missing_token_file_prevents_the_call(scripted, connect, tmp_path, content, words):
    """An anonymous query could be answered by an empty list, as if there were no instances."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConsulError, match=f"token file {path}: .*{words}"):
        await connect(token_file=str(path)).service_health("web")
    assert scripted.requests == []


async def test_basic_authentication(scripted, connect):
    scripted.then(Answer())
    await connect(consul_auth="user:pass:word").service_health("web")
    assert scripted.requests[0].headers["Authorization"] == "Basic dXNlcjpwYXNzOndvcmQ="


def test_secrets_are_not_printed():
    settings = consul_at(token="hush", consul_auth="user:hush")
    assert "hush" not in repr(settings)


async def test_calls_over_a_unix_socket(tmp_path):
    server = ScriptedConsul()
    path = tmp_path / "consul.sock"
    await server.start(lambda runner: web.UnixSite(runner, path))
    server.then(Answer(index=9))
    async with ConsulClient(consul_at(f"unix://{path}")) as client:
        assert (await client.service_health("web")).index == 9
    await server.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private CA, and what it signed: a server named consul.test and a client."""
    directory = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    for name in "consul.test", "client.test":
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / "names").write_text(f"subjectAltName=DNS:{name}")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    (directory / "authorities").mkdir()
    (directory / "authorities" / "ca.pem").write_text((directory / "ca.pem").read_text())
    openssl("rehash", "authorities")
    return directory


@pytest.fixture
async def secure(authority):
    """A server that wants a certificate from its clients and shows its own for consul.test."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority / "ca.pem")
    context.load_cert_chain(authority / "consul.test.pem", authority / "consul.test.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ScriptedConsul()
    await server.start(ssl_context=context)
    server.then(Answer(index=9))
    yield server
    await server.stop()


def secure_settings(secure, authority, **changes):
    settings = {
        "url": secure.url,
        "consul_ca": str(authority / "ca.pem"),
        "consul_cert": str(authority / "client.test.pem"),
        "consul_key": str(authority / "client.test.key"),
        "consul_tls_server_name": "consul.test",
    }
    return consul_at(**settings | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"consul_ca": "authorities"},
        {"consul_ca": None, "consul_verify": False},
        {"consul_tls_server_name": None, "consul_verify": False},
    ],
    ids=["file", "directory", "unchecked", "unchecked name"],
)
async def test_tls(secure, authority, changes):
    if changes.get("consul_ca"):
        changes = {"consul_ca": str(authority / changes["consul_ca"])}
    async with ConsulClient(secure_settings(secure, authority, **changes)) as client:
        assert (await client.service_health("web")).index == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"consul_ca": None}, "certificate verify failed"),
        ({"consul_tls_server_name": None}, "certificate verify failed"),
        ({"consul_cert": None, "consul_key": None}, "."),
    ],
    ids=["unknown authority", "other name", "no certificate"],
)
async def test_mismatching_tls_settings_are_rejected(secure, authority, changes, words):
    async with ConsulClient(secure_settings(secure, authority, **changes)) as client:
        with pytest.raises(ConsulError, match=words):
            await client.service_health("web")
    assert secure.requests == []


@pytest.mark.parametrize("file", ["consul_ca", "consul_cert", "consul_key"])
async def test_an_unreadable_tls_file_is_named(secure, authority, file):
    with pytest.raises(ConsulError, match=r"No such file or directory .*/absent\.pem"):
        ConsulClient(secure_settings(secure, authority, **{file: "/absent.pem"}))


async def test_the_rest_of_py_consul_works_on_the_same_connection(consul):
    async with ConsulClient(consul_at(consul.url)) as client:
        assert await client.kv.put("clients/consul", "x", cas=0)
        _, stored = await client.kv.get("clients/consul")
        assert stored["Value"] == b"x"
        assert await client.kv.delete("clients/consul")
        await client.agent.service.register("clients-consul", service_id="one", port=80)
        answer = await client.service_health("clients-consul")
        assert [item["Service"]["ID"] for item in answer.items] == ["one"]
        await client.agent.service.deregister("one")
