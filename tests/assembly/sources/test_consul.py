from aiohttp import web

from pylb.assembly.sources.consul import Source
from pylb.config import Options
from pylb.config.parse import parse
from pylb.discovery.status import DiscoveryStatus


async def test_the_zone_is_that_of_the_agents_node(aiohttp_server):
    async def handle(request):
        return web.json_response({"Meta": metas.pop(0)})

    metas = [{"zone": "east-1"}, {}, None]
    app = web.Application()
    app.router.add_get("/v1/agent/self", handle)
    port = (await aiohttp_server(app)).port
    source = Source(parse(Options, ["--consul", f"127.0.0.1:{port}", "--service", "web"], {}))
    try:
        assert [await source.zone() for _ in range(3)] == ["east-1", "", ""]
    finally:
        await source._feed.close()


def test_the_provider_has_the_options():
    arguments = ["--consul", "consul:8500", "--service", "web", "--datacenter", "paris", "--token", "secret"]
    made = Source(parse(Options, arguments, {})).provider("web", DiscoveryStatus("web"))
    assert (made.settings.datacenter, made.settings.token) == ("paris", "secret")
    assert str(made.settings.consul_url) == "http://consul:8500"
