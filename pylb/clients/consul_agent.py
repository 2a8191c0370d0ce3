"""Reads and writes the services and checks of a Consul agent, one call for each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import consul
import orjson

from pylb.clients.consul import ConsulClient, ConsulDeniedError, ConsulError, check_status


class ConsulAgent:
    """Calls of `/v1/agent`.

    py-consul's `register` does not accept all fields of a registration, and its `self` sends no token; these
    methods send the given definition, and the token.

    Args:
        client: the client whose connections are used.
    """

    def __init__(self, client: ConsulClient) -> None:
        self._client = client

    async def services(self) -> dict[str, Any]:
        """Return the services registered with this agent, by id.

        Raises:
            ConsulError: no usable answer.
        """
        return _objects("services", await self._client.agent.services())

    async def checks(self) -> dict[str, Any]:
        """Return the checks of this agent, by id.

        Raises:
            ConsulError: no usable answer.
        """
        return _objects("checks", await self._client.agent.checks())

    async def address(self) -> str:
        """Return the address of the agent's node; empty if the token lacks `agent:read`.

        Raises:
            ConsulError: no usable answer.
        """
        try:
            found = await self._self()
        except ConsulDeniedError:
            return ""
        try:
            return str(found["Member"]["Addr"])
        except (KeyError, TypeError) as error:
            raise ConsulError("expected Member.Addr in the answer to /v1/agent/self") from error

    async def meta(self) -> dict[str, str]:
        """Return the metadata of the agent's node.

        Raises:
            ConsulError: no usable answer, or the token lacks `agent:read`.
        """
        found = await self._self()
        try:
            return dict(found["Meta"] or {})
        except (KeyError, TypeError, ValueError) as error:
            raise ConsulError("expected Meta in the answer to /v1/agent/self") from error

    async def _self(self) -> Any:
        headers = self._client.prepare_headers()
        return await self._client.http.get(_json, "/v1/agent/self", headers=headers, raw=True)

    async def register(self, definition: Mapping[str, Any]) -> None:
        """Register a service, or replace the one with its id, with only the checks in the definition.

        Raises:
            ConsulError: no answer, or Consul rejects the definition.
        """
        await self._put("/v1/agent/service/register", definition, [("replace-existing-checks", "true")])

    async def deregister(self, service_id: str) -> None:
        """Remove a service and its checks; a service that does not exist is no error.

        Raises:
            ConsulError: no answer, or Consul rejects the call.
        """
        try:
            await self._put(("v1", "agent", "service", "deregister", service_id), {})
        except ConsulError as error:
            if "Unknown service" not in str(error):
                raise

    async def update_check(self, check_id: str, status: str, output: str) -> None:
        """Set the status of a TTL check: `passing`, `warning` or `critical`.

        Raises:
            ConsulError: no answer, or the check does not exist.
        """
        await self._put(("v1", "agent", "check", "update", check_id), {"Status": status, "Output": output})

    async def _put(
        self,
        path: str | tuple[str, ...],
        content: Mapping[str, Any],
        params: list[tuple[str, str]] | None = None,
    ) -> None:
        headers, data = self._client.prepare_headers(), orjson.dumps(content)
        await self._client.http.put(check_status, path, params=params, headers=headers, data=data)


def _objects(what: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ConsulError(f"expected an object of {what}, got {found!r}"[:160])
    return found


def _json(response: consul.base.Response) -> Any:
    check_status(response)
    try:
        return orjson.loads(response.body)
    except ValueError as error:
        raise ConsulError(f"cannot understand the answer: {error}") from error
