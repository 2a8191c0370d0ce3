"""A token that loses its rights, on a Consul that omits unreadable instances without a word."""

import pytest

from tests.until import until

READ = 'service_prefix "{}" {{ policy = "read" }} node_prefix "{}" {{ policy = "read" }}'
ALL = READ.format("", "")


@pytest.fixture
async def start(guarded_consul, observe):
    """Watch a service, of which an instance is registered on each of two nodes."""
    registered = []

    def register(service, number, **definition):
        node = f"{service}-host-{number}"
        guarded_consul.put(
            "catalog/register",
            {
                "Node": node,
                "Address": "127.0.0.1",
                "Service": {
                    "ID": f"{service}-{number}",
                    "Service": service,
                    "Port": 9000 + number,
                    **definition,
                },
            },
        )
        registered.append(node)

    async def watch(service, rules, **options):
        for number in (1, 2):
            register(service, number, Tags=["blue"])
        token = guarded_consul.issue(rules)
        web = await observe(guarded_consul, service, token=token["SecretID"], **options)
        web.register_on_node = lambda number, **definition: register(service, number, **definition)
        return web, token

    yield watch
    for node in registered:
        guarded_consul.put("catalog/deregister", {"Node": node})


@pytest.mark.parametrize("own_queries", [1, 0], ids=["own query", "shared queries"])
async def test_a_service_that_becomes_unreadable_keeps_its_instances(guarded_consul, start, own_queries):
    web, token = await start("rights-all", ALL, own_queries=own_queries)
    await until(lambda: web.names == {"rights-all-1", "rights-all-2"})
    guarded_consul.restrict(token, READ.format("other", ""))
    web.register_on_node(3)
    await until(lambda: web.pipeline.status.error)
    assert web.pipeline.status.error.endswith('the token lacks service:read on "rights-all"')
    assert web.names == {"rights-all-1", "rights-all-2"}
    guarded_consul.restrict(token, ALL)
    await until(lambda: web.names == {"rights-all-1", "rights-all-2", "rights-all-3"}, seconds=10)
    assert not web.pipeline.status.error
    assert all(len(snapshot.endpoints) > 1 for snapshot in web.delivered)


@pytest.mark.parametrize("own_queries", [1, 0], ids=["own query", "shared queries"])
async def test_a_node_that_becomes_unreadable_keeps_its_instance(guarded_consul, start, own_queries):
    """Others change meanwhile."""
    web, token = await start("rights-node", ALL, own_queries=own_queries)
    await until(lambda: web.names == {"rights-node-1", "rights-node-2"})
    rules = 'service_prefix "" { policy = "read" } node "rights-node-host-{}" { policy = "read" }'
    guarded_consul.restrict(token, " ".join(rules.replace("{}", n) for n in "23"))
    web.register_on_node(3)
    await until(lambda: web.names == {"rights-node-1", "rights-node-2", "rights-node-3"})
    assert web.pipeline.status.retained == 1
    assert web.pipeline.status.untrusted_reason == 'the token lacks node:read on "rights-node-host-1"'
    guarded_consul.put("catalog/deregister", {"Node": "rights-node-host-2"})
    await until(lambda: web.names == {"rights-node-1", "rights-node-3"})
    guarded_consul.put("catalog/deregister", {"Node": "rights-node-host-1"})
    web.register_on_node(4)
    await until(lambda: web.names == {"rights-node-3"})
    assert (web.pipeline.status.retained, web.pipeline.status.untrusted_reason) == (0, "")


async def test_a_deregistration_is_applied_with_acls(guarded_consul, start):
    web, _ = await start("rights-gone", ALL)
    await until(lambda: web.names == {"rights-gone-1", "rights-gone-2"})
    for number in (1, 2):
        guarded_consul.put("catalog/deregister", {"Node": f"rights-gone-host-{number}"})
    await until(lambda: web.names == set())
    assert web.pipeline.status.retained == 0


async def test_an_instance_that_loses_its_tag_is_not_hidden(guarded_consul, start):
    web, _ = await start("rights-tag", ALL, tags=["blue"])
    await until(lambda: web.names == {"rights-tag-1", "rights-tag-2"})
    web.register_on_node(1, Tags=["green"])
    await until(lambda: web.names == {"rights-tag-2"})
    assert web.pipeline.status.retained == 0


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [("", 'service:read on "rights-none"'), ('service_prefix "" { policy = "read" }', "node:read")],
)
async def test_a_token_that_never_had_the_right_leaves_the_service_unknown(start, rules, lacking):
    web, _ = await start("rights-none", rules)
    await until(lambda: web.pipeline.status.error)
    assert f"the token lacks {lacking}" in web.pipeline.status.error
    assert web.pipeline.status.pending
    assert web.delivered == []
