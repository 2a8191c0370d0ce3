"""Distinguishes instances that are not registered from instances that the token cannot read.

Consul before 1.11 removes unreadable entries from its answers without a mark. Two calls show the difference,
and neither requires a right:

- `POST /v1/internal/acl/authorize` (Consul 1.7) evaluates rights of the token in the request;
- a transaction that reads an instance fails if the instance does not exist, regardless of its rights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import consul
import orjson

from pylb.clients.consul import ConsulClient, ConsulError, check_status
from pylb.model import Key

T = TypeVar("T")

OK, CONFLICT = 200, 409
UNAVAILABLE = frozenset({401, 404, 405, 501})
"""Statuses that mean: ACLs are disabled, or the server does not have this API."""
BATCH = 64
"""Largest number of rights in a call, and of operations in a transaction, that Consul accepts."""
ABSENT = "doesn't exist"
"""Text in the error of a transaction that reads an instance which is not registered."""


@dataclass(frozen=True, slots=True)
class Right:
    """Permission to read one resource."""

    resource: str
    """`service` or `node`."""
    name: str
    """Name of the resource; empty: none in particular."""

    def __str__(self) -> str:
        return f'{self.resource}:read on "{self.name}"' if self.name else f"{self.resource}:read"


@dataclass(frozen=True, slots=True)
class LookUp:
    """Result of a look-up of single instances."""

    registered: frozenset[Key]
    """Keys of the registered instances, readable or not."""
    services: Mapping[str, str]
    """Service of each readable instance, by the id of the instance."""


Transaction = tuple[set[int], dict[str, str]]
"""Positions of the absent instances, and, if none is absent, the services of the readable ones by id."""


class ConsulAcl:
    """Evaluates the read rights of the client's token.

    Args:
        client: the client whose connections and token are used.
    """

    def __init__(self, client: ConsulClient) -> None:
        self._client = client

    async def denied(self, rights: Sequence[Right]) -> list[Right] | None:
        """Return the rights that the token lacks; None if ACLs are disabled or cannot be evaluated.

        A client agent evaluates from a cache that is up to 30 s old (`acl_policy_ttl`).

        Raises:
            ConsulError: no usable answer, or Consul rejects the token.
        """
        lacking: list[Right] = []
        for start in range(0, len(rights), BATCH):
            batch = rights[start : start + BATCH]
            wanted = [{"Resource": r.resource, "Segment": r.name, "Access": "read"} for r in batch]
            allowed = await self._client.http.post(
                _allowed,
                "/v1/internal/acl/authorize",
                params=self._datacenter(),
                headers=self._client.prepare_headers(),
                data=orjson.dumps(wanted),
            )
            if allowed is None:
                return None
            if len(allowed) != len(batch):
                raise ConsulError(f"expected {len(batch)} evaluated rights, got {len(allowed)}")
            lacking += [right for right, allow in zip(batch, allowed, strict=True) if not allow]
        return lacking

    async def look_up(self, instances: Collection[Key]) -> LookUp | None:
        """Look up instances by node and id; return None if the server does not have the API.

        Args:
            instances: their keys; the datacenter in a key is not used.

        Raises:
            ConsulError: no usable answer.
        """
        keys = list(instances)
        registered: set[Key] = set()
        services: dict[str, str] = {}
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            while batch:
                transaction = await self._read(batch)
                if transaction is None:
                    return None
                absent, readable = transaction
                if not absent:
                    registered.update(batch)
                    services.update(readable)
                    break
                batch = [key for position, key in enumerate(batch) if position not in absent]
        return LookUp(frozenset(registered), services)

    async def _read(self, keys: Sequence[Key]) -> Transaction | None:
        """Read instances in one transaction, which returns either the absent or the readable ones."""
        reads = [
            {"Service": {"Verb": "get", "Node": node, "Service": {"ID": service_id}}}
            for _, node, service_id in keys
        ]
        transaction: Transaction | None = await self._client.http.put(
            _transaction,
            "/v1/txn",
            params=self._datacenter(),
            headers=self._client.prepare_headers(),
            data=orjson.dumps(reads),
        )
        return transaction

    def _datacenter(self) -> list[tuple[str, str]]:
        datacenter = self._client.options.datacenter
        return [("dc", datacenter)] if datacenter else []


def _allowed(response: consul.base.Response) -> list[bool] | None:
    """Decode the evaluated rights, in the order of the request."""
    if response.code in UNAVAILABLE:
        return None
    check_status(response, "to a check of rights")
    return _parsed(response, "a list of evaluated rights", lambda found: [bool(e["Allow"]) for e in found])


def _transaction(response: consul.base.Response) -> Transaction | None:
    """Decode the failed operations of a transaction, or the results of all."""
    if response.code in UNAVAILABLE:
        return None
    if response.code == OK:
        return set(), _parsed(response, "the results of a transaction", _services)
    if response.code != CONFLICT:
        check_status(response, "to a transaction")
    absent = _parsed(response, "the errors of a transaction", _absent)
    if not absent:
        raise ConsulError(f"refused a transaction: {response.body[:200].strip()}")
    return absent, {}


def _services(found: Any) -> dict[str, str]:
    return {str(e["Service"]["ID"]): str(e["Service"]["Service"]) for e in found["Results"] or ()}


def _absent(found: Any) -> set[int]:
    return {int(e["OpIndex"]) for e in found["Errors"] if ABSENT in str(e["What"])}


def _parsed(response: consul.base.Response, expected: str, read: Callable[[Any], T]) -> T:
    """Decode a JSON document.

    Raises:
        ConsulError: the body is not JSON, or has another form than expected.
    """
    try:
        return read(orjson.loads(response.body))
    except (ValueError, KeyError, TypeError) as error:
        raise ConsulError(f"expected {expected}, got {response.body[:80]!r}") from error
