"""A healthy stack for the doctor to look at: a real Consul, an engine's API, a pylb, two instances."""

import asyncio
import json
import socket

import pytest
from aiohttp import ClientSession, web

from pylb import cli
from pylb.balancer import Balancer
from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.config import Address, Options, Url
from pylb.registry.registrations import CONTAINER
from tests.containers.inspected import inspected
from tests.registries import consul_at

SERVICE, TAG = "clinic", "blue"


class Clinic:
    """The stack and its faults; `examine` runs the command."""

    def __init__(self, consul, engine, capsys):
        self.consul = consul
        self.engine = engine
        self.port = 0
        self.admin = ""
        self.through = consul.http
        """The address of Consul that the doctor is given."""
        self.agent = None
        self._capsys = capsys

    @property
    def ids(self):
        """Of the two instances."""
        return [f"host:clinic-{number}:{self.port}" for number in (1, 2)]

    async def start(self, number):
        """An instance: its container, and its registration as the registrator makes it."""
        name = f"clinic-{number}"
        container = inspected(
            name,
            id=str(number) * 64,
            env={"SERVICE_NAME": SERVICE},
            exposed=[f"{self.port}/tcp"],
            networks={"shop": f"127.0.0.{number}"},
        )
        self.engine.run(container)
        await self.register(f"host:{name}:{self.port}", number, Meta={CONTAINER: str(number) * 12})

    async def register(self, id_, number, **changes):
        definition = {
            "ID": id_,
            "Name": SERVICE,
            "Address": f"127.0.0.{number}",
            "Port": self.port,
            "Tags": [TAG],
            "Check": {"TTL": "1h", "Status": "passing"},
        }
        definition |= changes
        await self.agent.register({key: value for key, value in definition.items() if value is not None})

    async def catalog(self, verb, **content):
        """Register or deregister in Consul's catalog, past all agents."""
        url = f"{self.consul.url}/v1/catalog/{verb}"
        async with ClientSession() as session, session.put(url, json=content) as answer:
            assert answer.status == 200

    async def examine(self, *arguments, consul=True, docker=True, pylb=True):
        """The exit code, and the findings as rule and words."""
        words = [
            "doctor",
            "--json",
            "--service",
            SERVICE,
            "--pylb",
            self.admin if pylb else "off",
            *arguments,
        ]
        words += ["--consul", self.through] if consul else []
        words += ["--docker", "--docker-host", self.engine.url] if docker else []
        code = await asyncio.to_thread(cli.main, words)
        captured = self._capsys.readouterr()
        assert captured.err == ""
        return code, [(each["rule"], each["what"]) for each in json.loads(captured.out)]

    async def known_to_pylb(self, *ids):
        """Wait until pylb has these backends."""
        async with ClientSession() as session, asyncio.timeout(10):
            while True:
                async with session.get(f"http://{self.admin}/pools") as answer:
                    pool = (await answer.json())[SERVICE]
                if {each["id"] for each in pool["backends"]} == set(ids):
                    return
                await asyncio.sleep(0.01)


@pytest.fixture
async def clinic(consul, engine, capsys):
    """A healthy stack; both instances share one listener."""
    made = Clinic(consul, engine, capsys)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", 0)
    made.port = listening.sockets[0].getsockname()[1]
    front, admin = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    made.admin = f"127.0.0.1:{admin.getsockname()[1]}"
    url = Url("http", "127.0.0.1", consul.port)
    options = Options(consul=url, service=(SERVICE,), tag=(TAG,), admin=Address(*admin.getsockname()))
    balancer = Balancer(options)
    async with ConsulClient(consul_at(consul.url)) as client:
        made.agent = ConsulAgent(client)
        await made.start(1)
        await made.start(2)
        serving = asyncio.create_task(balancer.serve([front], admin=[admin]))  # noqa: TID251
        await made.known_to_pylb(*made.ids)
        yield made
        balancer.stop()
        balancer.worker.server.close()
        await serving
        for id_, service in (await made.agent.services()).items():
            if service["Service"] == SERVICE:
                await made.agent.deregister(id_)
    listening.close()


@pytest.fixture
async def between(clinic, aiohttp_server):
    """The fields that a proxy between the doctor and Consul adds to responses."""
    fields = {}

    async def forward(request):
        async with ClientSession() as session, session.get(clinic.consul.url + request.path_qs) as answer:
            headers = {key: answer.headers[key] for key in answer.headers if key.startswith("X-Consul")}
            return web.Response(body=await answer.read(), status=answer.status, headers={**headers, **fields})

    app = web.Application()
    app.router.add_get("/{path:.*}", forward)
    server = await aiohttp_server(app)
    clinic.through = f"127.0.0.1:{server.port}"
    return fields
