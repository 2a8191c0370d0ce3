import pytest

from pylb.clients.consul import ConsulClient
from pylb.discovery.sources.consul.visibility import Visibility
from pylb.model import Endpoint
from tests.registries import consul_at

READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@pytest.fixture
async def look(guarded_consul):
    """Look with a token that has these rights."""
    clients = []

    def make(rules):
        token = guarded_consul.issue(rules)["SecretID"]
        clients.append(ConsulClient(consul_at(guarded_consul.url, token=token)))
        return Visibility(clients[-1])

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def instances(guarded_consul):
    """Two instances of a service, on a node each."""
    names = [("visible-a", "seen-1"), ("visible-b", "seen-2")]
    for node, service_id in names:
        service = {"ID": service_id, "Service": "seen", "Port": 80}
        guarded_consul.put("catalog/register", {"Node": node, "Address": "127.0.0.1", "Service": service})
    yield [Endpoint("seen", "127.0.0.1", 80, dc="dc1", node=node, id=id_) for node, id_ in names]
    for node, _ in names:
        guarded_consul.put("catalog/deregister", {"Node": node})


@pytest.mark.parametrize(
    ("rules", "hidden", "lacking"),
    [
        (READ, [], ""),
        (
            "",
            ["seen-1", "seen-2"],
            'service:read on "seen", node:read on "visible-a", node:read on "visible-b"',
        ),
        ('node_prefix "" { policy = "read" }', ["seen-1", "seen-2"], 'service:read on "seen"'),
        (
            'service "seen" { policy = "read" } node "visible-b" { policy = "read" }',
            ["seen-1"],
            'node:read on "visible-a"',
        ),
    ],
    ids=["all", "none", "nodes", "one node"],
)
async def test_unreadable_registered_instances_are_found(look, instances, rules, hidden, lacking):
    visibility = look(rules)
    found = await visibility.hidden(instances)
    assert [e.id for e in found] == hidden
    assert await visibility.missing("seen", instances) == lacking


async def test_a_removed_instance_is_not_hidden(look, instances):
    gone = Endpoint("seen", "127.0.0.1", 80, node="visible-a", id="seen-3")
    assert await look("").hidden([gone]) == ()


async def test_an_id_moved_to_another_service_is_not_hidden(look, instances):
    before = Endpoint("other", "127.0.0.1", 80, node="visible-a", id="seen-1")
    assert await look(READ).hidden([before]) == ()


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [(READ, ""), ('service "unseen" { policy = "read" }', "node:read"), ("", 'service:read on "unseen"')],
)
async def test_missing_rights_for_an_empty_service_are_named(look, rules, lacking):
    assert await look(rules).missing("unseen") == lacking


async def test_without_acls_consul_is_queried_once(scripted):
    async with ConsulClient(consul_at(scripted.url)) as client:
        visibility = Visibility(client)
        gone = Endpoint("web", "127.0.0.1", 80, node="n1", id="web-1")
        assert await visibility.hidden([gone]) == ()
        assert await visibility.hidden([gone]) == ()
        assert await visibility.missing("web") == ""
    assert (scripted.asked_rights, scripted.queries) == (1, [])
