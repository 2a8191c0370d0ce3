"""Services of Consul's catalog declare their routes themselves; pylb serves them at once."""

import asyncio
import signal

import pytest

from tests.scenarios.routes.catalog import answered, no_problem, problem, problems

pytestmark = pytest.mark.slow


async def test_a_new_service_registers_with_a_route_and_takes_traffic(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    cart, silent = await pylb.origin(), await pylb.origin()
    await pylb.start()
    await declaring.register("silent", silent)
    await declaring.register("cart", cart, lb_route="shop.example/cart strip=/cart")
    await answered(pylb, "/cart/1", "web-1")
    await answered(pylb, "/", "no service", 404)
    await answered(pylb, "/cart/1", "no service", 404, host="other.example")
    await declaring.deregister("cart")
    await answered(pylb, "/cart/1", "no service", 404)
    await declaring.register("cart", silent, lb_route="/basket")
    await answered(pylb, "/basket", "web-2")


async def test_a_route_changes_with_its_instances_and_a_second_service_waits_for_the_first(
    program, declaring
):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    first, second = await pylb.origin(), await pylb.origin()
    await declaring.register("one", first, lb_route="/x")
    await pylb.start()
    await answered(pylb, "/x", "web-1")
    await declaring.register("two", second, lb_route="/x")
    await problem(pylb, "is for the same requests as", "two")
    await answered(pylb, "/x", "web-1")
    await declaring.register("one", first, lb_route="/y")
    await answered(pylb, "/y", "web-1")
    await answered(pylb, "/x", "web-2")
    await no_problem(pylb, "is for the same requests as")


async def test_tags_of_fabio_are_served_and_services_with_one_tag_share_the_requests(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    blue, green = await pylb.origin(), await pylb.origin()
    await pylb.start()
    await declaring.register("blue", blue, tags=["urlprefix-/foo strip=/foo", "v1"])
    await answered(pylb, "/foobar", "web-1")
    await declaring.register("green", green, tags=["urlprefix-/foo strip=/foo"])
    await answered(pylb, "/foo", "web-")
    answers = {(await pylb.get("/foo", admin=False))[1] for _ in range(60)}
    assert answers == {"web-1", "web-2"}
    await declaring.deregister("blue")
    await answered(pylb, "/foo", "web-2")


async def test_rules_of_traefik_are_served_and_what_protects_is_never_skipped(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    shop, admin = await pylb.origin(), await pylb.origin()
    await pylb.start()
    await declaring.register(
        "shop", shop, tags=["traefik.enable=true", "traefik.http.routers.shop.rule=Host(`shop.example`)"]
    )
    await answered(pylb, "/", "web-1")
    await declaring.register(
        "admin",
        admin,
        tags=[
            "traefik.enable=true",
            "traefik.http.routers.admin.rule=Host(`shop.example`) && PathPrefix(`/admin`)",
            "traefik.http.routers.admin.middlewares=auth@file",
        ],
    )
    await answered(pylb, "/admin", "auth@file", 503)
    await problem(pylb, "auth@file", "admin")
    await answered(pylb, "/", "web-1")


async def test_a_service_is_served_without_its_protection_only_if_the_options_name_it(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog", "--serve-unprotected", "open")
    one, two = await pylb.origin(), await pylb.origin()
    await pylb.start()
    await declaring.register("open", one, tags=["urlprefix-/open auth=x"])
    await declaring.register("closed", two, tags=["urlprefix-/closed auth=x"])
    await answered(pylb, "/open", "web-1")
    await answered(pylb, "/closed", "auth", 503)


async def test_a_service_claims_only_what_the_options_allow(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog", "--catalog-allow", "shop=/shop")
    one = await pylb.origin()
    await pylb.start()
    await declaring.register("thief", one, lb_route="/")
    await problem(pylb, "--catalog-allow", "thief")
    await declaring.register("shop", one, lb_route="/shop/cart")
    await answered(pylb, "/shop/cart", "web-1")
    await answered(pylb, "/", "no service", 404)


async def test_settings_of_a_service_are_applied_and_wrong_ones_concern_themselves(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    one = await pylb.origin()
    await pylb.start()
    await declaring.register("api", one, lb_route="/api", lb_policy="round-robin", lb_response_timeout="soon")
    await answered(pylb, "/api", "web-1")
    await problem(pylb, "response-timeout", "api")
    await has_policy(pylb, "round-robin")


async def test_a_restarted_consul_removes_nothing(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    cart = await pylb.origin()
    await declaring.register("cart", cart, lb_route="/cart")
    await pylb.start()
    await answered(pylb, "/cart", "web-1")
    declaring.consul.kill()
    await pylb.logged("cannot be read")
    await answered(pylb, "/cart", "web-1")
    declaring.consul.start()
    await pylb.logged("responds again")
    await answered(pylb, "/cart", "web-1")
    assert not [text for _, text in await problems(pylb) if "no service" in text]


async def test_a_service_changes_its_settings_and_its_protection(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    one = await pylb.origin()
    await pylb.start()
    await declaring.register("api", one, lb_route="/api")
    await answered(pylb, "/api", "web-1")
    await declaring.register("api", one, lb_route="/api", lb_policy="round-robin")
    await pylb.logged("the settings have changed")
    await has_policy(pylb, "round-robin")
    await answered(pylb, "/api", "web-1")
    for _ in range(2):
        await declaring.register("api", one, tags=["urlprefix-/api auth=x"])
        await answered(pylb, "/api", "auth", 503)
        await declaring.register("api", one, lb_route="/api", lb_policy="random")
        await answered(pylb, "/api", "web-1")
        await has_policy(pylb, "random")


async def has_policy(pylb, name):
    """Wait until the only service has this policy."""
    async with asyncio.timeout(20):
        while f'"policy":"{name}"' not in (await pylb.get("/api/services"))[1]:
            await asyncio.sleep(0.02)


@pytest.mark.logs_error(r"control \(pid \d+\) was killed by SIGKILL; another one starts")
async def test_routes_outlive_control_and_new_workers_receive_them(program, declaring):
    pylb = program("--consul", declaring.consul.http, "--catalog")
    cart, other = await pylb.origin(), await pylb.origin()
    await pylb.start()
    await declaring.register("cart", cart, lb_route="/cart")
    await answered(pylb, "/cart", "web-1")
    (control,) = pylb.processes("control")
    control.kill()
    await answered(pylb, "/cart", "web-1")
    await declaring.register("basket", other, lb_route="/basket")
    await answered(pylb, "/basket", "web-2")
    await answered(pylb, "/cart", "web-1")


async def test_pylb_starts_without_consul_with_the_routes_that_it_has_stored(program, declaring, tmp_path):
    arguments = ("--consul", declaring.consul.http, "--catalog", "--state-dir", str(tmp_path / "state"))
    pylb = program(*arguments)
    cart = await pylb.origin()
    await declaring.register("cart", cart, lb_route="/cart")
    await pylb.start()
    await answered(pylb, "/cart", "web-1")
    pylb.send(signal.SIGTERM)
    await pylb.gone()
    declaring.consul.kill()
    again = program(*arguments)
    await again.start()
    await answered(again, "/cart", "web-1")
    declaring.consul.start()
    await again.logged("the catalog responds again")
    await answered(again, "/cart", "web-1")
