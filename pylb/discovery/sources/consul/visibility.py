"""Distinguishes instances that are deregistered from those that ACLs hide from the token."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_acl import ConsulAcl, LookUp, Right
from pylb.clients.consul_catalog import ConsulCatalog
from pylb.discovery.abbreviation import abbreviated
from pylb.model import Endpoint


class Visibility:
    """Queries which instances the token of one client may read.

    A cluster without ACLs is queried once: enabling them restarts its agents, which ends the connection.

    Args:
        client: the client for the queries.
    """

    def __init__(self, client: ConsulClient) -> None:
        self._acl = ConsulAcl(client)
        self._catalog = ConsulCatalog(client)
        self._enabled: bool | None = None
        """Whether ACLs are enabled; None while that is unknown."""

    async def hidden(self, vanished: Collection[Endpoint]) -> tuple[Endpoint, ...]:
        """Return the instances that are registered although they are not listed.

        Raises:
            ConsulError: Consul gave no usable answer.
        """
        if self._enabled is None:
            await self._denied([Right("service", "")])
        if not vanished or not self._enabled:
            return ()
        found = await self._acl.look_up([e.key for e in vanished])
        if found is None:
            denied = set(await self._denied([right for e in vanished for right in _rights(e)]))
            return tuple(e for e in vanished if denied.intersection(_rights(e)))
        if not found.registered:
            return ()
        nodes = {node.get("Node") for node in await self._catalog.nodes()}
        return tuple(e for e in vanished if e.key in found.registered and not _readable(e, found, nodes))

    async def missing(self, service: str, instances: Collection[Endpoint] = ()) -> str:
        """Return the rights that the token lacks to read a service, as text; empty if it lacks none.

        Args:
            service: the service's name.
            instances: known instances, whose nodes the token must be able to read. Without any, it must be
                able to read one node at least: every instance is on one, and so is Consul itself.

        Raises:
            ConsulError: Consul gave no usable answer.
        """
        if self._enabled is False:
            return ""
        rights = [Right("service", service), *(right for e in instances for right in _rights(e))]
        denied = await self._denied(list(dict.fromkeys(rights)))
        if self._enabled and not denied and not instances and not await self._catalog.nodes():
            denied = [Right("node", "")]
        return abbreviated([str(right) for right in denied])

    async def _denied(self, rights: Sequence[Right]) -> list[Right]:
        denied = await self._acl.denied(rights)
        self._enabled = denied is not None
        return denied or []


def _readable(instance: Endpoint, found: LookUp, nodes: Collection[str]) -> bool:
    """Whether the token may read a registered instance, so that it is missing for another reason.

    It has lost a required tag, belongs to another service now, or is newer than the answer.
    """
    service = found.services.get(instance.id)
    return service is not None and (service != instance.service or instance.node in nodes)


def _rights(instance: Endpoint) -> tuple[Right, Right]:
    """The rights that are required to read an instance."""
    return Right("service", instance.service), Right("node", instance.node)
