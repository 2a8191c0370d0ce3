import asyncio

from bench.hotpath.grpc_client import main, summary
from bench.hotpath.grpc_origin import Connection


async def test_the_client_calls_the_origin_on_all_streams():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    async with server:
        complete, failed, p50, p99 = map(
            float, (await main(server.sockets[0].getsockname()[1], 2, 3, 0.2)).split()
        )
    assert complete > 6, "each stream carries more than one call"
    assert failed == 0
    assert 0 < p50 <= p99 < 200


def test_failed_calls_are_counted_apart():
    assert summary([0.001, 0.001, float("inf")]) == "2 1 1.000 1.000"
    assert summary([]) == "0 0 0.000 0.000"
