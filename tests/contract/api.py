"""A registry as a test sees it: requests, replies, and what may differ between two registries."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

DEADLINE = 5.0
"""Seconds for Consul's agent to update the catalog; some milliseconds are usual."""


@dataclass
class Reply:
    status: int
    content: Any
    """Parsed if it is JSON, else text."""
    headers: Any = field(repr=False)

    @property
    def index(self) -> int:
        return int(self.headers["X-Consul-Index"])


class Api:
    """One registry, and names in it that no other test uses.

    In paths, bodies and parameters, `@` stands for this test's own prefix; in replies it does again.
    """

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.prefix = f"a{secrets.token_hex(4)}"
        self._session = session

    async def call(
        self, method: str, path: str, body: Any = None, headers: Any = None, **params: Any
    ) -> Reply:
        if isinstance(body, dict | list):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.replace("@", self.prefix).encode()
        query = {name: str(value).replace("@", self.prefix) for name, value in params.items()}
        url = f"http://{self.address}{path.replace('@', self.prefix)}"
        async with self._session.request(
            method, url, data=body, params=query, headers=headers, allow_redirects=False
        ) as response:
            text = (await response.read()).decode(errors="replace").replace(self.prefix, "@")
            is_json = response.content_type == "application/json"
            return Reply(response.status, json.loads(text) if is_json else text, response.headers)

    async def get(self, path: str, **params: Any) -> Reply:
        return await self.call("GET", path, **params)

    async def put(self, path: str, body: Any = None, **params: Any) -> Any:
        """A write that must succeed; its content."""
        reply = await self.call("PUT", path, body, **params)
        assert reply.status == 200, reply
        return reply.content

    async def register(self, body: dict[str, Any], **params: Any) -> None:
        await self.put("/v1/agent/service/register", body, **params)

    async def health(self, name: str = "@web", **params: Any) -> Reply:
        return await self.get(f"/v1/health/service/{name}", **params)

    async def statuses(self, name: str = "@web") -> dict[str, tuple[str, str]]:
        """The checks of a service in the catalog: id -> status and output."""
        reply = await self.get(f"/v1/health/checks/{name}")
        return {check["CheckID"]: (check["Status"], check["Output"]) for check in reply.content}

    async def until(self, probe: Any, expected: Any) -> Any:
        """Ask until the answer is, or fulfils, what is expected."""
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = await probe()
            if expected(answer) if callable(expected) else answer == expected:
                return answer
            assert time.monotonic() < deadline, f"expected {expected}, got {answer}"
            await asyncio.sleep(0.005)

    async def catalogued(self, name: str = "@web", instances: int = 1, **params: Any) -> Reply:
        """The health of a service, once the catalog knows that many instances of it."""
        return await self.until(lambda: self.health(name, **params), lambda r: len(r.content) == instances)

    async def clean(self) -> None:
        """Remove whatever bears the prefix."""
        for kind in ("service", "check"):
            for identity in (await self.get(f"/v1/agent/{kind}s")).content:
                if "@" in identity:
                    await self.put(f"/v1/agent/{kind}/deregister/{identity}")
        await self.call("DELETE", "/v1/kv/@", recurse="")


def comparable(content: Any) -> Any:
    """What two registries must agree on: all but write numbers, the node's own name, and hashes."""
    if isinstance(content, list):
        return [comparable(item) for item in content]
    if not isinstance(content, dict):
        return content
    own = {"CreateIndex", "ModifyIndex", "ContentHash"}
    if "Node" in content and isinstance(content["Node"], str):
        own |= {"Node", "ID"} if "Address" in content else {"Node"}
    return {key: comparable(value) for key, value in content.items() if key not in own}
