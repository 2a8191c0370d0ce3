from pylb.assembly.sources.static import Source
from pylb.config import Options
from pylb.discovery.status import DiscoveryStatus


async def test_a_static_list_is_one_snapshot():
    source = Source(Options(static="10.0.0.1:80,10.0.0.2:81"))
    assert source.run is None
    watch = source.provider("web", DiscoveryStatus("web")).watch()
    snapshot = await anext(watch)
    assert [endpoint.authority for endpoint in snapshot.endpoints] == ["10.0.0.1:80", "10.0.0.2:81"]
    await watch.aclose()
