import pytest
from aiohttp import web

from pylb.tools.demo.traffic import CLIENTS, Traffic
from tests.until import until


@pytest.fixture
async def traffic(aiohttp_server):
    """Traffic to a server that answers with the status in `traffic.status`."""

    async def answer(request):
        traffic.peers.add(request.transport.get_extra_info("peername"))
        if traffic.status is None:
            request.transport.abort()
        return web.Response(status=traffic.status or 200)

    app = web.Application()
    app.router.add_get("/", answer)
    server = await aiohttp_server(app)
    traffic = Traffic(f"http://127.0.0.1:{server.port}/")
    traffic.status, traffic.peers = 200, set()
    yield traffic
    await traffic.stop()


async def test_toggle_starts_and_stops_requests(traffic):
    assert not traffic.on
    await traffic.toggle()
    assert traffic.on
    await until(lambda: traffic.sent >= 3 * CLIENTS)
    await traffic.toggle()
    assert not traffic.on
    sent = traffic.sent
    await traffic.toggle()
    await until(lambda: traffic.sent > sent)


async def test_clients_reuse_their_connections(traffic):
    traffic.start()
    await until(lambda: traffic.sent >= 4 * CLIENTS)
    await traffic.stop()
    assert len(traffic.peers) == CLIENTS
    assert traffic.failed == 0


@pytest.mark.parametrize(("status", "words"), [(503, "status 503"), (None, "a request failed: ")])
async def test_a_failure_is_counted_and_logged(traffic, status, words, caplog):
    traffic.status = status
    traffic.start()
    await until(lambda: traffic.failed)
    await traffic.stop()
    assert words in caplog.text


async def test_not_found_is_not_a_failure(traffic):
    traffic.status = 404
    traffic.start()
    await until(lambda: traffic.sent > CLIENTS)
    await traffic.stop()
    assert traffic.failed == 0


async def test_stopping_twice_has_no_effect(traffic):
    await traffic.stop()
    assert not traffic.on
