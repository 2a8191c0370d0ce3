"""A real Consul, from registration to the snapshot that the pool gets."""

import statistics
import time

import pytest

from tests.until import until


async def test_registrations_and_deregistrations_are_applied(consul, observe):
    web = await observe(consul, "come-and-go")
    await until(lambda: web.delivered)
    assert web.names == set()
    await web.register("go-1", 9001, Tags=["blue"], Meta={"v": "2"}, Weights={"Passing": 5, "Warning": 1})
    await until(lambda: web.names == {"go-1"})
    (endpoint,) = web.delivered[-1].endpoints
    assert (endpoint.authority, endpoint.weight, endpoint.tags) == ("127.0.0.1:9001", 5, ("blue",))
    assert ("v", "2") in endpoint.meta
    await web.register("go-2", 9002)
    await until(lambda: web.names == {"go-1", "go-2"})
    await web.deregister("go-1")
    await until(lambda: web.names == {"go-2"})


async def test_a_missing_service_is_explained_by_similar_names(consul, observe):
    other = await observe(consul, "explained-shop")
    await other.register("explained-shop-1", 9001)
    await until(lambda: other.names == {"explained-shop-1"})
    misspelled = await observe(consul, "explained-shpo")
    await until(lambda: misspelled.delivered)
    assert misspelled.pipeline.status.missing.endswith("; did you mean explained-shop?")
    await other.deregister("explained-shop-1")


async def test_deregistering_the_last_instance_empties_the_pool_immediately(consul, observe):
    web = await observe(consul, "honestly-empty")
    await web.register("last", 9001)
    await until(lambda: web.names == {"last"})
    before = time.monotonic()
    await web.deregister("last")
    await until(lambda: web.names == set())
    assert time.monotonic() - before < 5, "half of --empty-guard"
    assert web.pipeline.status.guards == {"empty_confirmed": 1, "emptied": 1}


async def test_checks_maintenance_and_duplicates_exclude_instances_with_reasons(consul, observe):
    web = await observe(consul, "checked")
    check = {"TTL": "60s", "CheckID": "checked-ttl", "Status": "passing"}
    await web.register("steady", 9001)
    await web.register("checked", 9002, Check=check)
    await until(lambda: web.names == {"steady", "checked"})
    await web.put("agent/check/update/checked-ttl", Status="critical", Output="disk full\nvery")
    await until(lambda: web.names == {"steady"})
    assert web.reasons["checked"].endswith(": disk full")
    await web.put("agent/check/update/checked-ttl", Status="warning", Output="disk nearly full")
    await until(lambda: web.reasons.get("checked", "").startswith("warning"))
    await web.put("agent/check/update/checked-ttl", Status="passing")
    await until(lambda: web.names == {"steady", "checked"})
    await web.put("agent/service/maintenance/steady?enable=true&reason=upgrade")
    await until(lambda: web.names == {"checked"})
    assert web.reasons == {"steady": "maintenance: upgrade"}
    await web.put("agent/service/maintenance/steady?enable=false")
    await until(lambda: web.names == {"steady", "checked"})
    await web.register("newer", 9001)
    await until(lambda: web.names == {"newer", "checked"})
    assert web.reasons == {"steady": "duplicate of newer at 127.0.0.1:9001"}


async def test_another_address_under_the_same_id_replaces_the_old_one(consul, observe):
    web = await observe(consul, "moved")
    await web.register("same", 9001)
    await until(lambda: web.names == {"same"})
    await web.register("same", 9002)
    await until(lambda: [e.port for e in web.delivered[-1].endpoints] == [9002])


async def test_a_new_output_of_a_check_causes_no_change(consul, observe):
    web = await observe(consul, "chatty")

    async def report(output):
        service = {"ID": "chatty", "Service": "chatty", "Port": 9001}
        check = {"CheckID": "chatty", "Status": "passing", "ServiceID": "chatty", "Output": output}
        await web.put("catalog/register", Node="n", Address="127.0.0.1", Service=service, Check=check)

    await report("41 requests")
    await until(lambda: web.names == {"chatty"})
    index, count = web.pipeline.status.index, len(web.delivered)
    await report("42 requests")
    await until(lambda: web.pipeline.status.index > index)
    assert len(web.delivered) == count
    await web.put("catalog/deregister", Node="n")


@pytest.mark.slow
async def test_two_hundred_changes_in_a_row_are_applied(consul, observe):
    """The bucket that slows down empty answers must never slow down a change."""
    web = await observe(consul, "busy")
    await web.register("busy-0", 9000)
    await until(lambda: web.names == {"busy-0"})
    delays = []
    for number in range(1, 101):
        for change, expected in [
            (web.register(f"busy-{number}", 9000 + number), {"busy-0", f"busy-{number}"}),
            (web.deregister(f"busy-{number}"), {"busy-0"}),
        ]:
            await change
            returned = time.monotonic()
            await until(lambda expected=expected: web.names == expected)
            delays.append(max(0.0, web.moments[-1] - returned))
    assert statistics.median(delays) < 0.05
    assert max(delays) < 0.9
