"""WebSockets of a page in a real browser, through pylb, while instances come and go."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest
from playwright.async_api import async_playwright
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from pylb.model import Endpoint
from tests.components import chromium_binary
from tests.environment import Environment
from tests.scenarios.see.browser import ARGUMENTS
from tests.until import until

pytestmark = pytest.mark.slow

SOCKETS = 200
ROUNDS = 10

PAGE = """
<!doctype html><title>talk</title>
<script>
// One WebSocket's life: `rounds` texts and, for every tenth, 1 MiB; each must come back as it was sent.
// Even ones close by themselves, odd ones ask the server to. The code with which it ended.
function talk(number, rounds) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(`ws://${location.host}/${number}`);
    socket.binaryType = "arraybuffer";
    const waiting = Array.from({length: rounds}, (_, round) => `${number} in pieces ${round}`);
    if (number % 10 === 0) waiting.push(new Uint8Array(1 << 20).fill(number));
    let sent;
    const next = () => {
      sent = waiting.shift();
      if (sent !== undefined) socket.send(sent);
      else if (number % 2) socket.send(`close ${4000 + number}`);
      else socket.close(4000 + number, "done");
    };
    const same = (data) => typeof sent === "string" ? data === sent
      : data.byteLength === sent.length && new Uint8Array(data).every((byte) => byte === number);
    socket.onopen = next;
    socket.onmessage = ({data}) => same(data) ? next() : failed(new Error(`${number}: not what was sent`));
    socket.onclose = ({code}) => done(code);
  });
}
const talkAll = (count, rounds) =>
  Promise.all(Array.from({length: count}, (_, number) => talk(number, rounds)));
</script>
"""


def page(connection, request):
    """Answer requests without an upgrade with the page."""
    if "Upgrade" in request.headers:
        return None
    response = connection.respond(200, PAGE)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html"
    return response


async def test_no_websocket_of_a_page_is_closed_while_instances_change():
    codes = []

    async def echo(socket):
        """Give every message back in three pieces, after a ping that must be answered."""
        with suppress(ConnectionClosed):
            async for message in socket:
                if message[:6] == "close ":
                    await socket.close(int(message[6:]), "as you wish")
                    break
                await asyncio.wait_for(await socket.ping(), 20)
                third = len(message) // 3
                await socket.send([message[:third], message[third : 2 * third], message[2 * third :]])
        codes.append(socket.close_code)

    async with Environment() as environment, AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serve(echo, "127.0.0.1", 0, max_size=None, process_request=page))
            for _ in range(3)
        ]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        endpoints = [Endpoint("web", "127.0.0.1", port, id=str(port)) for port in ports]
        environment.register(*endpoints)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        tab = await browser.new_page()
        await tab.goto(f"http://127.0.0.1:{environment.port}/")
        talking = asyncio.gather(tab.evaluate(f"talkAll({SOCKETS}, {ROUNDS})"))
        changes = 0
        while not talking.done():
            environment.register(*(e for i, e in enumerate(endpoints) if i != changes % 3))
            changes += 1
            await asyncio.sleep(0.005)
        assert changes > 20
        assert (await talking)[0] == list(range(4000, 4000 + SOCKETS))
        await until(lambda: len(codes) == SOCKETS)
        assert sorted(codes) == list(range(4000, 4000 + SOCKETS))
