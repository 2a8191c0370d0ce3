"""Services of the catalog under requests without pauses: what ends or restarts costs no request."""

import asyncio
import signal
from contextlib import asynccontextmanager

import pytest

from tests.scenarios.routes.catalog import answered, no_problem, problem

pytestmark = pytest.mark.slow


@asynccontextmanager
async def busy(pylb):
    """Clients without pauses for the service `shop`; none of their requests may fail."""
    async with pylb.clients(8) as clients:
        await clients.more()
        yield clients
        await clients.more()
    assert clients.failures == {}
    assert set(clients.answers) == {"web-1"}


@pytest.fixture
async def catalog(program, declaring):
    """A pylb with the services `shop`, which takes the requests of the clients, and `cart`."""
    pylb = program("--consul", declaring.consul.http, "--catalog")
    await pylb.origin()
    await pylb.origin()
    await register(pylb, declaring)
    await pylb.start()
    await answered(pylb, "/", "web-1")
    await answered(pylb, "/", "web-2", host="cart.example")
    return pylb


async def register(pylb, declaring):
    await declaring.register("shop", pylb.origins[0], lb_route="shop.example")
    await declaring.register("cart", pylb.origins[1], lb_route="cart.example")


async def test_services_that_begin_and_end_do_not_affect_others(catalog, declaring):
    workers = {p.pid for p in catalog.processes("worker")}
    async with busy(catalog):
        for number in range(5):
            await declaring.register(f"new-{number}", catalog.origins[1], lb_route="new.example")
            await answered(catalog, "/", "web-2", host="new.example")
            await declaring.deregister(f"new-{number}")
            await answered(catalog, "/", "no service", 404, host="new.example")
    assert {p.pid for p in catalog.processes("worker")} == workers


async def test_a_consul_that_restarts_empty_costs_no_request(catalog, declaring):
    async with busy(catalog) as clients:
        await asyncio.to_thread(declaring.consul.kill)
        await catalog.logged("cannot be read")
        await asyncio.to_thread(declaring.consul.start)
        await catalog.logged("responds again")
        await clients.more(500)
        await answered(catalog, "/", "web-2", host="cart.example")
        await register(catalog, declaring)
        await declaring.register("late", catalog.origins[1], lb_route="late.example")
        await answered(catalog, "/", "web-2", host="late.example")
        await answered(catalog, "/", "web-2", host="cart.example")


@pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL; another one starts")
async def test_a_killed_control_costs_no_request(catalog, declaring):
    async with busy(catalog):
        (control,) = catalog.processes("control")
        control.kill()
        await declaring.register("late", catalog.origins[1], lb_route="late.example")
        await answered(catalog, "/", "web-2", host="late.example")
        await answered(catalog, "/", "web-2", host="cart.example")


async def test_a_reload_and_an_upgrade_cost_no_request(catalog, declaring):
    async with busy(catalog) as clients:
        catalog.send(signal.SIGHUP)
        await catalog.logged("generation 2 serves")
        await clients.more()
        catalog.send(signal.SIGUSR2)
        assert await catalog.ended() == 0
        await clients.more()
        await declaring.register("late", catalog.origins[1], lb_route="late.example")
        await answered(catalog, "/", "web-2", host="late.example")
        await answered(catalog, "/", "web-2", host="cart.example")


async def test_the_younger_of_two_equal_routes_is_served_when_the_older_ends(catalog, declaring):
    await declaring.register("younger", catalog.origins[0], lb_route="cart.example")
    await problem(catalog, "is for the same requests as", "younger")
    await answered(catalog, "/", "web-2", host="cart.example")
    async with busy(catalog):
        await declaring.deregister("cart")
        await answered(catalog, "/", "web-1", host="cart.example")
        await no_problem(catalog, "is for the same requests as")


async def test_a_response_time_out_is_that_of_the_service_alone(program, declaring):
    released = asyncio.Event()

    async def slow(reader, writer):
        await released.wait()

    pylb = program("--consul", declaring.consul.http, "--catalog")
    quick, stuck = await pylb.origin(), await pylb.origin(slow)
    await declaring.register("shop", quick, lb_route="shop.example")
    await declaring.register(
        "stuck", stuck, lb_route="stuck.example", lb_response_timeout="200ms", lb_retries="0"
    )
    await pylb.start()
    await answered(pylb, "/", "web-1")
    async with busy(pylb):
        await answered(pylb, "/", "", 504, host="stuck.example")
    released.set()


async def test_eight_megabytes_of_tags_concern_their_service_alone(catalog, declaring):
    """Twenty instances of one service have 400 tags of 1 kB each."""
    before = {p.pid for p in catalog.family()}
    async with busy(catalog):
        for number in range(20):
            await declaring.register(
                "huge",
                catalog.origins[1],
                number=number,
                tags=[f"urlprefix-/{number}/{each}/" + "a" * 1000 for each in range(400)],
            )
        await problem(catalog, "", "huge")
        await declaring.register("late", catalog.origins[1], lb_route="late.example")
        await answered(catalog, "/", "web-2", host="late.example")
    assert {p.pid for p in catalog.family()} == before


async def test_an_instance_with_ten_megabytes_of_tags_is_excluded_by_itself(catalog, declaring):
    """The other instance of its service declares the route, and takes the requests."""
    tags = [f"urlprefix-/{each}/" + "a" * 1000 for each in range(10_000)]
    await declaring.register("alone", catalog.origins[1], tags=tags)
    await problem(catalog, "characters of tags and metadata, expected at most", "alone")
    before = {p.pid: p.memory_info().rss for p in catalog.family()}
    async with busy(catalog):
        await declaring.register("cart", catalog.origins[1], number=2, tags=tags)
        text = await problem(catalog, "characters of tags and metadata, expected at most", "cart")
        assert text.startswith("cart-2 is excluded: invalid: ")
        for number in range(10):
            await declaring.register("cart", catalog.origins[1], number=2, tags=[*tags, str(number)])
        await declaring.register("late", catalog.origins[1], lb_route="late.example")
        await answered(catalog, "/", "web-2", host="late.example")
        await answered(catalog, "/", "web-2", host="cart.example")
    after = {p.pid: p.memory_info().rss for p in catalog.family()}
    assert after.keys() == before.keys()
    assert max(after[pid] - before[pid] for pid in after) < 150_000_000
