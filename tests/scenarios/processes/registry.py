"""Instances that come and go in a real Consul, before a pylb of several processes."""

import asyncio

import aiohttp


async def served_by(pylb, *names):
    """Wait until exactly these answer."""
    async with asyncio.timeout(30):
        while {(await pylb.get("/", admin=False))[1] for _ in range(4 * len(names) + 4)} != set(names):
            await asyncio.sleep(0.02)


class Registry:
    """Registers origins in a Consul."""

    def __init__(self, consul, origins):
        self._consul = consul
        self._origins = origins

    async def register(self, *places):
        for place in places:
            body = {
                "ID": f"web-{place + 1}",
                "Name": "web",
                "Address": "127.0.0.1",
                "Port": self._origins[place].endpoint.port,
            }
            await self._put("service/register", body)

    async def deregister(self, place):
        await self._put(f"service/deregister/web-{place + 1}", {})

    async def _put(self, path, body):
        url = f"{self._consul.url}/v1/agent/{path}"
        async with aiohttp.ClientSession() as http, http.put(url, json=body) as answer:
            assert answer.status == 200
