"""Takes the pictures of the dashboard: `python -m tests.scenarios.see.pictures docs/images`, 90 seconds."""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop
from playwright.async_api import async_playwright, expect

from tests.components import chromium_binary
from tests.consul_agent import ConsulAgent
from tests.scenarios.see.browser import ARGUMENTS
from tests.scenarios.see.deployment import Deployment
from tests.until import until


async def take(pylb: Deployment, folder: Path) -> None:
    """Let some instances come and go under traffic, and look at it by day, by night and on a phone."""
    for number, seconds in ((1, 0.004), (2, 0.006), (3, 0.012)):
        await pylb.start(f"web-{number}", seconds=seconds)
    await pylb.ready(3)
    pylb.load(8)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1180, "height": 1020})
        await page.goto(f"{pylb.admin}/")
        samples = pylb.balancer.control.recorder.samples.services
        await until(lambda: len(samples.get("web", ())) > 40, 90)
        await pylb.start("web-4", seconds=0.005)
        await until(lambda: len(samples["web"]) > 70, 90)
        await page.get_by_role("button", name="Drain web-2").click()
        await pylb.stop("web-1")
        await until(lambda: len(samples["web"]) > 85, 90)
        for scheme in ("dark", "light"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=folder / f"dashboard-{scheme}.png")
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.reload()
        await expect(page.locator("#tables")).to_contain_text("web-3")
        await page.screenshot(path=folder / "dashboard-phone.png")
        await browser.close()


async def main(folder: Path) -> None:
    """Start the environment, with a separate Consul."""
    with tempfile.TemporaryDirectory() as directory:
        agent = ConsulAgent(Path(directory))
        await asyncio.to_thread(agent.start)
        try:
            async with Deployment(agent, "web") as pylb:
                await take(pylb, folder)
        finally:
            agent.stop()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
