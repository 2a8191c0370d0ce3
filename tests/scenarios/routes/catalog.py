"""Services that register in a real Consul and declare their routes, and what pylb serves then."""

import asyncio
import io
import json

import aiohttp


class Declaring:
    """Registers services with metadata and tags, and writes keys.

    Args:
        consul: the agent.
    """

    def __init__(self, consul):
        self.consul = consul

    async def register(self, service, origin, *, number=1, tags=(), **meta):
        """Register an instance, whose metadata may declare a route: `lb_route="/cart"`."""
        body = {
            "ID": f"{service}-{number}",
            "Name": service,
            "Address": "127.0.0.1",
            "Port": origin.endpoint.port,
            "Tags": list(tags),
            "Meta": meta,
        }
        await self.put("agent/service/register", json.dumps(body))

    async def deregister(self, service, number=1):
        await self.put(f"agent/service/deregister/{service}-{number}")

    async def key(self, name, text):
        """Write a key below `routes/`."""
        await self.put(f"kv/routes/{name}", text)

    async def delete_key(self, name):
        url = f"{self.consul.url}/v1/kv/routes/{name}"
        async with aiohttp.ClientSession() as http, http.delete(url) as answer:
            assert answer.status == 200

    async def put(self, path, body=""):
        url = f"{self.consul.url}/v1/{path}"
        async with aiohttp.ClientSession() as http, http.put(url, data=io.BytesIO(body.encode())) as answer:
            assert answer.status == 200, await answer.text()


async def answered(pylb, path, expected, status=200, host="shop.example"):
    """Wait until every worker answers a path so; a worker is one of two, so several requests are sent."""
    seen = []
    try:
        async with asyncio.timeout(20):
            while True:
                seen = [await ask(pylb, path, host) for _ in range(6)]
                if all(code == status and expected in text for code, text in seen):
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{path} is answered {seen[-1]}, not {status} {expected}") from None


async def ask(pylb, path, host="shop.example"):
    """Send one request on a separate connection."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(pylb.url + path, headers={"Host": host}, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text()


async def problems(pylb):
    """The texts on /api/problems, by service."""
    _, text = await pylb.get("/api/problems")
    return [(problem["service"], problem["text"]) for problem in json.loads(text)]


async def problem(pylb, part, service=None):
    """Wait for a problem whose text contains this."""
    found = []
    try:
        async with asyncio.timeout(20):
            while True:
                found = await problems(pylb)
                for name, text in found:
                    if part in text and service in {None, name}:
                        return text
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"no problem {part!r} among {found}") from None


async def no_problem(pylb, part):
    """Wait until no problem's text contains this."""
    async with asyncio.timeout(20):
        while any(part in text for _, text in await problems(pylb)):
            await asyncio.sleep(0.02)
