"""The page of routes in a real browser, with texts that are not harmless."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

from tests.components import chromium_binary
from tests.scenarios.processes.program import Program
from tests.scenarios.see.browser import ARGUMENTS

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)

FILE = """
[services.api]
routes = ["/api strip=/api 'set:X-Note=<img src=x onerror=alert(1)>'", "/v2"]
backends = "127.0.0.1:9"
response-timeout = "5s"

[services.many]
routes = [%s]
backends = "127.0.0.1:9"
"""


@pytest.fixture
async def page():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1180, "height": 1020}, color_scheme="light")
        page.messages = []
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.on("dialog", lambda dialog: page.messages.append(f"dialog {dialog.message}"))
        yield page
        await browser.close()


async def test_routes_are_shown_filtered_and_paged(page, tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text(FILE % ", ".join(f'"/p{number}"' for number in range(250)))
    async with Program(tmp_path, "--routes", str(path)) as pylb:
        await pylb.start()
        await page.goto(f"{pylb.admin}/routes")
        rows = page.locator("#rows tr")
        await expect(rows).to_have_count(100)
        await expect(page.locator("#count")).to_contain_text("1 to 100 of 252")
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator("#count")).to_contain_text("101 to 200 of 252")

        await page.get_by_label("Service", exact=True).fill("api")
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("set:X-Note=<img src=x onerror=alert(1)>")
        await page.get_by_role("button", name="Settings of api").first.click()
        settings = page.locator("#settings")
        await expect(settings.locator("tr", has_text="response-timeout")).to_contain_text("5s")
        await expect(settings.locator("tr", has_text="response-timeout")).to_contain_text("routes.toml")
        assert (await Axe().run(page)).violations_count == 0

        path.write_text("[services.api\n")
        await expect(page.locator("#problems")).to_contain_text("routes.toml, line 1")
        await expect(rows).to_have_count(2)
        assert page.messages == []


async def test_requests_are_counted_by_route_on_request(page, tmp_path):
    async with Program(tmp_path, "--service", "web", "--service", "api=/api", "--route-metrics") as pylb:
        await pylb.origin()
        await pylb.start()
        async with pylb.clients(2) as clients:
            await clients.more()
            await page.goto(f"{pylb.admin}/routes")
            web = page.locator("#rows tr", has=page.get_by_role("button", name="Settings of web"))
            await expect(web.locator('[data-cell="requests"]')).to_contain_text(re.compile(r"^[1-9]"))
            await expect(web.locator('[data-cell="errors"]')).to_have_text("0.0")
        assert page.messages == []
