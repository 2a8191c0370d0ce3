import socket
from contextlib import asynccontextmanager

import orjson
import pytest

from pylb.config import Options
from pylb.control.control import Control
from pylb.model import Endpoint, Snapshot
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.backend import State
from pylb.policy.overrides import Action
from pylb.runtime.lifecycle import TaskScope
from tests.until import until

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


@pytest.fixture
def delivered():
    return []


@pytest.fixture
def control(delivered):
    options = Options(static="10.0.0.1:80", service=("web",))

    def deliver(snapshot, applied):
        delivered.append(snapshot)
        applied()

    return Control(options, ["web"], deliver, Counters(SharedCounters(), lambda: 0.0))


@asynccontextmanager
async def probing(*endpoints, state_of=lambda _: State.UP):
    """A control that probes these instances; its task scope, and the snapshots that it delivers."""
    delivered = []
    options = Options(static="10.0.0.1:80", service=("web",), probe_interval=0.02, probe_fall=1)
    counters = Counters(SharedCounters(), lambda: 0.0)
    control = Control(options, ["web"], lambda s, _: delivered.append(s), counters, state_of=state_of)
    async with TaskScope("control") as scope:
        control.start(scope)
        await control.first_result()
        find(control, *endpoints)
        yield scope, delivered


def find(control, *endpoints):
    """Let the registry respond."""
    control.pipelines["web"]._update(Snapshot("web", endpoints, cause="consul index 5"))


def failed(state):
    return {key[-1] for key, overlay in state.overlays if overlay.failed}


def test_an_override_takes_effect_immediately_as_a_separate_generation(control, delivered):
    find(control, ONE, TWO)
    made = control.override_store.decide("web", Action.DRAIN, backend="web-1")
    assert [e.id for e in delivered[-1].endpoints] == ["web-2"]
    assert (delivered[-1].generation, delivered[-1].cause) == (2, "operator: drain web-1")
    control.override_store.revoke(made.id)
    assert [e.id for e in delivered[-1].endpoints] == ["web-1", "web-2"]
    assert [s.generation for s in delivered] == [1, 2, 3]


def test_an_override_persists_across_snapshots(control, delivered):
    find(control, ONE)
    control.override_store.decide("web", Action.DRAIN, backend="web-1")
    find(control, ONE, TWO)
    assert [e.id for e in delivered[-1].endpoints] == ["web-2"]


def test_an_override_before_the_first_snapshot_applies_to_it(control, delivered):
    control.override_store.decide("web", Action.MAINTENANCE)
    assert delivered == [], "unknown is never a snapshot"
    find(control, ONE)
    assert delivered[-1].endpoints == ()


def test_every_change_is_in_the_history(control):
    find(control, ONE, TWO)
    control.override_store.decide("web", Action.DRAIN, backend="web-1")
    first, second = control.recorder.history.since()
    assert (first.added, first.removed) == (("web-1", "web-2"), ())
    assert second.removed == ("web-1 (operator: drain web-1)",)
    assert second.applied is not None


async def test_a_successor_continues_the_state(control, delivered):
    find(control, ONE, TWO)
    control.override_store.decide("web", Action.DRAIN, backend="web-1")
    control.override_store.decide("web", Action.WEIGHT, backend="web-2", weight=3, seconds=60)
    memory = orjson.loads(orjson.dumps(control.remember()))
    control.override_store.close()
    successor = Control(
        Options(static="10.0.0.1:80", service=("web",)),
        ["web"],
        lambda snapshot, applied: delivered.append(snapshot),
        Counters(SharedCounters(), lambda: 0.0),
        memory,
    )
    assert successor.override_store.overrides == control.override_store.overrides
    pipeline = successor.pipelines["web"]
    assert pipeline.current.same_content(Snapshot("web", (ONE, TWO)))
    assert (pipeline.status.generation, pipeline.status.instances) == (3, 2)
    find(successor, ONE)
    assert (delivered[-1].generation, delivered[-1].endpoints) == (4, ())
    third = successor.override_store.decide("web", Action.MAINTENANCE)
    assert third.id == 3
    successor.override_store.revoke(1)
    successor.override_store.revoke(3)
    assert [e.id for e in delivered[-1].endpoints] == ["web-1"]
    successor.override_store.close()


async def test_an_instance_without_a_usable_address_does_not_affect_other_probes():
    """What the registry's checks let through, a later version may not have checked: a probe survives it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        odd = Endpoint("web", "a..b", 80, id="odd", probe="tcp")
        dead = Endpoint("web", *unused.getsockname(), id="dead", probe="tcp")
        async with probing(odd, dead) as (scope, delivered):
            await until(lambda: failed(delivered[-1]) == {"odd", "dead"})
            assert [*scope.crashes.problems()] == []


@pytest.mark.logs_error(r"task 'probe' crashed: ")
async def test_a_crashed_prober_is_reported_and_restarted():
    """Whatever it is that a probe cannot cope with, instances of other services are asked again soon."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = Endpoint("web", *unused.getsockname(), id="dead", probe="tcp")
        crash = iter([KeyError("web")])

        def state_of(_):
            for error in crash:
                raise error
            return State.UP

        async with probing(dead, state_of=state_of) as (scope, delivered):
            await until(lambda: failed(delivered[-1]))
            assert "background task 'probe' crashed" in next(iter(scope.crashes.problems()))


async def test_overrides_and_history_of_another_pylb_are_taken_over(control, delivered):
    former = orjson.loads(orjson.dumps(made_by_another()))
    find(control, ONE, TWO)
    control.override_store.decide("web", Action.DRAIN, backend="web-1")
    control.take_over(former)
    (override,) = control.override_store.overrides.values()
    assert (override.action, override.backend) == (Action.DRAIN, "web-2"), "only what holds there holds here"
    assert [e.id for e in delivered[-1].endpoints] == ["web-1"]
    assert delivered[-1].cause == "operator: taken over from the pylb that was replaced"
    causes = [entry.cause for entry in control.recorder.history.since()]
    assert causes == [
        *("consul index 5: +web-1 +web-2", "operator: drain web-2"),
        *("consul index 5: +web-1 +web-2", "operator: drain web-1", delivered[-1].cause),
    ]
    before = len(delivered)
    control.take_over(former)
    assert len(delivered) == before, "nothing has changed"


def made_by_another():
    """What another pylb remembers."""
    other = Control(
        Options(static="10.0.0.1:80", service=("web",)),
        ["web"],
        lambda *_: None,
        Counters(SharedCounters(), lambda: 0.0),
    )
    find(other, ONE, TWO)
    other.override_store.decide("web", Action.DRAIN, backend="web-2")
    return other.remember()


async def test_a_successor_continues_the_history(control):
    find(control, ONE)
    former = orjson.loads(orjson.dumps(control.remember()))
    options = Options(static="10.0.0.1:80", service=("web",))
    following = Control(options, ["web"], lambda *_: None, Counters(SharedCounters(), lambda: 0.0), former)
    find(following, ONE, TWO)
    assert [(e.number, e.added) for e in following.recorder.history.since()] == [
        (1, ("web-1",)),
        (2, ("web-2",)),
    ]
    assert [entry.number for entry in following.remember(1)["history"]] == [2], "the newest only"


async def test_the_zone_of_the_registry_changes_the_pools_and_is_remembered():
    delivered = []

    def make(remembered=None):
        options = Options(static="10.0.0.1:80;zone=east", service=("web",), zone="auto")
        counters = Counters(SharedCounters(), lambda: 0.0)
        made = Control(options, ["web"], lambda state, _: delivered.append(state), counters, remembered)
        made._source.zone = zone
        return made

    async def zone():
        return "west"

    async with TaskScope("control") as scope:
        control = make()
        control.start(scope)
        await until(lambda: delivered and delivered[-1].overlays)
        ((_, overlay),) = delivered[-1].overlays
        assert overlay.other_zone
    assert make(orjson.loads(orjson.dumps(control.remember()))).zone.name == "west"
