import asyncio
import contextlib

import pytest

from pylb.clients import consul as client_module
from pylb.clients.consul import ConsulError
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Watch
from tests.clients.scripted_consul import DROP, HANG, Answer, instance, web_instances
from tests.discovery.pipelines import make_pipeline
from tests.discovery.snapshots import numbers
from tests.registries import consul_at
from tests.until import until

NO_LEADER = {"X-Consul-KnownLeader": "false"}
OLD = {"X-Consul-LastContact": "2001"}
YOUNG = {"X-Consul-LastContact": "2000"}
FILTERED = {"X-Consul-Results-Filtered-By-ACLs": "true"}


@pytest.fixture
async def provide(scripted):
    """Make providers of the scripted server."""
    feeds = []

    def make(*, tags=(), include_warning=False, **settings):
        feeds.append(ConsulFeed(consul_at(scripted.url, **settings)))
        return ConsulProvider(
            feeds[-1],
            "web",
            status=DiscoveryStatus("web"),
            tags=tags,
            include_warning=include_warning,
            clock=lambda: 1e9,
        )

    yield make
    for feed in feeds:
        await feed.close()


async def take(provider, count):
    """The first so many snapshots of one life of the provider."""
    async with contextlib.aclosing(provider.watch()) as snapshots:
        return [await anext(snapshots) for _ in range(count)]


async def test_each_query_blocks_on_the_last_index(scripted, provide):
    scripted.then(Answer(web_instances(1), 5), Answer(web_instances(1, 2), 7), Answer(web_instances(1, 2), 7))
    snapshots = await take(provider := provide(tags=["blue"]), 3)
    assert [numbers(s) for s in snapshots] == [[1], [1, 2], [1, 2]]
    assert [s.cause for s in snapshots] == ["consul index 5", "consul index 7", "consul index 7"]
    assert snapshots[0].observed == 1e9
    assert scripted.queries == [
        {"tag": "blue"},
        {"tag": "blue", "index": "5", "wait": "55s"},
        {"tag": "blue", "index": "7", "wait": "55s"},
    ]
    assert provider.status.index == 7
    assert len(scripted.connections) == 1


async def test_a_service_without_any_instance_is_explained(scripted, provide):
    scripted.names = {"consul": [], "http": []}
    scripted.then(Answer([], 5), Answer(web_instances(1), 6))
    provider = provide()
    async with contextlib.aclosing(provider.watch()) as snapshots:
        assert (await anext(snapshots)).empty
        assert provider.status.missing == "Consul knows http; did you mean http?"
        assert not (await anext(snapshots)).empty


async def test_an_index_of_zero_is_not_used(scripted, provide):
    scripted.then(Answer([], 0), Answer([], 0))
    await take(provide(), 2)
    assert scripted.queries[1]["index"] == "1"


async def test_a_decreased_index_is_reset_and_the_answer_untrusted(scripted, provide):
    answers = [
        Answer(web_instances(1, 2), 90),
        Answer(web_instances(2, 3), 12),
        Answer(web_instances(2, 3), 12),
    ]
    scripted.then(*answers, HANG)
    snapshots = await take(provider := provide(), 3)
    assert [numbers(s) for s in snapshots] == [[1, 2], [2, 3], [2, 3]]
    assert [s.untrusted_reason for s in snapshots] == ["", "the index decreased from 90 to 12", ""]
    assert [query.get("index") for query in scripted.queries] == [None, "90", None]
    assert provider.status.guards["index_reset"] == 1


async def test_after_an_error_the_first_query_has_no_index(scripted, provide):
    provider = provide()
    scripted.then(Answer(web_instances(1), 90), DROP, Answer(web_instances(1), 12))
    with pytest.raises(ConnectionError):
        await take(provider, 2)
    (snapshot,) = await take(provider, 1)
    assert [query.get("index") for query in scripted.queries] == [None, "90", None]
    assert (numbers(snapshot), snapshot.untrusted_reason) == ([1], "")


@pytest.mark.parametrize("last", [[], [instance(1, "critical")]], ids=["none listed", "none healthy"])
async def test_an_empty_answer_is_confirmed_by_the_leader(scripted, provide, last):
    scripted.then(Answer(web_instances(1), 5), Answer(last, 6), Answer(last, 6))
    snapshots = await take(provider := provide(), 2)
    assert [(numbers(s), s.untrusted_reason) for s in snapshots] == [([1], ""), ([], "")]
    assert scripted.queries[1:] == [{"index": "5", "wait": "55s"}, {"consistent": ""}]
    assert provider.status.guards == {"empty_confirmed": 1}


async def test_another_answer_of_the_leader_is_used(scripted, provide):
    scripted.then(Answer(web_instances(1), 5), Answer([], 6), Answer(web_instances(1, 2), 8), HANG)
    snapshots = await take(provider := provide(consistency="stale"), 2)
    assert [numbers(s) for s in snapshots] == [[1], [1, 2]]
    assert provider.status.guards == {"empty_refuted": 1}


async def test_an_unavailable_leader_confirms_nothing(scripted, provide):
    scripted.then(Answer(web_instances(1), 5), Answer([], 6), Answer(status=500, body=b"No cluster leader"))
    with pytest.raises(ConsulError, match="No cluster leader"):
        await take(provide(), 2)


async def test_a_service_that_was_empty_before_needs_no_confirmation(scripted, provide):
    scripted.then(Answer([], 5), Answer([], 6))
    await take(provide(), 2)
    assert [set(query) for query in scripted.queries] == [set(), {"index", "wait"}]


async def test_a_filtered_answer_is_never_empty(scripted, provide):
    scripted.then(Answer([], 5, headers=FILTERED))
    with pytest.raises(ConsulError, match=r"lists no instance of web, but Consul hides .* service:read"):
        await take(provider := provide(), 1)
    assert provider.status.guards == {"acl_filtered": 1}


async def test_a_filtered_answer_is_untrusted(scripted, provide):
    scripted.then(Answer(web_instances(1), 5, headers=FILTERED))
    (snapshot,) = await take(provide(), 1)
    assert numbers(snapshot) == [1]
    assert snapshot.untrusted_reason.startswith("Consul hides instances")


@pytest.mark.parametrize(("headers", "guard"), [(NO_LEADER, "no_leader"), (OLD, "stale_contact")])
async def test_an_outdated_server_is_replaced_by_the_leader(scripted, provide, headers, guard):
    scripted.then(Answer(web_instances(1), 5, headers=headers), Answer(web_instances(1, 2), 8))
    (snapshot,) = await take(provider := provide(consistency="stale"), 1)
    assert (numbers(snapshot), snapshot.untrusted_reason) == ([1, 2], "")
    assert scripted.queries == [{"stale": ""}, {}]
    assert provider.status.guards == {guard: 1}


async def test_a_recent_answer_of_a_follower_is_trusted(scripted, provide):
    scripted.then(Answer(web_instances(1), 5, headers=YOUNG))
    (snapshot,) = await take(provide(consistency="stale"), 1)
    assert (snapshot.untrusted_reason, len(scripted.queries)) == ("", 1)


async def test_without_a_leader_an_old_answer_is_untrusted(scripted, provide):
    scripted.then(Answer(web_instances(1), 5, headers=OLD), Answer(status=500))
    (snapshot,) = await take(provide(consistency="stale"), 1)
    assert numbers(snapshot) == [1]
    assert snapshot.untrusted_reason == "the server that answered had no contact with its leader for 2.0 s"


async def test_without_a_leader_an_empty_answer_is_an_error(scripted, provide):
    scripted.then(Answer([], 5, headers=NO_LEADER))
    with pytest.raises(ConsulError, match=r"lists no instance of web, but .* knows no leader"):
        await take(provide(), 1)


async def test_warning_instances_are_optional(scripted, provide):
    scripted.then(*[Answer([instance(1, "warning")])] * 2)
    (cautious,) = await take(provide(), 1)
    (bold,) = await take(provide(include_warning=True), 1)
    assert (numbers(cautious), numbers(bold)) == ([], [1])


async def test_one_invalid_instance_affects_no_other(scripted, provide):
    scripted.then(Answer([instance(1), instance(2, Tags="red"), instance(3)]))
    (snapshot,) = await take(provide(), 1)
    assert numbers(snapshot) == [1, 3]
    assert [x.endpoint.id for x in snapshot.excluded] == ["web-2"]


@pytest.fixture
async def pipeline_of(provide):
    """Run a pipeline on the scripted server; returns it and the states that it delivered."""
    tasks = []

    async def short_sleep(seconds):
        await asyncio.sleep(0.01)

    def start(**settings):
        provider = provide(**settings)
        delivered = []
        watch = Watch(provider, provider.status, sleep=short_sleep)
        pipeline = make_pipeline(watch, lambda state, _: delivered.append(state))
        tasks.append(asyncio.get_running_loop().create_task(pipeline.run()))
        return pipeline, delivered

    yield start
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_silent_connection_is_replaced(scripted, pipeline_of, monkeypatch):
    """Half-open TCP under a long poll froze pools for 15 minutes (Traefik issue 11688)."""
    monkeypatch.setattr(client_module, "ANSWER_TIMEOUT", -58.3)
    pipeline, delivered = pipeline_of()
    scripted.then(Answer(web_instances(1), 5), HANG, Answer(web_instances(1, 2), 6), HANG)
    await until(lambda: len(delivered) == 2)
    assert [numbers(s) for s in delivered] == [[1], [1, 2]]
    assert len(scripted.connections) == 2
    assert pipeline.status.errors == 1


async def test_a_restarted_empty_consul_loses_no_instance(scripted, pipeline_of):
    pipeline, delivered = pipeline_of()
    scripted.then(Answer(web_instances(1, 2, 3), 90), DROP, *[DROP] * 5, Answer(status=500))
    scripted.then(Answer([], 11), Answer([], 12), Answer([], 13))
    again = [instance(n, created=20 + n) for n in (1, 2, 3)]
    scripted.then(Answer(again[:1], 21), Answer(again[:2], 22), Answer(again, 23))
    await until(lambda: delivered and all(e.created > 20 for e in delivered[-1].endpoints))
    assert all(numbers(s) == [1, 2, 3] for s in delivered)
    assert (pipeline.status.retained, pipeline.status.guards["flap_absorbed"]) == (0, 3)


async def test_a_connection_limit_is_retried_with_a_hint(scripted, pipeline_of):
    pipeline, delivered = pipeline_of()
    scripted.then(Answer(status=429, body=b"Your IP is issuing too many concurrent connections"), HANG)
    await until(lambda: pipeline.status.error)
    assert "raise limits.http_max_conns_per_client" in pipeline.status.error
    assert delivered == []


async def test_health_is_queried_without_changes(scripted, pipeline_of):
    """The end of a wait brings everything anew: that repairs a missed event (Traefik issue 6613)."""
    _, delivered = pipeline_of()
    scripted.then(Answer(web_instances(1), 5), Answer(web_instances(1, 2), 5))
    await until(lambda: len(delivered) == 2)
    assert numbers(delivered[-1]) == [1, 2]
