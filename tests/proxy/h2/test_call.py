"""Calls of gRPC that pylb could not serve: the client receives a code in place of a status."""

import asyncio
import re
from dataclasses import replace

import h2.errors
import pytest

from pylb.errors import Fault, ProxyError
from pylb.model import Endpoint
from pylb.observe.accesslog import attempt_fields
from tests.environment import Environment, answers, read_request
from tests.h2_peers import GET, OK, POST, H2Backend, H2Client
from tests.until import until

CALL = [*POST, ("content-type", "application/grpc"), ("te", "trailers")]


def environment(**options):
    return Environment(context={"protocol": "h2"}, **options)


async def test_without_a_backend_a_call_is_unavailable():
    async with environment() as env, H2Client(env.port) as client:
        stream = await client.open(CALL).whole()
        head = stream.heads[0]
        assert (head[":status"], head["grpc-status"], head["content-type"]) == (
            "200",
            "14",
            "application/grpc",
        )
        assert head["grpc-message"] == "Service Unavailable"
        assert stream.trailers is None
        assert head["x-request-id"]
        await until(lambda: env.records)
        assert env.records[0].status == 503


async def test_a_call_to_a_backend_that_refuses_is_unavailable():
    async with environment(retries=0) as env, H2Client(env.port) as client:
        env.register(Endpoint("web", "127.0.0.1", 1, id="closed"))
        stream = await client.open(CALL).whole()
        assert stream.heads[0]["grpc-status"] == "14"


async def test_a_call_without_an_answer_ends_at_its_deadline_and_is_cancelled_at_the_backend():
    cancelled = []

    async def script(stream):
        await stream.until(lambda: stream.reset_code is not None)
        cancelled.append(stream.reset_code)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = await client.open([*CALL, ("grpc-timeout", "50m")]).whole()
        assert stream.heads[0]["grpc-status"] == "4"
        await until(lambda: cancelled)
        assert cancelled == [h2.errors.ErrorCodes.CANCEL]
        assert len(env.records[0].attempts) == 1


async def test_a_response_that_has_begun_ends_at_the_deadline_and_blames_no_backend():
    async def script(stream):
        stream.head([OK, ("content-type", "application/grpc")])
        stream.data(b"\0\0\0\0\0")
        await stream.until(lambda: stream.reset_code is not None)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = await client.open([*CALL, ("grpc-timeout", "100m")]).whole()
        assert stream.body == b"\0\0\0\0\0"
        assert stream.trailers["grpc-status"] == "4"
        await until(lambda: env.records)
        assert env.records[0].termination == "cD"
        assert env.records[0].attempts[-1].error.fault is Fault.CLIENT_TIMEOUT


async def test_a_silent_call_is_not_cut_by_the_time_limits_of_responses():
    goes_on = asyncio.Event()

    async def script(stream):
        stream.head([OK, ("content-type", "application/grpc")])
        await goes_on.wait()
        stream.head([("grpc-status", "0")], end=True)

    short = {"response_timeout": 0.05, "body_timeout": 0.05, "min_body_rate": 1000}
    async with environment(**short) as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        call = client.open(CALL, end=False)
        await call.until(lambda: call.heads)
        other = await client.open([*POST, ("x-not", "grpc")]).whole()
        assert other.reset_code == h2.errors.ErrorCodes.INTERNAL_ERROR
        assert call.reset_code is None
        goes_on.set()
        call.data(end=True)
        await call.whole()
        assert call.trailers == {"grpc-status": "0"}


@pytest.mark.parametrize("value", ["", "5", "5s", "123456789S", "-1S", "1.5S"])
async def test_an_invalid_timeout_is_passed_on_and_ignored(value):
    seen = []

    async def script(stream):
        await stream.whole()
        seen.append(stream.heads[0])
        stream.head([OK, ("content-type", "application/grpc"), ("grpc-status", "0")], end=True)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = await client.open([*CALL, ("grpc-timeout", value)]).whole()
        assert stream.heads[0]["grpc-status"] == "0"
        assert seen[0]["grpc-timeout"] == value


async def test_a_call_without_a_route_is_unimplemented():
    async with Environment(routes=["web=other.example"]) as env, H2Client(env.port) as client:
        stream = await client.open(CALL).whole()
        assert (stream.status, stream.heads[0]["grpc-status"]) == ("200", "12")


async def test_a_call_to_a_backend_with_http1_ends_with_the_reason_and_never_reaches_it(caplog):
    reached = []

    async def handle(reader, writer):
        reached.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with Environment() as env, H2Client(env.port) as client:
        await env.origin(handle)
        await env.get()  # Its connection is idle now.
        for _ in range(2):
            stream = await client.open(CALL).whole()
            assert (stream.status, stream.heads[0]["grpc-status"]) == ("200", "14")
            assert "service web uses HTTP/1.1" in stream.heads[0]["grpc-message"]
        assert len(reached) == 1
        assert env.records[-1].termination == "PC"
        assert len(env.records[-1].attempts) == 1
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert not env.pool.events


async def test_a_call_goes_to_the_backend_with_http2_if_others_have_http1():
    async with Environment() as env, H2Client(env.port) as client:
        old = await env.origin(answers())
        new = await env.origin(H2Backend(fails_with(0)))
        env.register(old.endpoint, replace(new.endpoint, protocol="h2"))
        for _ in range(4):
            assert (await client.open(CALL).whole()).trailers == {"grpc-status": "0"}


@pytest.mark.parametrize(("fields", "ends"), [(CALL, True), (POST, False)])
async def test_a_call_that_is_cut_ends_with_a_code_and_other_responses_with_a_reset(fields, ends):
    async def script(stream):
        stream.head([OK, ("content-type", "application/grpc")])
        stream.data(b"\0\0\0\0\0")
        await stream.whole()
        stream.reset(h2.errors.ErrorCodes.INTERNAL_ERROR)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        stream = client.open(fields, end=False)
        await stream.until(lambda: stream.body)
        stream.data(end=True)
        await stream.whole()
        assert stream.body == b"\0\0\0\0\0"
        if ends:
            assert stream.trailers == {"grpc-status": "14", "grpc-message": "Bad Gateway"}
        else:
            assert stream.reset_code == h2.errors.ErrorCodes.INTERNAL_ERROR


def fails_with(code):
    async def script(stream):
        await stream.whole()
        stream.head([OK, ("content-type", "application/grpc")])
        stream.data(b"\0\0\0\0\0")
        stream.head([("grpc-status", str(code))], end=True)

    return script


async def test_codes_of_failures_eject_a_backend_and_those_of_callers_do_not():
    for code, ejected in ((14, 1), (5, 0)):
        async with (
            environment(eject_failures=3, max_ejection_percent=100) as env,
            H2Client(env.port) as client,
        ):
            await env.origin(H2Backend(fails_with(code)))
            for _ in range(3):
                stream = await client.open(CALL).whole()
                assert stream.trailers == {"grpc-status": str(code)}
            await until(lambda: len(env.records) == 3)
            assert [record.attempts[-1].grpc_status for record in env.records] == [code] * 3
            assert env.pool.events["ejected"] == ejected


def trailers_only(seen, codes):
    """A backend that ends each call at once, with the next of these codes."""

    async def script(stream):
        await stream.whole()
        seen.append(stream.heads[0])
        stream.head([OK, ("content-type", "application/grpc"), ("grpc-status", codes.pop(0))], end=True)

    return H2Backend(script)


@pytest.mark.parametrize(
    ("retry_on", "code"), [("grpc-unavailable", "0"), ("grpc-internal", "14"), ("503", "14")]
)
async def test_a_call_is_sent_to_another_backend_after_a_configured_code(retry_on, code):
    seen = []
    async with environment(retry_on=frozenset([retry_on])) as env, H2Client(env.port) as client:
        codes = ["14", "0"]
        for _ in range(2):
            await env.origin(trailers_only(seen, codes))
        stream = await client.open([*CALL, ("grpc-timeout", "9S")]).whole()
        assert stream.heads[0]["grpc-status"] == code
        assert seen[0]["grpc-timeout"] == "9S"
        assert all(re.fullmatch(r"8[0-9]{6}u", head["grpc-timeout"]) for head in seen[1:])
        assert len(seen) == (2 if code == "0" else 1)


async def test_a_code_after_a_message_is_the_result_and_concerns_no_later_call():
    codes, served = ["14", *["0"] * 20], []

    async def script(stream):
        await stream.whole()
        served.append(stream)
        stream.head([OK, ("content-type", "application/grpc")])
        stream.data(b"\0\0\0\0\0")
        stream.head([("grpc-status", codes.pop(0))], end=True)

    async with environment(retry_on=frozenset(["grpc-unavailable"])) as env, H2Client(env.port) as client:
        for _ in range(2):
            await env.origin(H2Backend(script))
        results = [(await client.open(CALL).whole()).trailers["grpc-status"] for _ in range(20)]
        assert results == ["14", *["0"] * 19]
        assert len(served) == 20


async def test_a_late_attempt_receives_the_time_that_is_left():
    async def silent(stream):
        await stream.until(lambda: stream.reset_code is not None)

    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(silent)
        await env.origin(backend)
        client.open([*CALL, ("grpc-timeout", "60S")])
        await until(lambda: backend.streams)
        [call] = env.server.context.streams
        request = call._carrier.parser.read(call._head)
        late = call.after_delay(request, call.latest_deadline - 1.5)
        left = re.search(rb"\ngrpc-timeout: ([0-9]+)u\r\n", late.lines)
        assert int(left[1]) == pytest.approx(1_500_000, abs=2)
        assert b"grpc-timeout: 60S\r\n" in request.lines
        with pytest.raises(ProxyError) as passed:
            call.after_delay(request, call.latest_deadline)
        assert passed.value.status == 504


async def test_a_response_without_a_code_is_a_failure():
    async def script(stream):
        await stream.whole()
        stream.head([OK, ("content-type", "application/grpc")])
        stream.data(b"\0\0\0\0\0", end=True)

    async with environment(eject_failures=1, max_ejection_percent=100) as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        await client.open(CALL).whole()
        await until(lambda: env.records)
        assert env.records[0].attempts[0].grpc_status == 2
        assert env.pool.events["ejected"] == 1


@pytest.mark.parametrize("begins", [True, False])
async def test_a_call_that_runs_at_the_end_of_a_drain_ends_with_a_code(begins):
    async def script(stream):
        if begins:
            stream.head([OK, ("content-type", "application/grpc")])
            stream.data(b"\0\0\0\0\0")
        await stream.until(lambda: stream.reset_code is not None)

    async with environment() as env, H2Client(env.port) as client:
        backend = H2Backend(script)
        await env.origin(backend)
        stream = client.open(CALL)
        await until(lambda: stream.body if begins else backend.streams)
        env.server.close()
        await stream.whole()
        assert (stream.trailers if begins else stream.heads[0])["grpc-status"] == "14"
        assert env.records[0].grpc_code == 14
        assert env.records[0].termination[0] == "K"


async def test_the_access_log_has_the_code():
    async def script(stream):
        await stream.whole()
        stream.head([OK, ("grpc-status", "7")], end=True)

    async with environment() as env, H2Client(env.port) as client:
        await env.origin(H2Backend(script))
        await client.open(CALL).whole()
        await client.open(GET).whole()
        await until(lambda: len(env.records) == 2)
        assert attempt_fields(env.records[0].attempts[0])["grpc_code"] == 7
