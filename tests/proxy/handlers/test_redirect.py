"""From the plain port to the TLS port."""

import pytest

from pylb.policy.networks import Networks
from tests.environment import HOST, Environment, answers
from tests.until import until


@pytest.mark.parametrize(
    ("port", "host", "location"),
    [
        (443, b"shop.example", b"https://shop.example/a?b=c"),
        (443, b"shop.example:8080", b"https://shop.example/a?b=c"),
        (8443, b"[2001:db8::1]:80", b"https://[2001:db8::1]:8443/a?b=c"),
    ],
)
async def test_a_plain_request_is_redirected_to_tls(port, host, location):
    async with Environment(context={"redirect_port": port}) as environment:
        origin = await environment.origin(answers(b"hello"))
        client = await environment.client()
        for _ in range(2):
            status, head, _ = await client.send(
                b"GET /a?b=c HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
            ).answer()
            assert status == 308
            assert b"\r\nLocation: " + location + b"\r\n" in head
        assert origin.connections == 0
        assert [(record.status, record.termination) for record in environment.records] == [(308, "--")] * 2


async def test_a_body_is_not_read_and_the_connection_ends():
    async with Environment(context={"redirect_port": 443}, linger_silence=0.3) as environment:
        client = (await environment.client()).send(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nnothing"
        )
        status, head, _ = await client.answer()
        assert (status, b"\r\nConnection: close\r\n" in head) == (308, True)
        assert await client.rest() == b""


async def test_a_request_over_tls_to_a_trusted_peer_is_served():
    async with Environment(context={"redirect_port": 443, "trusted": Networks(["127.0.0.1"])}) as environment:
        await environment.origin(answers(b"hello"))
        assert (await environment.get(extra=b"X-Forwarded-Proto: https\r\n"))[0] == 200
        assert (await environment.get(extra=b"Forwarded: for=203.0.113.9;proto=https\r\n"))[0] == 200
        assert (await environment.get())[0] == 308
        assert len(environment.records) == 3


async def test_an_invalid_request_is_rejected_before_the_redirect():
    async with Environment(context={"redirect_port": 443}) as environment:
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await client.answer())[0] == 400
        assert [(record.status, record.termination) for record in environment.records] == [(400, "PR")]


async def test_pipelined_requests_do_not_delay_another_client():
    async with Environment(context={"redirect_port": 443}) as environment:
        greedy, other = await environment.client(), await environment.client()
        request = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
        greedy.send(request * 5000)
        await until(lambda: environment.records)
        assert (await other.send(request).answer())[0] == 308
        assert len(environment.records) < 5000
        for _ in range(5000):
            assert (await greedy.answer())[0] == 308
