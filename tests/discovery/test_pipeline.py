import asyncio
import contextlib
import logging
from functools import partial

import orjson
import pytest

from pylb.discovery.guard import Guard
from pylb.discovery.pipeline import RESTORE_AFTER
from pylb.model import Excluded, Overlay, ProbeVerdict, Snapshot
from pylb.policy.overrides import Action, Override
from tests.discovery.pipelines import read as read_script
from tests.discovery.pipelines import scripted_pipeline
from tests.discovery.snapshots import endpoint, numbers, snapshot
from tests.until import until

SOON = partial(Guard, empty_guard=0.03)
"""A guard that retains for 30 ms."""


@pytest.fixture
async def run():
    """Run a pipeline over a script; returns it, the states that it delivered, and its provider."""
    tasks = []

    async def no_pause(_):
        await asyncio.sleep(0)

    def start(*script, deliver=None, **options):
        delivered = []
        options = {"sleep": no_pause, **options}
        pipeline, provider = scripted_pipeline(deliver or delivered.append, *script, **options)
        tasks.append(asyncio.get_running_loop().create_task(pipeline.run()))
        return pipeline, delivered, provider

    yield start
    for task in tasks:
        assert not task.done(), "a pipeline never ends"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def read(provider):
    await read_script(provider, until)


async def test_a_difference_is_delivered_with_generation_and_cause(run):
    pipeline, delivered, provider = run(snapshot(1), snapshot(1), snapshot(1, 2), snapshot(2))
    await read(provider)
    assert [(numbers(s), s.generation, s.cause) for s in delivered] == [
        ([1], 1, "test: +web-1"),
        ([1, 2], 2, "test: +web-2"),
        ([2], 3, "test: -web-1"),
    ]
    assert (pipeline.status.generation, pipeline.status.instances, numbers(pipeline.current)) == (3, 1, [2])


async def test_a_new_output_of_a_check_is_no_change(run):
    def ill(reason):
        return Snapshot("web", (endpoint(1),), (Excluded(endpoint(2, status="critical"), reason),))

    _, delivered, provider = run(ill("refused"), ill("timed out"), ill("refused"))
    await read(provider)
    assert len(delivered) == 1


@pytest.mark.parametrize("first", [snapshot(1), OSError("refused")])
async def test_the_first_response_or_failure_is_a_first_result(run, first):
    pipeline, _, provider = run()
    assert not pipeline.first_result.is_set()
    provider.then(first)
    await read(provider)
    assert pipeline.first_result.is_set()


async def test_a_hanging_registry_times_out(run):
    pipeline, _, _ = run()
    await until(pipeline.first_result.is_set, 2 * RESTORE_AFTER + 1)


async def test_a_missing_service_is_logged_once_with_the_reason(run, caplog):
    ill = Snapshot("web", (), (Excluded(endpoint(1, status="critical"), "refused"),))
    pipeline, _, provider = run(snapshot(), snapshot())
    await read(provider)
    assert pipeline.status.missing
    pipeline.status.missing = "Consul knows http; did you mean http?"
    provider.then(snapshot(), snapshot())
    await read(provider)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "web: no instance is registered: none is registered yet, or it is registered under another name",
        "web: no instance is registered: Consul knows http; did you mean http?",
    ]
    provider.then(ill)
    await read(provider)
    assert pipeline.status.missing == ""


@pytest.mark.logs_error(r"web: could not be delivered")
async def test_a_failed_delivery_is_reported_until_one_succeeds(run, caplog):
    delivered = []

    def deliver(found):
        if 2 in numbers(found):
            raise TypeError("too large")
        delivered.append(found)

    pipeline, _, provider = run(snapshot(1), snapshot(1, 2), deliver=deliver)
    await read(provider)
    assert (pipeline.status.undelivered, pipeline.status.instances) == ("TypeError: too large", 1)
    provider.then(snapshot(1, 3))
    await read(provider)
    assert (pipeline.status.undelivered, pipeline.status.instances) == ("", 2)


@pytest.mark.logs_error(r"could not be delivered: .*\n(?:.*\n)*RuntimeError: the pool is on fire")
async def test_a_failed_delivery_is_repeated_at_the_next_response(run, caplog):
    taken = []

    def deliver(snapshot):
        if not taken:
            taken.append(None)
            raise RuntimeError("the pool is on fire")
        taken.append(snapshot)

    pipeline, _, provider = run(snapshot(1), snapshot(1), deliver=deliver)
    await read(provider)
    assert [numbers(s) for s in taken[1:]] == [[1]]
    assert pipeline.status.errors == 0
    assert "the pool is on fire" in caplog.text


async def test_an_empty_response_after_an_error_empties_nothing(run):
    pipeline, delivered, provider = run(snapshot(1, 2), OSError("refused"), snapshot(), snapshot())
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert (pipeline.status.retained, pipeline.status.untrusted_reason) == (
        2,
        "contact was lost (OSError: refused)",
    )
    assert pipeline.status.guards["retained_untrusted"] == 1


async def test_an_error_before_the_first_response_does_not_make_responses_untrusted(run):
    pipeline, delivered, provider = run(OSError("refused"), snapshot(1), snapshot())
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1], []]
    assert pipeline.status.retained == 0


async def test_retained_instances_are_removed_without_another_response(run):
    _, delivered, provider = run(snapshot(1), snapshot(critical=[1]), guard=SOON)
    await read(provider)
    assert len(delivered) == 1
    await until(lambda: len(delivered) == 2)
    assert numbers(delivered[-1]) == []


async def test_nothing_is_removed_while_the_registry_does_not_respond(run):
    loop = asyncio.get_running_loop()
    untrusted = snapshot(1, 2, untrusted_reason="stale")
    _, delivered, provider = run(snapshot(1, 2, 3), untrusted, OSError(), guard=SOON)
    await read(provider)
    end = loop.time() + 0.12
    await until(lambda: loop.time() > end)
    assert len(delivered) == 1


async def test_an_ended_pipeline_leaves_no_timer():
    delivered = []
    pipeline, _ = scripted_pipeline(delivered.append, snapshot(1), snapshot(critical=[1]), guard=SOON)
    task = asyncio.get_running_loop().create_task(pipeline.run())
    await until(lambda: pipeline.status.retained)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loop = asyncio.get_running_loop()
    end = loop.time() + 0.06
    await until(lambda: loop.time() > end)
    assert len(delivered) == 1


async def test_removals_are_counted_and_logged_with_their_causes(run, caplog):
    caplog.set_level(logging.INFO, "pylb.discovery")
    pipeline, _, provider = run(snapshot(1, 2, 3), snapshot(3, critical=(1,)), snapshot(maintenance=(3,)))
    await read(provider)
    assert pipeline.status.removals == {"deregistered": 1, "unfit": 2}
    assert pipeline.status.guards["emptied"] == 1
    assert "web-1 receives no more requests: critical" in caplog.text
    assert "web-2 receives no more requests: deregistered" in caplog.text


async def test_a_change_of_probes_or_overrides_is_a_separate_state(run):
    overrides, overlays = [], {}

    class Probes:
        def follow(self, _):
            return overlays

    pipeline, delivered, provider = run(snapshot(1, 2), probes=Probes(), overrides=lambda: overrides)
    pipeline.on_change("probes: web-1 fails")
    assert delivered == [], "unknown is never a state"
    await read(provider)
    failed = Overlay("/", ProbeVerdict(well=False, number=1))
    overlays[endpoint(1).key] = failed
    pipeline.on_change("probes: web-1 fails")
    overrides.append(Override(1, "web", Action.DRAIN, "web-2"))
    pipeline.on_change("operator: drain web-2")
    provider.then(snapshot(1, 2, 3))
    await read(provider)
    assert [(s.generation, s.cause, numbers(s)) for s in delivered] == [
        (1, "test: +web-1 +web-2", [1, 2]),
        (2, "probes: web-1 fails", [1, 2]),
        (3, "operator: drain web-2", [1]),
        (4, "test: +web-3", [1, 3]),
    ]
    assert all(state.overlays == ((endpoint(1).key, failed),) for state in delivered[1:])
    assert [e.id for e in pipeline.current.endpoints] == ["web-1", "web-2", "web-3"]


async def test_a_successor_continues_the_state_of_a_pipeline(run):
    first, _, provider = run(snapshot(1, 2), snapshot(1))
    await read(provider)
    remembered = orjson.loads(orjson.dumps(first.remember()))
    second, delivered, provider = run()
    assert second.remember() is None
    second.resume(remembered)
    assert second.current == first.current
    provider.then(snapshot())
    await read(provider)
    assert (delivered, second.status.retained) == ([], 1), "the first response after the restart is untrusted"
    provider.then(snapshot(1, 2))
    await read(provider)
    assert [(numbers(s), s.generation) for s in delivered] == [([1, 2], 3)]


async def test_a_new_pylb_does_not_accept_an_empty_first_response(run):
    """The registry has restarted and not yet read its services, in the moment of an upgrade."""
    former, _, provider = run(snapshot(1, 2))
    await read(provider)
    remembered = orjson.loads(orjson.dumps(former.remember()))
    pipeline, delivered, provider = run(snapshot())
    pipeline.expect(remembered)
    assert pipeline.current is None, "it queries the registry itself"
    await read(provider)
    assert [numbers(s) for s in delivered] == [[1, 2]]
    assert pipeline.status.untrusted_reason == (
        "contact was lost (pylb was replaced since the response before)"
    )
    provider.then(snapshot(2, 3))
    await read(provider)
    assert [numbers(s) for s in delivered][1:] == [[1, 2, 3]]
