"""The dashboard in a real browser, before a real registry and real traffic."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

from pylb.policy.backend import State
from tests.components import chromium_binary
from tests.h2_peers import GET, H2Backend, H2Client, answering
from tests.scenarios.see.browser import ARGUMENTS
from tests.scenarios.see.deployment import Deployment

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)


@pytest.fixture
async def browser():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser):
    """A browser tab; `said` has its console messages."""
    page = await browser.new_page(viewport={"width": 1180, "height": 1020}, color_scheme="light")
    page.messages = []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    return page


def row(page, name):
    return page.locator("tr[data-backend]", has=page.locator("th", has_text=name))


async def test_rows_follow_the_instances_and_drain_stops_traffic(consul, page):
    async with Deployment(consul, "dashboard") as pylb:
        await pylb.start("web-1")
        await pylb.ready(1)
        pylb.load(4)
        await page.goto(f"{pylb.admin}/")
        await expect(row(page, "web-1")).to_contain_text("up")
        await pylb.start("web-2")
        await expect(row(page, "web-2")).to_contain_text("up")
        await expect(page.locator("#history")).to_contain_text("+web-2")

        await page.get_by_role("button", name="Drain web-1").click()
        await expect(row(page, "web-1")).to_contain_text("drained")
        await pylb.answering("web-2")
        await expect(row(page, "web-1")).to_contain_text("operator: drain web-1")
        await page.get_by_role("button", name="Undrain web-1").click()
        await pylb.answering("web-1", "web-2")

        await page.get_by_role("button", name="Weight of web-2").click()
        await page.get_by_label("Weight", exact=True).fill("0")
        await page.get_by_label("Reason").fill("too slow")
        await page.keyboard.press("Enter")
        await expect(page.locator("#overrides")).to_contain_text("weight 0 web-2")
        await pylb.answering("web-1")
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.locator("#overrides")).to_be_hidden()

        await pylb.stop("web-2")
        await expect(row(page, "web-2")).to_have_count(0)
        assert page.messages == []
        assert pylb.failures == 0


async def test_http2_of_clients_and_to_backends_is_shown(consul, page):
    released = asyncio.Event()

    async def script(stream):
        await released.wait()
        await answering()(stream)

    backend = H2Backend(script)
    async with Deployment(consul, "multiplexed") as pylb:
        await pylb.serve("web-1", backend, {"lb_protocol": "h2c"})
        await pylb.ready(1)
        await page.goto(f"{pylb.admin}/")
        figures = page.locator("#figures")
        await expect(row(page, "web-1")).to_contain_text("HTTP/2")
        await expect(figures).to_contain_text("Clients")
        await expect(figures.get_by_text("HTTP/2 clients")).to_be_hidden()
        async with H2Client(int(pylb.url.rpartition(":")[2])) as client:
            streams = [client.open(GET, end=True) for _ in range(3)]
            await expect(page.locator('[data-figure="http2_connections"]')).to_have_text("1")
            await expect(page.locator('[data-figure="http2_streams"]')).to_have_text("3")
            await expect(row(page, "web-1")).to_contain_text("HTTP/2: 1 connection, 3 streams")
            released.set()
            for stream in streams:
                await stream.whole()
        await expect(figures.get_by_text("HTTP/2 clients")).to_be_hidden()
        assert page.messages == []


async def test_an_ejected_backend_can_be_restored(consul, page):
    async with Deployment(consul, "restored") as pylb:
        for number in range(1, 4):
            await pylb.start(f"web-{number}")
        await pylb.ready(3)
        pool = pylb.balancer.worker.pools["restored"]
        sick = next(b for b in pool.eligible if b.endpoint.id == "web-2")
        pool.on_peer_update(sick.identity, State.EJECTED, until=monotonic() + 3600)
        await page.goto(f"{pylb.admin}/")
        await expect(row(page, "web-2")).to_contain_text("ejected")
        await page.get_by_role("button", name="Restore web-2 for 5 minutes").click()
        await expect(row(page, "web-2")).to_contain_text("up")
        await expect(page.locator("#overrides")).to_contain_text("restore web-2")
        assert sick in pool.eligible
        assert page.messages == []


async def test_the_dashboard_works_with_the_keyboard(consul, page):
    async with Deployment(consul, "keyboard") as pylb:
        await pylb.start("web-1")
        await pylb.start("web-2")
        await pylb.ready(2)
        await page.goto(f"{pylb.admin}/")
        drain = page.get_by_role("button", name="Drain web-1")
        await expect(drain).to_be_visible()
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await drain.evaluate("each => each === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        await expect(row(page, "web-1")).to_contain_text("drained")
        focused = await page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused == "Undrain web-1", "the focus stays where it was"


async def test_the_dashboard_reconnects_after_a_restart(consul, page):
    async with Deployment(consul, "away") as pylb:
        await pylb.start("web-1")
        await pylb.ready(1)
        await page.goto(f"{pylb.admin}/")
        await expect(row(page, "web-1")).to_contain_text("up")
        port = int(pylb.admin.rpartition(":")[2])
    await expect(page.locator("#life")).to_contain_text("not reachable")
    async with Deployment(consul, "away", admin_port=port) as pylb:
        await pylb.start("web-2")
        await expect(row(page, "web-2")).to_contain_text("up")
        await expect(page.locator("#life")).to_contain_text("serving")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 390])
async def test_the_dashboard_is_accessible_and_fits_small_screens(consul, page, scheme, width):
    async with Deployment(consul, f"axe-{scheme}-{width}") as pylb:
        await pylb.start("web-1")
        await pylb.start("web-2")
        await pylb.ready(2)
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(f"{pylb.admin}/")
        await page.get_by_role("button", name="Drain web-2").click()
        await expect(row(page, "web-2")).to_contain_text("drained")
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (
            "nothing to scroll sideways"
        )
        await page.get_by_role("button", name="Weight of web-1").click()
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()


async def test_the_dashboard_asks_for_a_required_token(consul, page):
    async with Deployment(consul, "token", admin_token="s3cret") as pylb:
        await pylb.start("web-1")
        await pylb.ready(1)
        await page.goto(f"{pylb.admin}/")
        await page.get_by_role("button", name="Drain web-1").click()
        await page.get_by_role("textbox", name="Token").fill("s3cret")
        await page.keyboard.press("Enter")
        await expect(row(page, "web-1")).to_contain_text("drained")
        assert len(pylb.balancer.control.override_store.overrides) == 1
