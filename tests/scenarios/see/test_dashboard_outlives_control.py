"""The dashboard before all of pylb's processes: control is killed, and the page finds back."""

import signal

import pytest
from playwright.async_api import async_playwright, expect

from tests.components import chromium_binary
from tests.scenarios.processes.program import Program
from tests.scenarios.see.browser import ARGUMENTS
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.mark.logs_error("was killed by SIGKILL")
async def test_the_dashboard_reconnects_after_control_was_killed_and_no_request_fails(tmp_path):
    async with Program(tmp_path) as pylb, async_playwright() as playwright:
        for _ in range(2):
            await pylb.origin()
        await pylb.start()
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1180, "height": 1020})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{pylb.admin}/")
        first = pylb.origins[0].endpoint.authority
        row = page.locator("tr[data-backend]", has=page.locator("th", has_text=first))
        await expect(row).to_contain_text("up", timeout=20_000)
        async with pylb.clients(4) as clients:
            await clients.more()
            (control,) = pylb.processes("control")
            control.send_signal(signal.SIGKILL)
            await until(lambda: [p for p in pylb.processes("control") if p.pid != control.pid], 20)
            # The new one knows what the old one knew, and takes what it is told.
            await page.get_by_role("button", name=f"Drain {first}").click(timeout=20_000)
            await expect(row).to_contain_text("drained", timeout=30_000)
            await expect(page.locator("#life")).to_contain_text("serving", timeout=20_000)
            await clients.more()  # What ran when it was drained may have finished there.
            clients.answers.clear()
            await clients.more(200)
            assert set(clients.answers) == {"web-2"}
        assert clients.failures == {}
        assert errors == []
        await browser.close()
