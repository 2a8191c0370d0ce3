"""The part of Consul's API that tells "not registered" from "not readable with this token".

Consul before 1.11 removes what a token may not read from its answers and does not say so. Two calls show the
difference, and neither needs a right of its own:

- `POST /v1/internal/acl/authorize` (Consul 1.7) evaluates rights for the token that is sent;
- a transaction that reads an instance fails if there is no such instance, whatever the token may read.
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
NOT_OFFERED = frozenset({401, 404, 405, 501})
"""ACLs are disabled, or whatever answers has no such API."""
BATCH = 64
"""Rights in a call, and operations in a transaction; Consul takes no more."""
ABSENT = "doesn't exist"
"""How a transaction refuses to read an instance that is not registered."""


@dataclass(frozen=True, slots=True)
class Right:
    """Permission to read one resource."""

    resource: str
    """`service` or `node`."""
    name: str
    """The resource's name; empty: no particular one."""

    def __str__(self) -> str:
        return f'{self.resource}:read on "{self.name}"' if self.name else f"{self.resource}:read"


@dataclass(frozen=True, slots=True)
class LookUp:
    """What Consul knows of single instances."""

    registered: frozenset[Key]
    """The keys of those that are registered, readable or not."""
    services: Mapping[str, str]
    """The service of each that the token may read, by the instance's id."""


Transaction = tuple[set[int], dict[str, str]]
"""The positions of instances that are absent; the services of readable ones by id, if none is absent."""


class ConsulAcl:
    """Evaluates what the client's token may read.

    Args:
        client: where the agent is, and with which token it is asked.
    """

    def __init__(self, client: ConsulClient) -> None:
        self._client = client

    async def denied(self, rights: Sequence[Right]) -> list[Right] | None:
        """Return those of the rights that the token lacks; None if ACLs are disabled or cannot be evaluated.

        A client agent evaluates from a cache that is up to 30 s old (`acl_policy_ttl`).

        Raises:
            ConsulError: no usable answer, or the token itself is refused.
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
        """Look instances up by node and id; None if that is not offered.

        Args:
            instances: their keys; the datacenter in them is not used.

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
        """Read instances in one transaction, which yields either what is absent or what is readable."""
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
        datacenter = self._client.settings.datacenter
        return [("dc", datacenter)] if datacenter else []


def _allowed(response: consul.base.Response) -> list[bool] | None:
    """Read the evaluated rights, in the order in which they were asked for."""
    if response.code in NOT_OFFERED:
        return None
    check_status(response, "to a check of rights")
    return _parsed(response, "a list of evaluated rights", lambda found: [bool(e["Allow"]) for e in found])


def _transaction(response: consul.base.Response) -> Transaction | None:
    """Read which operations of a transaction found nothing, or what all of them found."""
    if response.code in NOT_OFFERED:
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
    """Read a JSON document.

    Raises:
        ConsulError: it is none, or not what is expected.
    """
    try:
        return read(orjson.loads(response.body))
    except (ValueError, KeyError, TypeError) as error:
        raise ConsulError(f"expected {expected}, got {response.body[:80]!r}") from error
