import pytest

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_acl import BATCH, ConsulAcl, Right
from tests.clients.scripted_consul import Answer, ScriptedConsul
from tests.registries import consul_at

READ = 'service_prefix "acl-" { policy = "read" } node_prefix "" { policy = "read" }'


@pytest.fixture
def registered(guarded_consul):
    """The node of an agent with one instance of `acl-web`, whose id is `acl-web-1`."""
    guarded_consul.put("agent/service/register", {"ID": "acl-web-1", "Name": "acl-web", "Port": 80})
    yield guarded_consul
    guarded_consul.put("agent/service/deregister/acl-web-1")


@pytest.fixture
async def acl(registered):
    """Evaluate rights as a token that has these."""
    clients = []

    def make(rules):
        token = registered.issue(rules)["SecretID"]
        clients.append(ConsulClient(consul_at(registered.url, token=token)))
        return ConsulAcl(clients[-1])

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def node(registered):
    async with ConsulClient(consul_at(registered.url, token="root")) as client:
        return (await client.service_health("acl-web")).items[0]["Node"]["Node"]


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [
        (READ, []),
        ('service "acl-web" { policy = "read" }', ['node:read on "n1"']),
        ('node "n1" { policy = "read" }', ['service:read on "acl-web"']),
        ("", ['service:read on "acl-web"', 'node:read on "n1"']),
    ],
)
async def test_missing_rights_are_named(acl, rules, lacking):
    denied = await acl(rules).denied([Right("service", "acl-web"), Right("node", "n1")])
    assert [str(right) for right in denied] == lacking


async def test_many_rights_are_evaluated_in_several_calls(acl):
    denied = await acl('node "n7" { policy = "read" }').denied([Right("node", f"n{n}") for n in range(150)])
    assert [right.name for right in denied] == [f"n{n}" for n in range(150) if n != 7]


@pytest.mark.parametrize(("rules", "services"), [(READ, {"acl-web-1": "acl-web"}), ("", {})])
async def test_a_registered_instance_is_found_without_read_rights(acl, node, rules, services):
    here = ("dc1", node, "acl-web-1")
    found = await acl(rules).look_up([("dc1", node, f"gone-{n}") for n in range(BATCH)] + [here])
    assert (found.registered, found.services) == ({here}, services)


async def test_without_acls_there_is_nothing_to_evaluate(consul):
    async with ConsulClient(consul_at(consul.url)) as client:
        assert await ConsulAcl(client).denied([Right("service", "web")]) is None


async def test_a_rejected_token_is_an_error(guarded_consul):
    settings = consul_at(guarded_consul.url, token="unknown")
    async with ConsulClient(settings) as client:
        with pytest.raises(ConsulError, match="answered 403 ACL not found"):
            await ConsulAcl(client).denied([Right("service", "web")])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(status=500, body=b"No cluster leader"), "answered 500 No cluster leader to a transaction"),
        (Answer(body=b'{"Results": [{}]}'), "expected the results of a transaction"),
        (Answer(body=b"nonsense"), "expected the results of a transaction"),
        (Answer(status=409, body=b'{"Errors": [{}]}'), "expected the errors of a transaction"),
        (Answer(status=409, body=b'{"Errors": []}'), "refused a transaction"),
    ],
)
async def test_an_invalid_response_raises_an_error(answer, words):
    server = ScriptedConsul()
    await server.start()
    server.then(answer)
    async with ConsulClient(consul_at(server.url)) as client:
        with pytest.raises(ConsulError, match=words):
            await ConsulAcl(client).look_up([("dc1", "n1", "web-1")])
    await server.stop()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_registry_without_the_endpoint_is_an_error(status):
    server = ScriptedConsul()
    await server.start()
    server.then(Answer(status=status))
    async with ConsulClient(consul_at(server.url, datacenter="dc2")) as client:
        assert await ConsulAcl(client).look_up([("dc1", "n1", "web-1")]) is None
    assert server.queries == [{"dc": "dc2"}]
    await server.stop()
