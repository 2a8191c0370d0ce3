"""Control's and the workers' ends of the channels, together."""

import asyncio
from dataclasses import replace
from time import monotonic

import pytest

from pylb.model import Endpoint, Snapshot
from pylb.policy.backend import State
from pylb.process.ipc.hub import Hub
from pylb.process.ipc.link import Link
from pylb.process.ipc.news import News
from pylb.process.ipc.rendezvous import Greeting, mailbox, meet
from pylb.process.ipc.update import Update
from pylb.process.lifecycle import Owner, spawn
from tests.until import until


class Worker:
    """What a worker was told."""

    def __init__(self, name, workers_door, owner):
        self.told = []
        self.heard = []
        self.link = Link(workers_door, Greeting(name, 1, 1, 0), self.told.append, self.heard.append)
        spawn(self.link.follow(), name=name, owner=owner)

    @property
    def generations(self):
        return {update.service: update.generation for update in self.told}


def update(generation, service="web", size=1):
    endpoints = tuple(Endpoint(service, "10.0.0.1", port, id=f"web-{port}") for port in range(1, size + 1))
    return Update(service, 1, {}, Snapshot(service, endpoints, generation=generation))


@pytest.fixture
async def doors():
    control, workers = mailbox()
    yield control, workers
    control.close()
    workers.close()


@pytest.fixture
async def owner():
    async with Owner("test") as owned:
        yield owned


@pytest.fixture
async def hub(doors, owner):
    made = Hub(doors[0])
    made.open(owner)
    yield made
    made.close()


async def test_everybody_is_told_everything_whenever_they_come(hub, doors, owner):
    early = Worker("worker 1", doors[1], owner)
    await until(lambda: hub.members)
    hub.publish(update(1))
    hub.publish(update(4, "api"))
    hub.publish(Update("", 9, {}, None))
    late = Worker("worker 2", doors[1], owner)
    await until(lambda: early.generations == late.generations == {"web": 1, "api": 4, "": 0})
    assert late.told[0].snapshot == update(1).snapshot
    await until(lambda: len(hub.serving()) == 2)
    assert [worker["name"] for worker in hub.serving()] == ["worker 1", "worker 2"]
    assert all(worker["applied"] for worker in hub.serving())


async def test_applied_is_what_all_go_by(hub, doors, owner):
    workers = [Worker(f"worker {number}", doors[1], owner) for number in (1, 2)]
    await until(lambda: len(hub.members) == 2)
    done = []
    hub.publish(update(1), lambda: done.append(1))
    assert done == []
    await until(lambda: done == [1])
    hub.publish(update(2), lambda: done.append(2))
    hub.publish(update(3), lambda: done.append(3))
    await until(lambda: done == [1, 2, 3])
    assert all(worker.generations["web"] == 3 for worker in workers)


async def test_one_that_hangs_holds_up_nobody_and_nothing_is_applied_by_all(hub, doors, owner):
    quick = Worker("worker 1", doors[1], owner)
    hung = meet(doors[1], Greeting("worker 2", 2, 1, 0))
    await until(lambda: len(hub.members) == 2)
    done = []
    for generation in range(1, 20):
        hub.publish(update(generation, size=500), lambda generation=generation: done.append(generation))
        await asyncio.sleep(0)
    await until(lambda: quick.generations == {"web": 19})
    assert done == []
    hung.close()
    await until(lambda: done and done[-1] == 19)


async def test_without_workers_nothing_is_applied_until_one_comes(hub, doors, owner):
    done = []
    hub.publish(update(1), lambda: done.append(1))
    await asyncio.sleep(0.01)
    assert (done, hub.serving()) == ([], [])
    Worker("worker 1", doors[1], owner)
    await until(lambda: done == [1])


async def test_workers_follow_the_next_control_by_themselves(doors, owner):
    first = Hub(doors[0])
    first.open(owner)
    worker = Worker("worker 1", doors[1], owner)
    first.publish(update(1))
    await until(lambda: worker.generations == {"web": 1})
    first.close()
    await asyncio.sleep(0.02)
    second = Hub(doors[0])
    second.publish(update(2))
    second.open(owner)
    await until(lambda: worker.generations == {"web": 2})
    second.close()


async def test_when_the_supervisor_is_gone_nobody_is_followed_any_more(doors):
    """The mailbox has gone with it: there will be no other control, and that is no reason to crash."""
    control, workers = doors
    control.close()
    link = Link(workers, Greeting("worker 1", 1, 1, 0), print, print)
    await asyncio.wait_for(link.follow(), 10)


async def test_when_everybody_else_is_gone_the_door_is_left_alone(hub, doors, owner):
    """It can be read for ever then, and there is nothing to read: neither a crash nor a loop that spins."""
    crashes = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: crashes.append(context))
    early = meet(doors[1], Greeting("worker 1", 1, 1, 0))
    doors[1].close()
    await until(lambda: hub.members)
    early.close()
    await until(lambda: not hub.members)
    assert crashes == []
    assert loop.remove_reader(doors[0]) is False, "it is not read any more"


async def test_what_one_finds_out_all_others_hear_and_those_that_come_later(hub, doors, owner):
    workers = [Worker(f"worker {number}", doors[1], owner) for number in (1, 2, 3)]
    await until(lambda: len(hub.members) == 3)
    hub.publish(update(1))
    await until(lambda: len(hub.serving()) == 3)
    now = monotonic()
    found = News("web", ("dc1", "node", "web-1"), "10.0.0.1:1", State.SUSPECT, now, now + 60, refused=True)
    workers[0].link.tell(found)
    await until(lambda: workers[1].heard == workers[2].heard == [found])
    assert workers[0].heard == []
    late = Worker("worker 4", doors[1], owner)
    await until(lambda: late.heard == [found])
    workers[1].link.tell(replace(found, state=State.UP, until=monotonic()))
    await until(lambda: workers[0].heard and late.heard[-1].state is State.UP)
    later = Worker("worker 5", doors[1], owner)
    await until(lambda: later.generations == {"web": 1})
    hub.publish(update(2))
    await until(lambda: later.generations == {"web": 2})
    assert later.heard == [], "what is over is nobody's concern"
