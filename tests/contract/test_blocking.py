"""Blocking queries: when they come back, and with which index."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.slow

LONG = "20s"
"""Longer than any test waits: what comes back earlier was woken."""
SHORT = 0.15
"""Seconds; the time that is up when nothing woke a query."""


async def woken(query, change):
    """What a blocked query answers after a change."""
    reply, _ = await asyncio.wait_for(asyncio.gather(query, change), 10)
    return reply


async def not_woken(api, path, change, **params):
    """Assert that a change leaves a blocked query alone until its time is up, and return its answer."""
    index = (await api.get(path)).index
    started = time.monotonic()

    async def then_change():
        # The query must be blocked before the change comes; it is, by the time that these have taken.
        for _ in range(3):
            await api.get("/v1/status/leader")
        await change

    query = api.get(path, index=index, wait=f"{SHORT * 1000:.0f}ms", **params)
    reply, _ = await asyncio.gather(query, then_change())
    assert time.monotonic() - started >= SHORT
    assert (reply.status, reply.index) == (200, index)
    return reply


@pytest.fixture
async def web(api):
    """A registry with one instance that has a TTL check."""
    await api.register({"Name": "@web", "ID": "@1", "Port": 1, "Check": {"CheckID": "@t", "TTL": "10m"}})
    await api.catalogued()
    return api


CHANGES = {
    "another instance": ("service/register", {"Name": "@web", "ID": "@2"}),
    "a changed instance": ("service/register", {"Name": "@web", "ID": "@1", "Port": 2}),
    "a check that passes": ("check/pass/@t", None),
    "a further check": ("check/register", {"Name": "@new", "TTL": "10m", "ServiceID": "@1"}),
    "a check less": ("check/deregister/@t", None),
    "a check of the node": ("check/register", {"Name": "@node", "TTL": "10m"}),
    "an instance less": ("service/deregister/@1", None),
    "maintenance": ("service/maintenance/@1?enable=true", None),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_health_query_returns_at_a_change(web, change):
    path, body = CHANGES[change]
    before = await web.health()
    query = web.health(index=before.index, wait=LONG)
    reply = await woken(query, web.put(f"/v1/agent/{path}", body))
    assert reply.index > before.index
    assert reply.content != before.content
    assert reply.index == (await web.health()).index


async def test_an_outdated_index_is_answered_immediately(web):
    before = await web.health()
    await web.put("/v1/agent/check/pass/@t")
    await web.until(web.statuses, {"@t": ("passing", "")})
    reply = await asyncio.wait_for(web.health(index=before.index, wait=LONG), 5)
    assert reply.index > before.index


@pytest.mark.parametrize("index", ["", "0", "1"])
async def test_index_zero_is_answered_immediately(web, index):
    reply = await asyncio.wait_for(web.health(index=index, wait=LONG), 5)
    assert len(reply.content) == 1


async def test_a_timeout_returns_the_same_index_and_content(web):
    before = await web.health()
    reply = await not_woken(web, "/v1/health/service/@web", asyncio.sleep(0))
    assert reply.content == before.content


async def test_the_timeout_has_a_jitter_of_at_most_a_sixteenth(web):
    started = time.monotonic()
    index = (await web.health()).index
    await asyncio.gather(*(web.health(index=index, wait="320ms") for _ in range(8)))
    assert 0.32 <= time.monotonic() - started < 0.32 * 17 / 16 + 0.3


async def test_a_future_index_blocks_and_returns_the_real_one(web):
    index = (await web.health()).index
    started = time.monotonic()
    reply = await web.health(index=index + 1_000_000, wait=f"{SHORT * 1000:.0f}ms")
    assert time.monotonic() - started >= SHORT
    assert reply.index == index


async def test_a_change_of_another_service_does_not_end_the_query(web):
    await not_woken(web, "/v1/health/service/@web", web.register({"Name": "@other"}))


async def test_an_unchanged_registration_ends_no_blocking_query(web):
    await not_woken(web, "/v1/health/service/@web", web.register({"Name": "@web", "ID": "@1", "Port": 1}))


async def test_a_new_output_alone_does_not_end_the_query(web):
    """Consul's agent keeps it to itself for minutes."""
    path = "/v1/health/service/@web"
    await not_woken(web, path, web.put("/v1/agent/check/fail/@t", note="why"))
    assert (await web.get("/v1/agent/checks")).content["@t"]["Output"] == "why"
    assert await web.statuses() == {"@t": ("critical", "")}


async def test_changes_hidden_by_passing_end_the_query(web):
    before = await web.health(passing="")
    assert before.content == []
    await web.put("/v1/agent/check/warn/@t")
    reply = await asyncio.wait_for(web.health(index=before.index, wait=LONG, passing=""), 10)
    assert (reply.content, reply.index > before.index) == ([], True)


async def test_changes_hidden_by_a_tag_end_the_query(web):
    index = (await web.health()).index
    query = web.health(index=index, wait=LONG, tag="none")
    reply = await woken(query, web.register({"Name": "@web", "ID": "@2"}))
    assert (reply.content, reply.index > index) == ([], True)


async def test_a_missing_service_is_returned_when_it_is_registered(api):
    before = await api.health()
    assert (before.status, before.content) == (200, [])
    assert before.index >= 1
    index = before.index
    await api.register({"Name": "@web"})
    reply = await api.until(lambda: api.health(index=index, wait="100ms"), lambda r: r.content)
    assert reply.index > index


async def test_missing_services_share_the_index_of_the_last_removal(api):
    await api.register({"Name": "@gone"})
    last = await api.catalogued("@gone")
    missing = await api.health("@never")
    query = api.health("@never", index=missing.index, wait=LONG)
    reply = await woken(query, api.put("/v1/agent/service/deregister/@gone"))
    assert reply.content == []
    assert reply.index == (await api.health("@gone")).index > last.index


async def test_a_changed_service_does_not_end_the_query_of_a_missing_one(api):
    await api.register({"Name": "@gone"})
    await api.register({"Name": "@other"})
    await api.catalogued("@gone")
    await api.put("/v1/agent/service/deregister/@gone")
    await api.catalogued("@gone", instances=0)
    await not_woken(api, "/v1/health/service/@never", api.register({"Name": "@other", "Port": 7}))


async def test_a_moved_id_does_not_end_the_query_of_its_old_service(web):
    """A defect of Consul: a query for the old name does not end while other instances remain."""
    await web.register({"Name": "@web", "ID": "@2"})
    await web.catalogued(instances=2)
    path = "/v1/health/service/@web"
    reply = await not_woken(web, path, web.register({"Name": "@other", "ID": "@2"}))
    assert len(reply.content) in {1, 2}  # Consul may look again at the time-out, or give what it saw.
    again = await web.until(web.health, lambda r: len(r.content) == 1)
    assert again.index == reply.index


async def test_catalog_services(web):
    before = await web.get("/v1/catalog/services")
    query = web.get("/v1/catalog/services", index=before.index, wait=LONG)
    reply = await woken(query, web.register({"Name": "@new", "Tags": ["x"]}))
    assert "@new" not in before.content
    assert (reply.content["@new"], reply.index > before.index) == (["x"], True)
    await not_woken(web, "/v1/catalog/services", web.put("/v1/agent/check/pass/@t"))


@pytest.mark.parametrize("path", ["health/checks/@web", "health/state/any", "health/state/passing"])
async def test_checks_block(web, path):
    before = await web.get(f"/v1/{path}")
    query = web.get(f"/v1/{path}", index=before.index, wait=LONG)
    reply = await woken(query, web.put("/v1/agent/check/pass/@t"))
    assert reply.index > before.index


async def test_other_checks_do_not_end_a_query_of_checks(web):
    await web.register({"Name": "@other", "Check": {"CheckID": "@o", "TTL": "10m"}})
    await web.until(lambda: web.statuses("@other"), {"@o": ("critical", "")})
    path = "/v1/health/checks/@web"
    reply = await not_woken(web, path, web.put("/v1/agent/check/pass/@o"))
    assert (await web.get(path)).index > reply.index


async def test_checks_do_not_end_a_catalog_query(web):
    path = "/v1/catalog/service/@web"
    reply = await not_woken(web, path, web.put("/v1/agent/check/pass/@t"))
    newer = await web.get(path)
    assert newer.index > reply.index, "the index moves all the same"
    query = web.get(path, index=newer.index, wait=LONG)
    reply = await woken(query, web.register({"Name": "@web", "ID": "@2"}))
    assert (len(reply.content), reply.index > newer.index) == (2, True)


async def test_services_do_not_end_a_query_of_nodes(web):
    await not_woken(web, "/v1/catalog/nodes", web.put("/v1/agent/check/pass/@t"))


async def test_one_change_ends_many_queries(web):
    index = (await web.health()).index
    queries = asyncio.gather(*(web.health(index=index, wait=LONG) for _ in range(30)))
    replies = await woken(queries, web.put("/v1/agent/check/pass/@t"))
    assert len({reply.index for reply in replies}) == 1
    assert replies[0].index > index


async def test_a_disconnected_client_is_no_error(web):
    index = (await web.health()).index
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(web.health(index=index, wait=LONG), 0.05)
    reply = await woken(web.health(index=index, wait=LONG), web.put("/v1/agent/check/pass/@t"))
    assert reply.index > index
