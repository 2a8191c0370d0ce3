"""`X-Pylb-Explain`: its content for permitted clients, and nothing for others."""

import json
from dataclasses import replace

import pytest

from pylb.model import Excluded, PoolState
from pylb.policy.balance import BALANCERS
from pylb.policy.networks import Networks
from tests.environment import HOST, Environment, answers, read_request

LOOPBACK = {"explain_to": Networks(["127.0.0.0/8"])}
ASKING = b"X-Pylb-Explain: 1\r\n"


def debug_fields(head):
    (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"x-pylb-explain:")]
    return json.loads(line.partition(b":")[2])


async def refusing(reader, writer):
    """A backend that reads a request and closes the connection."""
    await read_request(reader)
    writer.close()


async def test_the_header_has_candidates_exclusions_the_choice_and_attempts():
    async with Environment(context=LOOPBACK) as environment:
        broken = await environment.origin(refusing)
        well = await environment.origin(answers(b"well"))
        out = Excluded(replace(well.endpoint, id="wéb-3", port=1), "critical: refused")
        environment.server.apply(PoolState("web", (broken.endpoint, well.endpoint), (out,), generation=7))
        story = {"attempts": []}
        while len(story["attempts"]) < 2:  # Whose turn is first is nobody's choice.
            status, head, body = await environment.get(extra=ASKING)
            assert (status, body) == (200, b"well")
            story = debug_fields(head)
        assert (story["service"], story["policy"], story["generation"]) == ("web", "round-robin", 7)
        assert [c["id"] for c in story["candidates"]] == ["web-1", "web-2"]
        assert story["excluded"] == [{"id": "wéb-3", "address": "127.0.0.1:1", "reason": "critical: refused"}]
        assert story["winner"] == well.endpoint.authority
        first, second = story["attempts"]
        assert (first["backend"], first["error"]) == (broken.endpoint.authority, "SH")
        assert (second["status"], second["error"]) == (200, None)
        assert 0 <= second["connect_ms"] <= second["head_ms"] <= story["after_ms"]

        _, head, _ = await environment.get(extra=ASKING)
        (suspect,) = [e for e in debug_fields(head)["excluded"] if e["id"] == "web-1"]
        assert suspect["reason"].startswith("consecutive failures: 1; suspect for")


async def test_the_header_has_the_reason_for_an_error():
    async with Environment(context=LOOPBACK) as environment:
        environment.register()
        status, head, _ = await environment.get(extra=ASKING)
        assert status == 503
        assert (debug_fields(head)["winner"], debug_fields(head)["candidates"]) == (None, [])
        assert "lists no instance" in debug_fields(head)["detail"]


@pytest.mark.parametrize(
    ("context", "extra"), [(LOOPBACK, b""), ({"explain_to": Networks(["10.0.0.0/8"])}, ASKING), ({}, ASKING)]
)
async def test_other_clients_receive_no_debug_header(context, extra):
    async with Environment(context=context) as environment:
        await environment.origin(answers())
        _, head, _ = await environment.get(extra=extra)
        assert b"x-pylb-explain" not in head.lower()


async def test_the_field_is_added_per_request_and_a_head_that_cannot_be_read_has_no_handler():
    async with Environment(context=LOOPBACK) as environment:
        await environment.origin(answers())
        client = await environment.client()
        for extra in (ASKING, b"", ASKING):
            client.send(b"GET / HTTP/1.1\r\n%b%b\r\n" % (HOST, extra))
            _, head, _ = await client.answer()
            assert (b"X-Pylb-Explain" in head) == bool(extra)
        client.send(b"GET / HTTP/1.1\r\n%b%bHost: b\r\n\r\n" % (HOST, ASKING))
        status, head, _ = await client.answer()
        assert (status, b"X-Pylb-Explain" in head) == (400, False)


async def test_of_many_instances_some_are_named_and_the_others_counted():
    async with Environment(context=LOOPBACK) as environment:
        origin = await environment.origin(answers())
        environment.register(*(replace(origin.endpoint, id=f"web-{n}") for n in range(100)))
        _, head, _ = await environment.get(extra=ASKING)
        assert (len(debug_fields(head)["candidates"]), debug_fields(head)["more_candidates"]) == (20, 80)


@pytest.mark.parametrize("policy", BALANCERS)
async def test_the_header_names_the_actual_backend(policy):
    async with Environment(context=LOOPBACK) as environment:
        for number in range(1, 4):
            await environment.origin(answers(b"%d" % number))
        names = {o.endpoint.authority: b"%d" % n for n, o in enumerate(environment.origins, 1)}
        environment.server.apply(
            PoolState("web", tuple(o.endpoint for o in environment.origins), policy=policy)
        )
        client = await environment.client()
        for _ in range(50):
            _, head, body = await client.send(b"GET / HTTP/1.1\r\n%b%b\r\n" % (HOST, ASKING)).answer()
            assert names[debug_fields(head)["winner"]] == body
