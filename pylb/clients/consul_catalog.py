"""Reads Consul's catalog across services: names, nodes, and unhealthy checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import consul
import orjson

from pylb.clients.consul import ANSWER_TIMEOUT, CALL_TIMEOUT, ConsulClient, ConsulError, check_status


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """One answer: the JSON document, and the index for the next blocking query."""

    path: str
    kind: type
    """The type that the document must have."""
    body: bytes
    index: int
    """`X-Consul-Index`, at least 1."""

    def read(self) -> Any:
        """Read the document.

        Raises:
            ConsulError: it is another one than expected.
        """
        try:
            content = orjson.loads(self.body)
        except ValueError as error:
            raise ConsulError(f"cannot understand the answer to {self.path}: {error}") from error
        if not isinstance(content, self.kind):
            raise ConsulError(f"expected another document at {self.path}, got {self.body[:40]!r}")
        return content


class ConsulCatalog:
    """Calls of the catalog.

    Args:
        client: the client whose connections are used.
    """

    def __init__(self, client: ConsulClient) -> None:
        self._client = client

    async def services(self, index: int = 0, wait: float = 55.0) -> CatalogAnswer:
        """Return the names of all services with their tags.

        A change of any instance ends the wait; a change of a check does not.

        Args:
            index: wait for an answer with a greater index; 0 returns the current one.
            wait: longest wait in seconds.

        Raises:
            ConsulError: no usable answer.
        """
        return await self._get(("v1", "catalog", "services"), dict, index, wait)

    async def checks(self, state: str, index: int = 0, wait: float = 55.0) -> CatalogAnswer:
        """Return all checks in a state. A change of any check ends the wait.

        Args:
            state: `critical` or `warning`.
            index: see `services`.
            wait: see `services`.

        Raises:
            ConsulError: no usable answer.
        """
        return await self._get(("v1", "health", "state", state), list, index, wait)

    async def nodes(self) -> list[Any]:
        """Return all nodes that the token may read.

        Raises:
            ConsulError: no usable answer.
        """
        answer = await self._get(("v1", "catalog", "nodes"), list)
        nodes: list[Any] = answer.read()
        return nodes

    async def node_instances(self, name: str) -> CatalogAnswer:
        """Return a node and the instances on it; `null` if there is no such node.

        Raises:
            ConsulError: no usable answer.
        """
        return await self._get(("v1", "catalog", "node", name), dict)

    async def node_checks(self, name: str) -> CatalogAnswer:
        """Return the checks on a node; it costs Consul a third of `node_instances`.

        Raises:
            ConsulError: no usable answer.
        """
        return await self._get(("v1", "health", "node", name), list)

    async def _get(
        self, path: tuple[str, ...], kind: type, index: int = 0, wait: float = 0.0
    ) -> CatalogAnswer:
        params = self._params()
        deadline = CALL_TIMEOUT
        if index:
            params += [("index", index), ("wait", f"{wait:g}s")]
            deadline = wait * 17 / 16 + ANSWER_TIMEOUT

        def read(response: consul.base.Response) -> CatalogAnswer:
            return catalog_answer(response, f"/{'/'.join(path)}", kind)

        answer: CatalogAnswer = await self._client.http.get(
            read,
            path,
            params=params,
            headers=self._client.prepare_headers(),
            raw=True,
            connections_timeout=deadline,
        )
        return answer

    def _params(self) -> list[tuple[str, Any]]:
        options = self._client.options
        params: list[tuple[str, Any]] = [("dc", options.datacenter)] if options.datacenter else []
        if options.consistency != "default":
            params.append((options.consistency, ""))
        return params


def catalog_answer(response: consul.base.Response, path: str, kind: type) -> CatalogAnswer:
    """Decode an answer of the catalog.

    Args:
        response: the answer.
        path: the requested path, for messages.
        kind: the expected type of the JSON document.

    Raises:
        ConsulError: the answer is not 200 with an index.
    """
    check_status(response, f"to {path}")
    try:
        index = int(response.headers.get("X-Consul-Index", "1"))
    except ValueError as error:
        raise ConsulError(f"cannot understand the answer to {path}: {error}") from error
    return CatalogAnswer(path, kind, response.body, max(1, index))
