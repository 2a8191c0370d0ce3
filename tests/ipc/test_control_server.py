"""Control's and the workers' ends of the channels, together."""

import asyncio
from dataclasses import replace
from time import monotonic

import pytest

from pylb.ipc.control_server import ControlServer
from pylb.ipc.control_socket import Hello, connect, control_socket
from pylb.ipc.health_update import HealthUpdate
from pylb.ipc.routing_update import RoutingUpdate
from pylb.ipc.update import Update
from pylb.ipc.worker_client import WorkerClient
from pylb.model import Endpoint, PoolState
from pylb.policy.backend import State
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.runtime.lifecycle import TaskScope, spawn
from tests.until import until


class Worker:
    """What a worker was told."""

    def __init__(self, name, control_socket, scope):
        self.updates = []
        self.health_updates = []
        self.routing = []
        self.worker_client = WorkerClient(
            control_socket,
            Hello(name, 1, 1, 0),
            self.updates.append,
            self.health_updates.append,
            self.routing.append,
        )
        spawn(self.worker_client.follow(), name=name, scope=scope)

    @property
    def generations(self):
        return {update.service: update.generation for update in self.updates}


def update(generation, service="web", size=1):
    endpoints = tuple(Endpoint(service, "10.0.0.1", port, id=f"web-{port}") for port in range(1, size + 1))
    return Update(service, 1, {}, PoolState(service, endpoints, generation=generation))


@pytest.fixture
async def control_sockets():
    control, workers = control_socket()
    yield control, workers
    control.close()
    workers.close()


@pytest.fixture
async def scope():
    async with TaskScope("test") as owned:
        yield owned


@pytest.fixture
async def control_server(control_sockets, scope):
    made = ControlServer(control_sockets[0])
    made.open(scope)
    yield made
    made.close()


async def test_every_worker_receives_the_full_state(control_server, control_sockets, scope):
    early = Worker("worker 1", control_sockets[1], scope)
    await until(lambda: control_server.members)
    control_server.publish(update(1))
    control_server.publish(update(4, "api"))
    control_server.publish(Update("", 9, {}, None))
    late = Worker("worker 2", control_sockets[1], scope)
    await until(lambda: early.generations == late.generations == {"web": 1, "api": 4, "": 0})
    assert late.updates[0].state == update(1).state
    await until(lambda: len(control_server.serving()) == 2)
    assert [worker["name"] for worker in control_server.serving()] == ["worker 1", "worker 2"]
    assert all(worker["applied"] for worker in control_server.serving())


async def test_applied_is_called_when_all_workers_have_applied(control_server, control_sockets, scope):
    workers = [Worker(f"worker {number}", control_sockets[1], scope) for number in (1, 2)]
    await until(lambda: len(control_server.members) == 2)
    done = []
    control_server.publish(update(1), lambda: done.append(1))
    assert done == []
    await until(lambda: done == [1])
    control_server.publish(update(2), lambda: done.append(2))
    control_server.publish(update(3), lambda: done.append(3))
    await until(lambda: done == [1, 2, 3])
    assert all(worker.generations["web"] == 3 for worker in workers)


async def test_a_hanging_worker_delays_no_other(control_server, control_sockets, scope):
    quick = Worker("worker 1", control_sockets[1], scope)
    hung = connect(control_sockets[1], Hello("worker 2", 2, 1, 0))
    await until(lambda: len(control_server.members) == 2)
    done = []
    for generation in range(1, 20):
        control_server.publish(
            update(generation, size=500), lambda generation=generation: done.append(generation)
        )
        await asyncio.sleep(0)
    await until(lambda: quick.generations == {"web": 19})
    assert done == []
    hung.close()
    await until(lambda: done and done[-1] == 19)


def declared(service, *texts):
    return ServiceDeclaration(service, tuple(parse_route(service, text, "test") for text in texts))


async def test_a_worker_receives_all_routes_and_then_the_differences(control_server, control_sockets, scope):
    done = []
    first = {"api": declared("api", "/api"), "web": declared("web", "")}
    control_server.publish_routing(first)
    early = Worker("early", control_sockets[1], scope)
    await until(lambda: early.routing)
    assert early.routing == [RoutingUpdate(1, first, complete=True)]
    changed = {"api": None, "shop": declared("shop", "shop.example.com/cart strip=/cart")}
    control_server.publish_routing(changed, lambda: done.append("routes"))
    await until(lambda: done)
    assert early.routing[1:] == [RoutingUpdate(2, changed)]
    late = Worker("late", control_sockets[1], scope)
    await until(lambda: late.routing)
    assert late.routing == [RoutingUpdate(2, {"web": first["web"], "shop": changed["shop"]}, complete=True)]


async def test_changes_that_a_worker_has_not_read_are_sent_as_one(control_server, control_sockets, scope):
    """And routes come after the states of their services, so that no pool is missing."""
    control_server.publish_routing({})
    worker = Worker("worker", control_sockets[1], scope)
    await until(lambda: worker.routing)
    (member,) = control_server.members
    member.channel.pause_writing()
    control_server.publish_routing({"web": declared("web", "/old")})
    control_server.publish(update(1))
    control_server.publish_routing({"web": declared("web", "/new"), "api": declared("api", "/api")})
    control_server.publish_routing({"api": None})
    assert not worker.updates
    member.channel.resume_writing()
    await until(lambda: len(worker.routing) == 2)
    assert worker.generations == {"web": 1}
    assert worker.routing[1] == RoutingUpdate(4, {"web": declared("web", "/new")})


async def test_without_workers_nothing_is_applied(control_server, control_sockets, scope):
    done = []
    control_server.publish(update(1), lambda: done.append(1))
    await asyncio.sleep(0.01)
    assert (done, control_server.serving()) == ([], [])
    Worker("worker 1", control_sockets[1], scope)
    await until(lambda: done == [1])


async def test_workers_connect_to_the_next_control(control_sockets, scope):
    first = ControlServer(control_sockets[0])
    first.open(scope)
    worker = Worker("worker 1", control_sockets[1], scope)
    first.publish(update(1))
    await until(lambda: worker.generations == {"web": 1})
    first.close()
    await asyncio.sleep(0.02)
    second = ControlServer(control_sockets[0])
    second.publish(update(2))
    second.open(scope)
    await until(lambda: worker.generations == {"web": 2})
    second.close()


async def test_without_a_supervisor_workers_do_not_reconnect(control_sockets):
    """The mailbox has gone with it: there will be no other control, and that is no reason to crash."""
    control, workers = control_sockets
    control.close()
    worker_client = WorkerClient(workers, Hello("worker 1", 1, 1, 0), print, print)
    await asyncio.wait_for(worker_client.follow(), 10)


async def test_without_peers_the_control_socket_is_not_polled(control_server, control_sockets, scope):
    """It can be read for ever then, and there is nothing to read: neither a crash nor a loop that spins."""
    crashes = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: crashes.append(context))
    early = connect(control_sockets[1], Hello("worker 1", 1, 1, 0))
    control_sockets[1].close()
    await until(lambda: control_server.members)
    early.close()
    await until(lambda: not control_server.members)
    assert crashes == []
    assert loop.remove_reader(control_sockets[0]) is False, "it is not read any more"


async def test_health_updates_reach_all_current_and_later_workers(control_server, control_sockets, scope):
    workers = [Worker(f"worker {number}", control_sockets[1], scope) for number in (1, 2, 3)]
    await until(lambda: len(control_server.members) == 3)
    control_server.publish(update(1))
    await until(lambda: len(control_server.serving()) == 3)
    now = monotonic()
    found = HealthUpdate(
        "web", ("dc1", "node", "web-1"), "10.0.0.1:1", State.SUSPECT, now, now + 60, unreachable=True
    )
    workers[0].worker_client.send(found)
    await until(lambda: workers[1].health_updates == workers[2].health_updates == [found])
    assert workers[0].health_updates == []
    late = Worker("worker 4", control_sockets[1], scope)
    await until(lambda: late.health_updates == [found])
    workers[1].worker_client.send(replace(found, state=State.UP, until=monotonic()))
    await until(lambda: workers[0].health_updates and late.health_updates[-1].state is State.UP)
    later = Worker("worker 5", control_sockets[1], scope)
    await until(lambda: later.generations == {"web": 1})
    control_server.publish(update(2))
    await until(lambda: later.generations == {"web": 2})
    assert later.health_updates == [], "what is over is nobody's concern"


async def test_a_removed_service_is_no_longer_applied_by_any_worker(control_server, control_sockets, scope):
    Worker("worker 1", control_sockets[1], scope)
    control_server.publish(update(7))
    await until(lambda: control_server.serving() and control_server.serving()[0]["applied"].get("web") == 7)
    control_server.publish_routing({"web": None})
    done = []
    control_server.publish(update(1, "api"), lambda: done.append("api"))
    await until(lambda: done)
    assert "web" not in control_server.serving()[0]["applied"]
    control_server.publish(update(1), lambda: done.append("web"))
    assert done == ["api"], "the worker has not applied the new service yet"
    await until(lambda: done == ["api", "web"])
