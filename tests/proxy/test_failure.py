"""A request that fails in any handler is recorded once and rejected."""

import pytest

from pylb.errors import Fault, Phase, ProxyError
from tests.environment import HOST, Environment, answers

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


async def broken(*_):
    raise ValueError("a defect, made on purpose")


async def refusing(*_):
    raise ProxyError(Phase.REQUEST, Fault.POLICY, "not on Sundays", status=403)


async def begins(client, request, record):
    client.answer(record, request, 308, b"")
    raise ValueError("a defect, made on purpose")


def serve_with(monkeypatch, environment, handler):
    monkeypatch.setattr(environment.server, "_choose_handler", lambda *_: handler)


@pytest.mark.logs_error("a defect ended a request")
async def test_a_defect_of_a_handler_is_answered_500_and_leaves_one_record(monkeypatch):
    async with Environment() as environment:
        serve_with(monkeypatch, environment, broken)
        assert (await environment.get())[0] == 500
        (record,) = environment.records
        assert (record.status, record.termination, record.detail) == (500, "IQ", "a defect of pylb")
        assert record.request.target == b"/"
        assert record.finished >= record.started


async def test_a_rejection_by_a_handler_has_its_own_status(monkeypatch):
    async with Environment() as environment:
        serve_with(monkeypatch, environment, refusing)
        status, _, body = await environment.get()
        assert (status, b"not on Sundays" in body) == (403, True)
        assert [(record.status, record.termination) for record in environment.records] == [(403, "PR")]


@pytest.mark.logs_error("a defect ended a request")
async def test_a_defect_after_the_response_resets_the_connection(monkeypatch):
    async with Environment() as environment:
        serve_with(monkeypatch, environment, begins)
        client = (await environment.client()).send(GET)
        await client.head()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        assert [(record.status, record.termination) for record in environment.records] == [(308, "ID")]


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/9.9\r\n\r\n"]
)
@pytest.mark.parametrize("context", [{}, {"redirect_port": 443}])
async def test_a_head_that_cannot_be_parsed_reaches_no_handler(head, context):
    async with Environment(context=context) as environment:
        origin = await environment.origin(answers())
        client = (await environment.client()).send(head)
        assert int((await client.head()).split()[1]) in {400, 505}
        assert [record.termination for record in environment.records] == ["PR"]
        assert environment.records[0].request is None
        assert origin.connections == 0
