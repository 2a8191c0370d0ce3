"""Authentication that holds for a connection (NTLM, Negotiate), through pylb."""

import asyncio

import pytest

from pylb.policy.backend import State
from tests.environment import HOST, Environment, read_request
from tests.until import until


class Ntlm:
    """A backend like IIS: the handshake authenticates the connection, and later requests need no credentials.

    Args:
        scheme: the one that it offers.
        challenges: whether the handshake takes two steps (NTLM), not one (Negotiate with Kerberos).
    """

    def __init__(self, scheme=b"NTLM", *, challenges=True):
        self.scheme = scheme
        self.challenges = challenges
        self.hold = None

    async def __call__(self, reader, writer):
        user, challenged = b"", False
        while head := await read_request(reader):
            given = next(
                (
                    line.partition(b":")[2].strip()
                    for line in head.split(b"\r\n")
                    if line[:14].lower() == FIELD
                ),
                b"",
            )
            scheme, _, token = given.partition(b" ")
            if scheme.lower() == self.scheme.lower():
                if token.startswith(b"user=") and (challenged or not self.challenges):
                    user = token.removeprefix(b"user=")
                challenged = token == b"hello"
            if b"/held" in head and self.hold:
                await self.hold.wait()
            if user:
                writer.write(answer(b"200 OK", b"the mail of " + user))
            else:
                extra = b" challenge" if challenged else b""
                writer.write(answer(b"401 Unauthorized", b"", b"WWW-Authenticate: " + self.scheme + extra))


FIELD = b"authorization:"


def answer(status, body, field=b"X: y"):
    return b"HTTP/1.1 %b\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (status, field, len(body), body)


def get(authorization=b"", path=b"/"):
    field = b"Authorization: " + authorization + b"\r\n" if authorization else b""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, HOST, field)


async def ask(client, authorization=b""):
    status, _, body = await client.send(get(authorization)).answer()
    return status, body


async def log_in(client, user=b"alice"):
    """The handshake of NTLM, as a browser makes it."""
    assert (await ask(client))[0] == 401
    assert (await ask(client, b"NTLM hello"))[0] == 401
    return await ask(client, b"NTLM user=" + user)


@pytest.mark.parametrize("instances", [1, 3])
@pytest.mark.parametrize("changes", [{}, {"upstream_keepalive": 0}, {"context": {"preamble": lambda _: b""}}])
async def test_an_authentication_handshake_stays_on_one_exclusive_connection(instances, changes):
    async with Environment(**changes) as environment:
        for _ in range(instances):
            await environment.origin(Ntlm())
        alice, bob = await environment.client(), await environment.client()
        assert await log_in(alice) == (200, b"the mail of alice")
        for _ in range(2 * instances):
            assert (await ask(bob))[0] == 401
            assert await ask(alice) == (200, b"the mail of alice")
        assert await log_in(bob, b"bob") == (200, b"the mail of bob")
        assert await ask(alice) == (200, b"the mail of alice")
        alice.close()
        stranger = await environment.client()
        for _ in range(2 * instances):
            assert (await ask(stranger))[0] == 401


async def test_concurrent_handshakes_use_separate_connections():
    async with Environment() as environment:
        for _ in range(2):
            await environment.origin(Ntlm())
        clients = [await environment.client() for _ in range(8)]
        for token in (b"hello", b"user=%d"):
            for number, client in enumerate(clients):
                client.send(get(b"NTLM " + token.replace(b"%d", b"%d" % number)))
            answers = [await client.answer() for client in clients]
        assert [body for _, _, body in answers] == [b"the mail of %d" % n for n in range(8)]


@pytest.mark.parametrize(
    "authorization", [b"Negotiate user=alice", b"NEGOTIATE user=alice", b"\t negotiate user=alice"]
)
async def test_a_single_token_binds_the_connection_too(authorization):
    async with Environment() as environment:
        await environment.origin(Ntlm(b"Negotiate", challenges=False))
        alice, bob = await environment.client(), await environment.client()
        assert await ask(alice, authorization) == (200, b"the mail of alice")
        assert (await ask(bob))[0] == 401
        assert await ask(alice) == (200, b"the mail of alice")


async def test_other_schemes_bind_nothing():
    async with Environment() as environment:
        origin = await environment.origin(Ntlm())
        for scheme in (b"Basic YTpi", b"Bearer ntlm", b"Digest negotiate"):
            client = await environment.client()
            await ask(client, scheme)
            client.close()
        assert origin.connections == 1


async def test_a_bound_connection_ends_with_its_client():
    async with Environment() as environment:
        origin = await environment.origin(Ntlm())
        alice = await environment.client()
        await log_in(alice)
        assert origin.open == 1
        alice.close()
        await until(lambda: origin.open == 0)


async def test_a_bound_connection_ends_when_its_instance_is_removed():
    async with Environment() as environment:
        first = await environment.origin(Ntlm())
        alice = await environment.client()
        await log_in(alice)
        second = await environment.origin(Ntlm())
        environment.register(second.endpoint)
        await until(lambda: first.open == 0)
        assert await log_in(alice) == (200, b"the mail of alice")


async def test_a_bound_connection_that_the_backend_closes_leaves_the_client_unauthenticated():
    async with Environment() as environment:
        origin = await environment.origin(Ntlm())
        alice, bob = await environment.client(), await environment.client()
        await log_in(alice)
        (backend,) = environment.pool.backends.values()
        (bound,) = backend.connections
        bound.transport.abort()
        await until(lambda: origin.open == 0)
        assert (await ask(alice))[0] == 401
        assert (await ask(bob))[0] == 401
        assert await log_in(alice) == (200, b"the mail of alice")


async def test_a_suspect_instance_is_not_picked_and_sessions_stay_separate():
    async with Environment() as environment:
        origins = [await environment.origin(Ntlm()) for _ in range(2)]
        alice = await environment.client()
        await log_in(alice)
        (backend,) = (
            b for b in environment.pool.backends.values() if environment.records[-1].attempts[0].backend is b
        )
        backend.state = State.SUSPECT
        environment.pool.rebuild()
        assert (await ask(alice))[0] == 401
        assert await ask(alice, b"NTLM hello") == (401, b"")
        await until(lambda: sum(origin.open for origin in origins) == 1)  # The former session has ended.
        backend.state = State.UP
        environment.pool.rebuild()
        assert await ask(alice, b"NTLM user=alice") == (200, b"the mail of alice")


async def test_the_only_instance_keeps_its_sessions_while_suspect():
    async with Environment() as environment:
        await environment.origin(Ntlm())
        (backend,) = environment.pool.backends.values()
        backend.state = State.SUSPECT
        environment.pool.rebuild()
        alice = await environment.client()
        for token in (b"NTLM hello", b"NTLM user=alice"):
            backend.state = State.SUSPECT
            environment.pool.rebuild()
            status, body = await ask(alice, token)
        assert (status, body) == (200, b"the mail of alice")


async def test_a_bound_request_waits_for_its_backend_and_delays_no_other():
    async with Environment(max_conn=1) as environment:
        scripts = [Ntlm(), Ntlm()]
        for script in scripts:
            script.hold = asyncio.Event()
            await environment.origin(script)
        alice = await environment.client()
        await log_in(alice)
        home = environment.records[-1].attempts[0].backend
        others = [(await environment.client()).send(get(path=b"/held")) for _ in range(2)]
        await until(lambda: all(backend.inflight for backend in environment.pool.eligible))
        alice.send(get())
        await until(lambda: len(environment.pool.queue) == 1)
        third = (await environment.client()).send(get())
        await until(lambda: len(environment.pool.queue) == 2)
        away = next(n for n, backend in enumerate(environment.pool.eligible) if backend is not home)
        scripts[away].hold.set()
        assert (await third.answer())[0] == 401
        assert len(environment.pool.queue) == 1
        scripts[1 - away].hold.set()
        assert (await alice.answer())[2] == b"the mail of alice"
        assert environment.records[-1].attempts[0].backend is home
        for other in others:
            await other.answer()
