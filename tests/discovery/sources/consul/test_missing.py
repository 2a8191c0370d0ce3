from pylb.clients.consul import ConsulClient
from pylb.discovery.sources.consul.missing import INTERVAL, Missing, explain_missing
from tests.every import every
from tests.registries import consul_at


@every(
    ("known", "words"),
    [
        (set(), "Consul knows no service at all"),
        ({"http"}, "Consul knows http; did you mean http?"),
        ({"api", "wed"}, "Consul knows api, wed; did you mean wed?"),
        ({"api", "shop"}, "Consul knows api, shop"),
        ({f"s{n}" for n in range(20)}, "Consul knows s0, s1, s10, s11, s12, s13, s14, s15 and 12 more"),
        ({"web"}, ""),
    ],
)
def test_similar_services_are_named(known, words):
    assert explain_missing("web", (), known) == words


def test_missing_tags_are_the_reason():
    words = "Consul knows web, but no instance with the tags blue, new"
    assert explain_missing("web", ["blue", "new"], {"web", "api"}) == words


async def test_names_are_queried_at_intervals(scripted):
    now = 100.0
    missing = Missing("web", (), lambda: now)
    async with ConsulClient(consul_at(scripted.url)) as client:
        scripted.names = {"consul": []}
        assert await missing.explain(client) == "Consul knows no service at all"
        scripted.names = {"consul": [], "http": ["blue"]}
        assert await missing.explain(client) == "Consul knows no service at all"
        now += INTERVAL
        assert await missing.explain(client) == "Consul knows http; did you mean http?"
        await scripted.stop()
        now += INTERVAL
        assert await missing.explain(client) == "Consul knows http; did you mean http?"


async def test_known_names_need_no_query(scripted):
    async with ConsulClient(consul_at(scripted.url)) as client:
        await scripted.stop()
        assert (
            await Missing("web", ()).explain(client, frozenset({"wed"}))
            == "Consul knows wed; did you mean wed?"
        )
